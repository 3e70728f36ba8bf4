#include "bytestream/net/multi_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {

MultiListener::MultiListener(Runtime* runtime, absl::Span<const int> fds, ListenerOptions options)
    : runtime_(runtime),
      options_(options),
      size_(fds.size()),
      entries_(std::make_unique<EngineFd[]>(fds.size())),
      pacer_(runtime) {
  HALFPIPE_CHECK(!fds.empty());
  for (size_t i = 0; i < size_; ++i) runtime_->engine().Attach(&entries_[i], fds[i]);
}

MultiListener::~MultiListener() { Abort(); }

absl::StatusOr<int> MultiListener::Accept(Deadline deadline, std::optional<IpAddress>* peer,
                                          size_t* index) {
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "accepting was cancelled");
  }
  if (aborted_) return ErrnoStatus(EBADF, "the listener was aborted");
  if (busy_) return ErrnoStatus(EBUSY, "another coroutine is accepting from the listener");
  busy_ = true;
  absl::Cleanup leave = [this] { busy_ = false; };
  sockaddr_storage address;
  socklen_t size = sizeof(address);
  const IoResult result = PacedAccept(&pacer_, options_, deadline, [&] {
    return AcceptOnce(peer != nullptr ? &address : nullptr, peer != nullptr ? &size : nullptr,
                      deadline);
  });
  if (result.error != 0) return ErrnoStatus(result.error, "accepting a connection failed");
  if (index != nullptr) *index = next_;
  next_ = (next_ + 1) % size_;
  if (peer != nullptr) {
    *peer = IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&address), size);
  }
  return static_cast<int>(result.count);
}

// Accepts from the first one, in turn, that has a connection; leaves its place in next_.
IoResult MultiListener::AcceptOnce(sockaddr_storage* address, socklen_t* address_size,
                                   Deadline deadline) {
  int ended = 0;
  for (;;) {
    for (size_t i = 0; i < size_; ++i) {
      const size_t at = (next_ + i) % size_;
      const IoResult result =
          runtime_->engine().Accept(&entries_[at], address, address_size, Deadline::Immediately());
      if (result.error == ETIMEDOUT) continue;
      if (result.error == 0) next_ = at;
      return result;
    }
    // What has come by now counts, so there is one more attempt after a wait that ended.
    if (ended != 0) return {0, ended};
    ended = AwaitAny(deadline);
    if (ended == ETIMEDOUT && deadline.is_immediate()) return {0, ended};
    if (ended != 0 && ended != ETIMEDOUT && ended != ECANCELED) return {0, ended};
  }
}

// Waits until one of the sockets is readable. Arming each of them is a system call for each, but
// only for who has to wait.
int MultiListener::AwaitAny(Deadline deadline) {
  if (deadline.is_immediate()) return ETIMEDOUT;
  ready_ = false;
  int error = 0;
  for (size_t i = 0; i < size_ && error == 0; ++i) {
    runtime_->engine().OnReadable(&entries_[i], [this] { OnReadable(); });
    // At once: the system has nothing left to wait for it with.
    if (ready_) error = WhyNoWait(&entries_[i]);
  }
  if (error == 0) {
    Waiter waiter;
    waiting_.PushBack(&waiter);
    error = runtime_->Wait(&waiter, deadline);
  }
  for (size_t i = 0; i < size_; ++i) runtime_->engine().OnReadable(&entries_[i], nullptr);
  return error;
}

// The errno with which a wait for that socket fails; accepting again and again instead would take
// all the time.
int MultiListener::WhyNoWait(EngineFd* entry) {
  const NoWaitScope no_wait(runtime_);
  const int error = runtime_->engine().AwaitInput(entry, Deadline::Never());
  return error == 0 || error == ETIMEDOUT ? ENOMEM : error;
}

void MultiListener::OnReadable() {
  ready_ = true;
  while (Waiter* const waiter = waiting_.PopFront()) runtime_->Wake(waiter);
}

void MultiListener::Abort() noexcept {
  if (aborted_) return;
  aborted_ = true;
  for (size_t i = 0; i < size_; ++i) {
    const int fd = entries_[i].fd;
    runtime_->engine().Detach(&entries_[i]);
    close(fd);
  }
  if (runtime_->ending()) waiting_.Forget();
  while (Waiter* const waiter = waiting_.PopFront()) runtime_->Wake(waiter, EBADF);
  pacer_.Abort();
}

}  // namespace halfpipe
