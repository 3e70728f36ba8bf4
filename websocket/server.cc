#include "websocket/server.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/check.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "http/head_io.h"
#include "websocket/server_thread.h"

namespace halfpipe::websocket {

Server::Server(ServerOptions options)
    : plan_(std::make_unique<ServerPlan>(std::move(options))),
      runtime_(nullptr),
      links_(std::max<size_t>(plan_->options.threads, 1)),
      running_(links_.size()) {
  plan_->threads = links_.size();
}

Server::Server(Runtime* runtime, ServerOptions options)
    : plan_(std::make_unique<ServerPlan>(std::move(options))),
      runtime_(runtime),
      links_(1),
      running_(1) {}

// A call that the destructor lets come out. What it does may be why the server ends, so that its
// object may be given up while the call has yet to return.
class Server::Call {
 public:
  explicit Call(Server* server)
      : server_(server),
        here_(server->runtime_ != nullptr && server->runtime_ == Runtime::CurrentOrNull()) {
    if (here_) {
      ++server_->calls_here_;
    } else {
      const std::lock_guard<std::mutex> lock(server_->mutex_);
      ++server_->calls_;
    }
  }
  ~Call() {
    if (here_) {
      if (--server_->calls_here_ > 0) return;
      if (Waiter* const last = server_->last_call_.PopFront()) server_->runtime_->Wake(last);
    } else {
      const std::lock_guard<std::mutex> lock(server_->mutex_);
      if (--server_->calls_ == 0) server_->changed_.notify_all();
    }
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Server* const server_;
  const bool here_;
};

Server::~Server() {
  if (here_ != nullptr) {
    HALFPIPE_CHECK(runtime_ == Runtime::CurrentOrNull() && here_->MayJoin());
    here_->Join();
    if (calls_here_ > 0) {
      Waiter waiter;
      last_call_.PushBack(&waiter);
      static_cast<void>(runtime_->WaitShielded(&waiter));
    }
  } else if (runtime_ == nullptr) {
    HALFPIPE_CHECK(!IsOwnThread());
    Stop();
  }
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return calls_ == 0; });
  }
  for (const Listener& listener : listeners_) {
    for (const int fd : listener.fds) {
      if (fd >= 0) close(fd);
    }
  }
}

void Server::Handle(absl::string_view path, Handler handler) {
  HALFPIPE_CHECK(!started_);
  handler.origin.allowed = plan_->Keep(handler.origin.allowed);
  plan_->handlers.AddExact(path, std::move(handler));
}

void Server::HandlePrefix(absl::string_view prefix, Handler handler) {
  HALFPIPE_CHECK(!started_);
  handler.origin.allowed = plan_->Keep(handler.origin.allowed);
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

// EINVAL: they are out of range.
absl::Status Server::CheckOptions() const {
  const ServerOptions& options = plan_->options;
  if (options.handshakes_max == 0 || options.at_work_max == 0 || options.connections_max == 0 ||
      options.connections_per_thread_max == 0 || options.plain_requests_max == 0) {
    return ErrnoStatus(EINVAL, "a server needs a place for one of each");
  }
  for (const absl::Duration time : {options.handshake_time, options.message_time,
                                    options.keep_alive_time, options.connection.send_time}) {
    if (time <= absl::ZeroDuration()) return ErrnoStatus(EINVAL, "a bound in time is not above 0");
  }
  if (!IsValid(ConnectionOptions(options, Options()))) {
    return ErrnoStatus(EINVAL, "ping_after_idle and dead_after are out of range");
  }
  if (options.retry_after < absl::ZeroDuration()) {
    return ErrnoStatus(EINVAL, "retry_after is below 0");
  }
  if (absl::Status heads = http::CheckHeadLimits(options.http); !heads.ok()) return heads;
  if (!IsValid(options.hosts)) return ErrnoStatus(EINVAL, "a host of ours is malformed");
  const auto valid = [&options](absl::string_view path, const Handler& handler) {
    // No request could ever be for another one: a resource begins with / and its query is cut off.
    return absl::StartsWith(path, "/") && !absl::StrContains(path, '?') &&
           IsValid(handler.options) && IsValid(ConnectionOptions(options, handler.options)) &&
           IsValid(handler.options.deflate) && IsValid(handler.origin);
  };
  if (const auto path = plan_->handlers.FirstNot(valid); path.has_value()) {
    return ErrnoStatus(EINVAL, absl::StrCat("the handler of \"", *path,
                                            "\" has a path that does not begin with / or has a "
                                            "query, or options or origins out of range"));
  }
  return absl::OkStatus();
}

absl::Status Server::Start() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (started_) return ErrnoStatus(EINVAL, "the server has been started already");
    absl::Status status = CheckOptions();
    if (!status.ok()) return status;
    started_ = starting_ = true;
  }
  return runtime_ != nullptr ? StartHere() : StartThreads();
}

