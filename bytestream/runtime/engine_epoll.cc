#include "bytestream/runtime/engine_epoll.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "bytestream/base/check.h"

namespace halfpipe {
namespace {

constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr uint32_t kWriteEvents = EPOLLOUT | EPOLLHUP | EPOLLERR;

// Behind these a receive may leave something although it had room: it stops in front of urgent data,
// and of an end or an error, of which the system has told already.
constexpr uint32_t kStopEvents = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

constexpr uint32_t kAttachedEvents = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;

// Errors of one connection that accept(2) hands on although the listener is well.
bool IsErrorOfOneConnection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPERM:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

constexpr size_t kPiecesPerCall = 1024;  // IOV_MAX of Linux

// The events of `events`, or failures, that `fd` has now; 0 for none, -1 where the system has no
// memory to look.
int EventsNow(int fd, short events) {
  pollfd state = {fd, events, 0};
  int ready;
  do {
    ready = poll(&state, 1, 0);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? state.revents : ready;
}

void SetPieces(msghdr* message, absl::Span<const iovec> pieces) {
  message->msg_iov = const_cast<iovec*>(pieces.data());
  message->msg_iovlen = std::min(pieces.size(), kPiecesPerCall);
}

void WakeAll(Runtime* runtime, WaiterList* list, int result) {
  while (Waiter* const waiter = list->PopFront()) runtime->Wake(waiter, result);
}

}  // namespace

EpollEngine::~EpollEngine() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
  if (wakeup_fd_ >= 0) close(wakeup_fd_);
  if (!runtime_->ending()) return;
  for (auto& [fd, foreign] : foreign_) {
    foreign->entry.readers.Forget();
    foreign->entry.writers.Forget();
  }
}

// Makes the descriptors at the first need of them. 0 or an errno.
int EpollEngine::Open() {
  if (epoll_fd_ >= 0) return 0;
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return errno;
  const int wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (wakeup_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wakeup_fd, &event) < 0) {
    // eventfd(2) says ENODEV where it cannot have the memory of its own file system.
    const int error = errno == ENODEV ? ENOMEM : errno;
    if (wakeup_fd >= 0) close(wakeup_fd);
    close(epoll_fd);
    return error;
  }
  epoll_fd_ = epoll_fd;
  wakeup_fd_ = wakeup_fd;
  return 0;
}

void EpollEngine::Attach(EngineFd* entry, int fd) {
  HALFPIPE_CHECK(entry->fd < 0);
  entry->fd = fd;
  entry->interest = 0;
  entry->detached = false;
  entry->drained = false;
  entry->receives_stop_short = false;
}

void EpollEngine::Detach(EngineFd* entry) {
  if (entry->detached) return;
  if (entry->interest != 0) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, entry->fd, nullptr);
  entry->interest = 0;
  entry->detached = true;
  entry->fd = -1;
  entry->on_readable = nullptr;
  entry->on_writable = nullptr;
  for (int i = next_event_; i < event_count_; ++i) {
    if (events_[i].data.ptr == entry) events_[i].events = 0;
  }
  if (runtime_->ending()) {
    entry->readers.Forget();
    entry->writers.Forget();
  }
  WakeAll(runtime_, &entry->readers, EBADF);
  WakeAll(runtime_, &entry->writers, EBADF);
}

// Sees to it that input and `events` are reported.
int EpollEngine::Register(EngineFd* entry, uint32_t events) {
  if (entry->interest != 0 && (events & ~entry->interest) == 0) return 0;
  return Rearm(entry, entry->interest | events);
}

// Has exactly input and `events` reported, and the present state of them again: the edge may have
// come, and found nobody, since the caller last looked.
int EpollEngine::Rearm(EngineFd* entry, uint32_t events) {
  if (const int error = Open()) return error;
  epoll_event event = {};
  event.events = kAttachedEvents | events;
  event.data.ptr = entry;
  const int operation = entry->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll_fd_, operation, entry->fd, &event) < 0) return errno;
  entry->interest = event.events;
  return 0;
}

