// How connections come to a ServerThread.

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "bytestream/net/fd_stream.h"
#include "websocket/server_thread.h"

namespace halfpipe::websocket {
namespace {

// Before accept(2) is tried again that has found no descriptor or no memory.
constexpr absl::Duration kShortagePause = absl::Milliseconds(100);

}  // namespace

absl::Status ServerThread::Listen(int fd, const TlsContext* tls) {
  auto listener = std::make_unique<ListenerEntry>();
  listener->tls = tls;
  runtime_->engine().Attach(&listener->entry, fd);
  ListenerEntry* const entry = listener.get();
  listeners_.push_back(std::move(listener));
  if (draining_) return absl::OkStatus();
  return ErrnoStatus(acceptors_.StartLater([this, entry] { AcceptLoop(entry); }, "accept"),
                     "no coroutine to accept in");
}

// A permit is held only for a connection that is there: one that waited for its connection would
// keep other threads, whose connections are there, from accepting.
void ServerThread::AcceptLoop(ListenerEntry* listener) {
  for (;;) {
    if (!TakePermit()) return;
    const IoResult accepted = AcceptOne(listener);
    if (accepted.error == 0) continue;
    GiveBackPermit();
    int error = accepted.error;
    if (error == ETIMEDOUT) {
      error = runtime_->engine().WaitReadable(&listener->entry, Deadline::Never());
      if (error == 0) continue;
    }
    if (error == ECANCELED || error == EBADF) return;
    if (error == ECONNABORTED || error == EPROTO) continue;  // it was gone before it was accepted
    // The connection waits in the queue until others have ended.
    counters_.accept_failures.Add();
    if (runtime_->SleepUntil(Deadline::In(kShortagePause)) != 0) return;
  }
}

// Accepts a connection that is there; the caller has a permit for it.
IoResult ServerThread::AcceptOne(ListenerEntry* listener) {
  const IoResult accepted =
      runtime_->engine().Accept(&listener->entry, nullptr, nullptr, Deadline::Immediately());
  if (accepted.error != 0) return accepted;
  const int fd = static_cast<int>(accepted.count);
  auto* const socket = new (std::nothrow) FdStream(runtime_, fd);
  if (socket == nullptr) {
    close(fd);
    return {.error = ENOMEM};
  }
  Admit(BytestreamPtr(socket), listener->tls);
  runtime_->CountOperation();
  return accepted;
}

// Waits for a permit. False: the coroutine is cancelled.
bool ServerThread::TakePermit() {
  for (;;) {
    if (connection_count_ < plan_->options.connections_per_thread_max &&
        plan_->permits.TryTake([link = link_] { link->Raise(ThreadLink::kPermitFree); })) {
      return true;
    }
    Waiter waiter;
    permit_waiters_.PushBack(&waiter);
    if (runtime_->Wait(&waiter, Deadline::Never()) != 0) return false;
  }
}

void ServerThread::GiveBackPermit() {
  plan_->permits.GiveBack();
  WakePermitWaiters();
}

void ServerThread::WakePermitWaiters() {
  while (Waiter* const waiter = permit_waiters_.PopFront()) runtime_->Wake(waiter);
}

absl::Status ServerThread::Serve(BytestreamPtr stream, const TlsContext* tls) {
  if (draining_) return ErrnoStatus(ECANCELED, "the server is draining");
  if (connection_count_ >= plan_->options.connections_per_thread_max ||
      !plan_->permits.TryTake(nullptr)) {
    return ErrnoStatus(EMFILE, "the server has as many connections as it may have");
  }
  Admit(std::move(stream), tls);
  return absl::OkStatus();
}

// Takes up a connection, whose permit has been taken. It has no coroutine before its first byte.
void ServerThread::Admit(BytestreamPtr stream, const TlsContext* tls) {
  Connection* const connection = aborting_ ? nullptr : NewConnection();
  if (connection == nullptr) {
    stream.reset();
    return GiveBackPermit();
  }
  counters_.accepted.Add();
  connection->lower_ = std::move(stream);
  connection->tls_ = tls;
  connection->handshake_deadline_ =
      Deadline::In(draining_ ? kDrainGrace : plan_->options.handshake_time);
  connection->timer_.Set(connection->handshake_deadline_);
  connection->lower_->WhenReadable([this, connection] { OnReadable(connection); });
}

// Those that connected before the drain are accepted still: they get a 503 where closing the
// listener would give them a reset.
void ServerThread::DrainBacklog() {
  static_cast<void>(acceptors_.Wait(Deadline::Never()));
  for (const auto& listener : listeners_) {
    const int fd = listener->entry.fd;
    if (fd < 0) continue;
    while (!aborting_ && connection_count_ < plan_->options.connections_per_thread_max &&
           plan_->permits.TryTake(nullptr)) {
      if (AcceptOne(listener.get()).error == 0) continue;
      plan_->permits.GiveBack();
      break;
    }
    runtime_->engine().Detach(&listener->entry);
    listener->entry.fd = -1;
    close(fd);
  }
  backlog_drained_ = true;
  CheckDrained();
}

}  // namespace halfpipe::websocket