absl::Status Server::StartHere() {
  here_ = std::make_unique<ServerThread>(plan_.get(), runtime_, 0, links_[0]);
  absl::Status status = ListenOn(here_.get(), 0);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    running_[0] = here_.get();
  }
  here_->DrainIfWanted();
  if (!status.ok()) Stop();
  return status;
}

absl::Status Server::StartThreads() {
  std::vector<pthread_t> threads;
  absl::Status status;
  for (size_t i = 0; i < links_.size(); ++i) {
    auto start = std::make_unique<ThreadStart>(ThreadStart{this, i});
    pthread_t thread;
    const int error = pthread_create(&thread, nullptr, &Server::ThreadMain, start.get());
    if (error != 0) {
      status = ErrnoStatus(error, "a thread could not be started");
      break;
    }
    start.release();
    threads.push_back(thread);
  }
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return begun_ == threads.size(); });
    threads_ = std::move(threads);
    starting_ = false;
    status.Update(start_status_);
    changed_.notify_all();
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
    changed_.notify_all();
  }
  thread.DrainIfWanted();
  static_cast<void>(thread.WaitDrained(Deadline::Never()));
  const std::lock_guard<std::mutex> lock(mutex_);
  thread.counters().AddTo(&ended_counts_);
  running_[index] = nullptr;
  ++ended_;
  changed_.notify_all();
}

absl::Status Server::Wait(Deadline deadline) {
  const Call call(this);
  return runtime_ != nullptr ? WaitHere(deadline) : WaitForThreads(deadline);
}

absl::Status Server::WaitHere(Deadline deadline) {
  if (here_ == nullptr) return ErrnoStatus(EINVAL, "the server has not been started");
  if (here_->IsOwn(runtime_->current())) {
    return ErrnoStatus(EDEADLK, "a handler waits for its own server");
  }
  return here_->WaitDrained(deadline);
}

absl::Status Server::WaitForThreads(Deadline deadline) {
  if (IsOwnThread()) return ErrnoStatus(EDEADLK, "a handler waits for its own server");
  std::unique_lock<std::mutex> lock(mutex_);
  if (!started_) return ErrnoStatus(EINVAL, "the server has not been started");
  const auto over = [this] { return !starting_ && ended_ == begun_; };
  bool ended = true;
  if (deadline.is_never()) {
    changed_.wait(lock, over);
  } else {
    const int64_t nanos = std::max<int64_t>(deadline.nanos() - Clock::System().NowNanos(), 0);
    ended = changed_.wait_for(lock, std::chrono::nanoseconds(nanos), over);
  }
  return ended ? absl::OkStatus() : ErrnoStatus(ETIMEDOUT, "the server has not drained");
}

absl::Status Server::Run() {
  absl::Status status = Start();
  return status.ok() ? Wait(Deadline::Never()) : status;
}

void Server::Drain(absl::Duration bound) {
  const Call call(this);
  if (runtime_ != nullptr && runtime_ == Runtime::CurrentOrNull() && here_ != nullptr) {
    const bool at_once = bound <= absl::ZeroDuration();
    return here_->Drain(at_once ? Deadline::Immediately() : Deadline::In(bound));
  }
  plan_->drain.Ask(bound);
  for (const ThreadLink::Ref& link : links_) link->Raise(ThreadLink::kDrainWanted);
}

void Server::Stop() {
  const Call call(this);
  Drain(absl::ZeroDuration());
  if (runtime_ == nullptr) {
    if (!IsOwnThread()) JoinThreads();
    return;
  }
  if (runtime_ != Runtime::CurrentOrNull() || here_ == nullptr || !here_->MayJoin()) return;
  here_->Join();
}

// Whoever comes first joins them, the others wait for that.
void Server::JoinThreads() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return !starting_ && !joining_; });
  if (!threads_.empty()) {
    const std::vector<pthread_t> threads = std::exchange(threads_, {});
    joining_ = true;
    lock.unlock();
    for (const pthread_t thread : threads) pthread_join(thread, nullptr);
    lock.lock();
    joining_ = false;
    changed_.notify_all();
  }
}

// Whether the caller is one of the server's threads: in a handler, or what else runs there.
bool Server::IsOwnThread() const {
  const Runtime* const runtime = Runtime::CurrentOrNull();
  const std::lock_guard<std::mutex> lock(mutex_);
  return runtime != nullptr &&
         std::any_of(running_.begin(), running_.end(), [runtime](const ServerThread* thread) {
           return thread != nullptr && thread->runtime() == runtime;
         });
}

// ---- Connections from outside ------------------------------------------------------------------

absl::Status Server::Serve(BytestreamPtr stream, const TlsContext* tls) {
  if (runtime_ == nullptr || !started_) {
    return ErrnoStatus(EINVAL, "connections are given to a server on a runtime of the caller's");
  }
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