// A receive has just found the end of what there is, so an edge is still to come. What the batch at
// hand says of the entry's input is older than that.
void EpollEngine::SetDrained(EngineFd* entry) {
  entry->drained = true;
  for (int i = next_event_; i < event_count_; ++i) {
    if (events_[i].data.ptr == entry && (events_[i].events & kStopEvents) == 0) {
      events_[i].events &= ~uint32_t{EPOLLIN};
    }
  }
}

int EpollEngine::WaitFor(EngineFd* entry, WaiterList* list, Deadline deadline) {
  if (entry->detached) return EBADF;
  if (!list->empty()) return EBUSY;
  // What does not wait needs nothing of the system to wait with.
  if (deadline.is_immediate()) return runtime_->CheckCancelled() != 0 ? ECANCELED : ETIMEDOUT;
  const uint32_t events = list == &entry->writers ? uint32_t{EPOLLOUT} : 0;
  if (const int error = Register(entry, events)) return error;
  Waiter waiter;
  list->PushBack(&waiter);
  return runtime_->Wait(&waiter, deadline);
}

// Makes the system call; where it would block, waits for `list`'s direction and makes it again.
// After a timeout or cancellation it is tried once more, so that what has completed counts.
template <typename Attempt>
IoResult EpollEngine::Retry(EngineFd* entry, WaiterList* list, Deadline deadline, Attempt attempt) {
  int ended = 0;
  for (;;) {
    if (entry->detached) return {0, EBADF};
    const ssize_t result = attempt();
    if (result >= 0) return {static_cast<size_t>(result), 0};
    const int error = errno;
    if (error == EINTR) continue;
    // The system's own timeout of a dead peer must not be taken for the deadline's.
    if (error == ETIMEDOUT) return {0, ECONNRESET};
    if (error != EAGAIN && error != EWOULDBLOCK) return {0, error};
    if (list == &entry->readers) SetDrained(entry);
    if (ended != 0) return {0, ended};
    const int waited = WaitFor(entry, list, deadline);
    if (waited == ETIMEDOUT || waited == ECANCELED) {
      if (deadline.is_immediate()) return {0, waited};
      ended = waited;
    } else if (waited != 0) {
      return {0, waited};
    }
  }
}

