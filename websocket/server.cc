#include "websocket/server.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "bytestream/base/check.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "websocket/server_thread.h"

namespace halfpipe::websocket {

struct Server::Plan : ServerPlan {
  using ServerPlan::ServerPlan;
};

Server::Server(ServerOptions options)
    : plan_(std::make_unique<Plan>(std::move(options))),
      runtime_(nullptr),
      links_(std::max<size_t>(plan_->options.threads, 1)),
      running_(links_.size()) {
  plan_->threads = links_.size();
}

Server::Server(Runtime* runtime, ServerOptions options)
    : plan_(std::make_unique<Plan>(std::move(options))),
      runtime_(runtime),
      links_(1),
      running_(1) {}

Server::~Server() {
  Stop();
  for (const Listener& listener : listeners_) {
    for (const int fd : listener.fds) {
      if (fd >= 0) close(fd);
    }
  }
}

void Server::Handle(absl::string_view path, Handler handler) {
  HALFPIPE_CHECK(!started_);
  plan_->handlers.AddExact(path, std::move(handler));
}

void Server::HandlePrefix(absl::string_view prefix, Handler handler) {
  HALFPIPE_CHECK(!started_);
  plan_->handlers.AddPrefix(prefix, std::move(handler));
}

void Server::HandlePlain(PlainHandler handler) {
  HALFPIPE_CHECK(!started_);
  plan_->plain = std::move(handler);
}

// ---- Listening ---------------------------------------------------------------------------------

absl::StatusOr<IpAddress> Server::ListenTcp(IpAddress address, const TlsContext* tls) {
  TcpListenOptions options;
  options.backlog = plan_->options.backlog;
  options.reuse_port = links_.size() > 1;
  Listener listener = {{}, tls};
  for (size_t i = 0; i < links_.size(); ++i) {
    const absl::StatusOr<int> fd = TcpListenFd(&address, options);
    if (!fd.ok()) {
      for (const int other : listener.fds) close(other);
      return fd.status();
    }
    listener.fds.push_back(*fd);
  }
  listeners_.push_back(std::move(listener));
  return address;
}

absl::Status Server::ListenUnix(absl::string_view path, const TlsContext* tls) {
  const absl::StatusOr<int> fd = UnixListenFd(path, plan_->options.backlog);
  if (!fd.ok()) return fd.status();
  return AddFd(*fd, tls);
}

absl::Status Server::ListenFd(int fd, const TlsContext* tls) {
  absl::Status status = TcpAdoptListenerFd(fd);
  if (!status.ok()) status = UnixAdoptListenerFd(fd);
  if (!status.ok()) {
    if (StatusErrno(status) != EBADF) close(fd);
    return status;
  }
  return AddFd(fd, tls);
}

// All threads accept from the one socket, each by a descriptor of its own.
absl::Status Server::AddFd(int fd, const TlsContext* tls) {
  Listener listener = {{fd}, tls};
  while (listener.fds.size() < links_.size()) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const int error = errno;
    if (copy < 0) {
      for (const int other : listener.fds) close(other);
      return ErrnoStatus(error, "a listener's descriptor could not be copied");
    }
    listener.fds.push_back(copy);
  }
  listeners_.push_back(std::move(listener));
  return absl::OkStatus();
}

// Hands its listeners to a thread, which closes them whatever happens.
absl::Status Server::ListenOn(ServerThread* thread, size_t index) {
  absl::Status result;
  for (Listener& listener : listeners_) {
    absl::Status status = thread->Listen(std::exchange(listener.fds[index], -1), listener.tls);
    result.Update(status);
  }
  return result;
}

// ---- Start and end -----------------------------------------------------------------------------

absl::Status Server::Start() {
  const ServerOptions& options = plan_->options;
  if (started_) return ErrnoStatus(EINVAL, "the server has been started already");
  if (options.handshakes_max == 0 || options.at_work_max == 0 || options.connections_max == 0 ||
      options.connections_per_thread_max == 0 || options.plain_requests_max == 0) {
    return ErrnoStatus(EINVAL, "a server needs a place for one of each");
  }
  for (const absl::Duration time :
       {options.handshake_time, options.message_time, options.keep_alive_time,
        options.connection.send_time, options.connection.close_time}) {
    if (time <= absl::ZeroDuration()) return ErrnoStatus(EINVAL, "a bound in time is not above 0");
  }
  if (!IsValid(ConnectionOptions(options, Options()))) {
    return ErrnoStatus(EINVAL, "ping_after_idle and dead_after are out of range");
  }
  if (!IsValid(options.hosts)) return ErrnoStatus(EINVAL, "a host of ours is malformed");
  const auto valid = [&options](const Handler& handler) {
    return IsValid(handler.options) && IsValid(ConnectionOptions(options, handler.options)) &&
           IsValid(handler.options.deflate) && IsValid(handler.origin);
  };
  if (!plan_->handlers.AllOf(valid)) {
    return ErrnoStatus(EINVAL, "a handler's options or origins are out of range");
  }
  started_ = true;
  if (runtime_ != nullptr) {
    here_ = std::make_unique<ServerThread>(plan_.get(), runtime_, 0, links_[0]);
    absl::Status status = ListenOn(here_.get(), 0);
    std::optional<Deadline> drain;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      running_[0] = here_.get();
      drain = WantedDrain();
    }
    if (!status.ok()) {
      EndHere();
    } else if (drain.has_value()) {
      here_->Drain(*drain);
    }
    return status;
  }
  for (size_t i = 0; i < links_.size(); ++i) {
    auto start = std::make_unique<ThreadStart>(ThreadStart{this, i});
    pthread_t thread;
    const int error = pthread_create(&thread, nullptr, &Server::ThreadMain, start.get());
    if (error != 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      start_status_.Update(ErrnoStatus(error, "a thread could not be started"));
      break;
    }
    start.release();
    threads_.push_back(thread);
  }
  absl::Status status;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return begun_ == threads_.size(); });
    status = start_status_;
  }
  if (!status.ok()) Stop();
  return status;
}