IoResult EpollEngine::Receive(EngineFd* entry, absl::Span<const iovec> pieces, msghdr* message,
                              Deadline deadline) {
  msghdr plain = {};
  if (message == nullptr) message = &plain;
  const size_t control_size = message->msg_controllen;
  const IoResult result = Retry(entry, &entry->readers, deadline, [&] {
    entry->drained = false;
    SetPieces(message, pieces);
    message->msg_controllen = control_size;
    return recvmsg(entry->fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  });
  // Control data, which was dropped here, stops a receive too.
  if (result.error == 0 && result.count > 0 && message == &plain && entry->byte_stream &&
      !entry->receives_stop_short && (plain.msg_flags & MSG_CTRUNC) == 0) {
    size_t room = 0;
    for (size_t i = 0; i < plain.msg_iovlen; ++i) room += plain.msg_iov[i].iov_len;
    if (result.count < room) SetDrained(entry);
  }
  return result;
}

IoResult EpollEngine::Send(EngineFd* entry, absl::Span<const iovec> pieces, msghdr* message,
                           bool more, Deadline deadline) {
  msghdr plain = {};
  if (message == nullptr) message = &plain;
  SetPieces(message, pieces);
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  return Retry(entry, &entry->writers, deadline,
               [&] { return sendmsg(entry->fd, message, flags); });
}

IoResult EpollEngine::Accept(EngineFd* entry, sockaddr_storage* address, socklen_t* address_size,
                             Deadline deadline) {
  return Retry(entry, &entry->readers, deadline, [&]() -> ssize_t {
    entry->drained = false;
    for (;;) {
      if (address_size != nullptr) *address_size = sizeof(*address);
      const int fd = accept4(entry->fd, reinterpret_cast<sockaddr*>(address), address_size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0 || !IsErrorOfOneConnection(errno)) return fd;
    }
  });
}

int EpollEngine::Connect(EngineFd* entry, const sockaddr* address, socklen_t address_size,
                         Deadline deadline) {
  int64_t pause_nanos = 100'000;
  for (;;) {
    if (entry->detached) return EBADF;
    if (connect(entry->fd, address, address_size) == 0) return 0;
    const int error = errno;
    if (error == EINPROGRESS || error == EINTR) return FinishConnect(entry, deadline);
    if (error != EAGAIN || address->sa_family != AF_UNIX) return error;
    if (const int ended = PauseConnect(entry, pause_nanos, deadline)) return ended;
    pause_nanos = std::min<int64_t>(pause_nanos * 2, 50'000'000);
  }
}

// A Unix socket whose listener's queue is full gives EAGAIN, and nothing tells when there is room.
// Waits a while; 0 to try again.
int EpollEngine::PauseConnect(EngineFd* entry, int64_t pause_nanos, Deadline deadline) {
  const Deadline again = Deadline::AtNanos(runtime_->clock().NowNanos() + pause_nanos);
  Waiter waiter;
  entry->writers.PushBack(&waiter);  // so that Detach() ends it
  const int error = runtime_->Wait(&waiter, std::min(again, deadline));
  if (error != ETIMEDOUT) return error;
  const int64_t now = runtime_->clock().NowNanos();
  // A wait that ended before its time was not allowed to wait.
  return deadline.ExpiredAt(now) || !again.ExpiredAt(now) ? ETIMEDOUT : 0;
}

int EpollEngine::FinishConnect(EngineFd* entry, Deadline deadline) {
  if (const int error = WaitReady(entry, &entry->writers, POLLOUT, deadline)) return error;
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(entry->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return errno;
  return error;
}

// Waits until poll(2) sees one of `events` or a failure. Looks once more after a timeout or
// cancellation, so that what has happened counts. Of input the edges tell as much, where they are
// known to have been seen.
int EpollEngine::WaitReady(EngineFd* entry, WaiterList* list, short events, Deadline deadline) {
  const bool input = list == &entry->readers;
  bool look = !input || !entry->drained;
  int ended = 0;
  for (;;) {
    if (entry->detached) return EBADF;
    const int seen = look ? EventsNow(entry->fd, events) : 0;
    if (seen > 0) return 0;
    if (ended != 0) return ended;
    // What has been reported may be there, and would not be reported again.
    if (seen < 0 && entry->interest != 0) {
      if (const int error = Rearm(entry, entry->interest)) return error;
    }
    const bool drained = entry->drained;
    look = true;
    const int waited = WaitFor(entry, list, deadline);
    if (waited == 0 && input && drained && !entry->drained) return 0;
    if (waited == ETIMEDOUT || waited == ECANCELED) {
      ended = waited;
    } else if (waited != 0) {
      return waited;
    }
  }
}

int EpollEngine::WaitReadable(EngineFd* entry, Deadline deadline) {
  return WaitReady(entry, &entry->readers, POLLIN, deadline);
}

int EpollEngine::WaitWritable(EngineFd* entry, Deadline deadline) {
  return WaitReady(entry, &entry->writers, POLLOUT, deadline);
}

// What arrived since the receive is an edge that is still to come, so there is nothing to look for.
int EpollEngine::AwaitInput(EngineFd* entry, Deadline deadline) {
  return WaitFor(entry, &entry->readers, deadline);
}

void EpollEngine::OnReadable(EngineFd* entry, absl::AnyInvocable<void()> callback) {
  entry->on_readable = nullptr;
  if (!callback || entry->detached) return;
  // A descriptor that cannot be registered is reported at once: the operation will say why.
  const bool edge_to_come = entry->interest != 0 && entry->drained;
  if (!edge_to_come && Rearm(entry, entry->interest) != 0) return callback();
  entry->on_readable = std::move(callback);
}

void EpollEngine::OnWritable(EngineFd* entry, absl::AnyInvocable<void()> callback) {
  entry->on_writable = nullptr;
  if (!callback || entry->detached) return;
  if (Rearm(entry, EPOLLOUT) != 0) return callback();
  entry->on_writable = std::move(callback);
}

// Tells the system what is waited for now; forgets the descriptor when that is nothing.
int EpollEngine::UpdateForeign(Foreign* foreign) {
  EngineFd& entry = foreign->entry;
  const uint32_t interest = (entry.readers.empty() ? 0 : EPOLLIN | EPOLLRDHUP) |
                            (entry.writers.empty() ? 0 : uint32_t{EPOLLOUT});
  if (interest == foreign->interest) return 0;
  epoll_event event = {};
  event.events = interest;
  event.data.ptr = &entry;
  int operation = foreign->interest == 0 ? EPOLL_CTL_ADD
                  : interest == 0        ? EPOLL_CTL_DEL
                                         : EPOLL_CTL_MOD;
  int result = epoll_ctl(epoll_fd_, operation, entry.fd, &event);
  if (result < 0 && errno == ENOENT && operation == EPOLL_CTL_MOD) {
    // The number was closed and given out again behind our back.
    result = epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, entry.fd, &event);
  }
  foreign->interest = result < 0 ? 0 : interest;
  if (result == 0 || operation == EPOLL_CTL_DEL) return 0;
  return errno == EEXIST ? EBUSY : errno;
}

int EpollEngine::WaitForeignFd(int fd, bool writable, Deadline deadline) {
  if (fd < 0) return EBADF;
  const short wanted = writable ? POLLOUT : POLLIN;
  const int events = EventsNow(fd, wanted);
  if (events > 0) return (events & POLLNVAL) != 0 ? EBADF : 0;
  if (const int error = Open()) return error;

  std::unique_ptr<Foreign>& slot = foreign_[fd];
  if (slot == nullptr) {
    slot = std::make_unique<Foreign>();
    slot->entry.fd = fd;
  }
  Foreign* const foreign = slot.get();
  WaiterList* const list = writable ? &foreign->entry.writers : &foreign->entry.readers;
  if (!list->empty()) return EBUSY;
  Waiter waiter;
  list->PushBack(&waiter);
  int error = UpdateForeign(foreign);
  if (error == 0) {
    error = runtime_->Wait(&waiter, deadline);
  } else if (error == EPERM) {
    error = 0;  // a file that epoll does not take, and that is always ready
  }
  waiter.link.Unlink();
  // ForgetForeignFd() may have taken it away.
  const auto found = foreign_.find(fd);
  if (found != foreign_.end() && found->second.get() == foreign) Forget(foreign);
  // What has happened counts, although a timeout or cancellation was noticed first.
  const bool ended = error == ETIMEDOUT || error == ECANCELED;
  return ended && !deadline.is_immediate() && EventsNow(fd, wanted) > 0 ? 0 : error;
}

// Drops what nobody waits for any more.
void EpollEngine::Forget(Foreign* foreign) {
  static_cast<void>(UpdateForeign(foreign));
  if (!foreign->entry.readers.empty() || !foreign->entry.writers.empty()) return;
  const int fd = foreign->entry.fd;
  Detach(&foreign->entry);
  foreign_.erase(fd);
}

void EpollEngine::ForgetForeignFd(int fd) {
  const auto found = foreign_.find(fd);
  if (found == foreign_.end()) return;
  const std::unique_ptr<Foreign> foreign = std::move(found->second);
  foreign_.erase(found);
  foreign->entry.interest = foreign->interest;
  Detach(&foreign->entry);
}

// Nobody waits for it any more. Where that fails it is reported again, which does no harm.
void EpollEngine::IgnoreOutput(EngineFd* entry) {
  // Of an entry that is attached, and not because a failure was taken for output.
  constexpr uint32_t kAttachedOutput = EPOLLET | EPOLLOUT;
  if ((entry->interest & kAttachedOutput) != kAttachedOutput) return;
  static_cast<void>(Rearm(entry, 0));
}

void EpollEngine::Dispatch(EngineFd* entry, uint32_t events) {
  if ((events & kStopEvents) != 0) entry->receives_stop_short = true;
  if ((events & kReadEvents) != 0) entry->drained = false;
  if (events == EPOLLOUT && entry->writers.empty() && !entry->on_writable) {
    return IgnoreOutput(entry);
  }
  if ((events & kReadEvents) != 0) WakeAll(runtime_, &entry->readers, 0);
  if ((events & kWriteEvents) != 0) WakeAll(runtime_, &entry->writers, 0);
  NoWaitScope no_wait(runtime_);
  if ((events & kReadEvents) != 0 && entry->on_readable) {
    // The callback may end the entry's life, so what is left to do for it goes back to the batch,
    // from where Detach() takes it.
    --next_event_;
    events_[next_event_].events = events & EPOLLOUT;
    events_[next_event_].data.ptr = entry;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) events_[next_event_].events = EPOLLOUT;
    std::exchange(entry->on_readable, nullptr)();
    return;
  }
  if ((events & kWriteEvents) != 0 && entry->on_writable) {
    std::exchange(entry->on_writable, nullptr)();
  }
}

int EpollEngine::PollTimeoutMillis(Deadline until) {
  if (until.is_immediate()) return 0;
  if (until.is_never()) return -1;
  const int64_t left = until.nanos() - runtime_->clock().NowNanos();
  if (left <= 0) return 0;
  const int64_t millis = (left + 999'999) / 1'000'000;
  return static_cast<int>(std::min<int64_t>(millis, std::numeric_limits<int>::max()));
}

// Without descriptors nothing but the clock ends a wait: look for Wakeup() in between.
void EpollEngine::PollClockOnly(int timeout_millis) {
  constexpr int kSliceMillis = 10;
  if (wakeup_pending_.exchange(false) || timeout_millis == 0) return;
  poll(nullptr, 0, timeout_millis < 0 ? kSliceMillis : std::min(timeout_millis, kSliceMillis));
}

void EpollEngine::Poll(Deadline until) {
  int timeout = PollTimeoutMillis(until);
  if (epoll_fd_ < 0 && (timeout == 0 || Open() != 0)) return PollClockOnly(timeout);
  // Wakeup() sets the flag, then looks for the descriptor; Open() is done with it before this.
  if (wakeup_pending_.exchange(false)) timeout = 0;
  const int count = epoll_wait(epoll_fd_, events_, kEventsPerPoll, timeout);
  event_count_ = std::max(count, 0);
  for (next_event_ = 0; next_event_ < event_count_;) {
    const epoll_event event = events_[next_event_++];
    if (event.data.ptr == nullptr) {
      uint64_t times;
      static_cast<void>(!read(wakeup_fd_, &times, sizeof(times)));
      wakeup_pending_ = false;
    } else if (event.events != 0) {
      Dispatch(static_cast<EngineFd*>(event.data.ptr), event.events);
    }
  }
  next_event_ = event_count_ = 0;
}

void EpollEngine::Wakeup() noexcept {
  wakeup_pending_ = true;
  const int fd = wakeup_fd_;
  if (fd < 0) return;
  const uint64_t once = 1;
  static_cast<void>(!write(fd, &once, sizeof(once)));
}

}  // namespace halfpipe