void* Server::ThreadMain(void* start) {
  const std::unique_ptr<ThreadStart> mine(static_cast<ThreadStart*>(start));
  mine->server->RunThread(mine->index);
  return nullptr;
}

void Server::RunThread(size_t index) {
  Runtime runtime;
  ServerThread thread(plan_.get(), &runtime, static_cast<uint32_t>(index), links_[index]);
  const absl::Status status = ListenOn(&thread, index);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    running_[index] = &thread;
    start_status_.Update(status);
    ++begun_;
    if (const auto drain = WantedDrain(); drain.has_value()) thread.Drain(*drain);
    changed_.notify_all();
  }
  static_cast<void>(thread.WaitDrained(Deadline::Never()));
  const std::lock_guard<std::mutex> lock(mutex_);
  KeepCounts(thread);
  running_[index] = nullptr;
  ++ended_;
  changed_.notify_all();
}

// What Drain() has asked for before there was a thread to tell. On the clock of the current runtime,
// which may be simulated. Under mutex_.
std::optional<Deadline> Server::WantedDrain() const {
  if (!drain_wanted_) return std::nullopt;
  if (drain_nanos_ == INT64_MAX) return Deadline::Never();
  const int64_t nanos = drain_nanos_ - Clock::System().NowNanos();
  return nanos <= 0 ? Deadline::Immediately() : Deadline::In(absl::Nanoseconds(nanos));
}

void Server::KeepCounts(const ServerThread& thread) { thread.counters().AddTo(&ended_counts_); }

absl::Status Server::Wait(Deadline deadline) {
  if (!started_) return ErrnoStatus(EINVAL, "the server has not been started");
  if (runtime_ != nullptr) {
    return here_ != nullptr ? here_->WaitDrained(deadline) : absl::OkStatus();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  const auto over = [this] { return ended_ == begun_; };
  if (deadline.is_never()) {
    changed_.wait(lock, over);
    return absl::OkStatus();
  }
  const int64_t nanos = std::max<int64_t>(deadline.nanos() - Clock::System().NowNanos(), 0);
  if (changed_.wait_for(lock, std::chrono::nanoseconds(nanos), over)) return absl::OkStatus();
  return ErrnoStatus(ETIMEDOUT, "the server has not drained");
}

absl::Status Server::Run() {
  absl::Status status = Start();
  return status.ok() ? Wait(Deadline::Never()) : status;
}

void Server::Drain(absl::Duration bound) {
  const bool at_once = bound <= absl::ZeroDuration();
  if (runtime_ != nullptr && runtime_ == Runtime::CurrentOrNull() && started_) {
    if (here_ != nullptr) here_->Drain(at_once ? Deadline::Immediately() : Deadline::In(bound));
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // For threads that have not begun yet. Others are told below.
    drain_wanted_ = true;
    const int64_t nanos = absl::ToInt64Nanoseconds(bound);
    const int64_t now = Clock::System().NowNanos();
    const int64_t until = nanos > INT64_MAX - now ? INT64_MAX : now + nanos;
    drain_nanos_ = std::min(drain_nanos_, at_once ? 0 : until);
  }
  for (const ThreadLink::Ref& link : links_) {
    static_cast<void>(link.Post([bound, at_once](ServerThread& thread) {
      thread.Drain(at_once ? Deadline::Immediately() : Deadline::In(bound));
    }));
  }
}

void Server::Stop() {
  if (runtime_ == nullptr) {
    Drain(absl::ZeroDuration());
    for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
    threads_.clear();
    return;
  }
  EndHere();
}

// On the caller's runtime.
void Server::EndHere() {
  if (here_ == nullptr) return;
  here_->Drain(Deadline::Immediately());
  here_->Join();
  const std::unique_ptr<ServerThread> ending = std::move(here_);
  const std::lock_guard<std::mutex> lock(mutex_);
  KeepCounts(*ending);
  running_[0] = nullptr;
}

// ---- Connections from outside ------------------------------------------------------------------

absl::Status Server::Serve(BytestreamPtr stream, const TlsContext* tls) {
  if (runtime_ == nullptr || !started_) {
    return ErrnoStatus(EINVAL, "connections are given to a server on a runtime of the caller's");
  }
  if (here_ == nullptr) return ErrnoStatus(ECANCELED, "the server has stopped");
  return here_->Serve(std::move(stream), tls);
}

absl::Status Server::Post(ConnectionId id, absl::AnyInvocable<void(Connection&)> function) {
  if (id.thread >= links_.size()) return ErrnoStatus(EBADF, "no such thread");
  const int error = links_[id.thread].Post(
      [serial = id.serial, function = std::move(function)](ServerThread& thread) mutable {
        Connection* const connection = thread.Find(serial);
        if (connection != nullptr && connection->open()) function(*connection);
      });
  return ErrnoStatus(error == ECANCELED ? EBADF : error, "a connection's thread");
}

absl::Status Server::SendTo(ConnectionId id, const EncodedMessageRef& message, SlowPolicy policy) {
  return Post(id, [message, policy](Connection& connection) {
    static_cast<void>(connection.Enqueue(message, policy));
  });
}

ServerCounts Server::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  ServerCounts counts = ended_counts_;
  for (const ServerThread* thread : running_) {
    if (thread != nullptr) thread->counters().AddTo(&counts);
  }
  return counts;
}

}  // namespace halfpipe::websocket
