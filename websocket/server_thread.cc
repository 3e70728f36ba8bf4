#include "websocket/server_thread.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "websocket/core/close_code.h"

// The life of a connection. Everything that changes its state is here, in server_accept.cc and in
// server_handshakes.cc.
//
//   state      | coroutine | goes on                            | ends
//   accepted   | none      | first byte: queued                 | handshake_time
//   queued     | none      | a place is free: handshake, running| handshake_time, close_time_max
//   handshake  | one       | 101: parked, queued or session;    | answer: lingering; handshake_time
//              |           | TLS alone: accepted;               |
//              |           | plain request: kept alive          |
//   kept alive | none      | readable: queued                   | keep_alive_time: lingering
//   parked     | none      | readable: queued                   | idle_time_max, close_time_max:
//              |           |                                    | queued
//   running    | one       | at rest: parked; its turn is over: | Close, failure: lingering or gone;
//              |           | queued                             | message_time
//   session    | one       | the handler returns: parked        | as running
//   lingering  | none      |                                    | the peer's end, close_time_max
//
// Whoever breaks a connection (Abort(), a timer, a drain) leaves it to a coroutine to call on_close:
// to its own one, or a new one if it is parked.

namespace halfpipe::websocket {
namespace {

using State = ConnectionState;

// After so many messages a connection makes room for those that wait.
constexpr int kMessagesPerPlace = 64;

// So often in a row a stream may be readable without a message, for the peer sends control frames;
// then it is looked at in pauses.
constexpr int kLooksMax = 8;

// With less room for a part of a message it is viewed, and copied.
constexpr size_t kDirectRoomMin = 4096;

// So much is dropped of a peer's input at a time, once its connection has ended; then others run.
constexpr size_t kDropBytesMax = size_t{1} << 20;

}  // namespace

ServerThread::ServerThread(ServerPlan* plan, Runtime* runtime, uint32_t index, ThreadLink::Ref link)
    : plan_(plan),
      runtime_(runtime),
      index_(index),
      link_(std::move(link)),
      retry_timer_(runtime, [this] { OnRetryTimer(); }),
      drain_timer_(runtime, [this] { AbortAll(); }),
      message_budget_(runtime, plan->options.message_memory_max / plan->threads,
                      &counters_.message_bytes),
      drained_(runtime),
      acceptors_(runtime),
      coroutines_(runtime) {
  handshakes_.places = plan->options.handshakes_max;
  handshakes_.run = &ServerThread::RunHandshake;
  messages_.places = plan->options.at_work_max;
  messages_.run = &ServerThread::RunMessages;
  link_->Open(this, runtime, [](ServerThread& thread, uint32_t signals) {
    if ((signals & ThreadLink::kPermitFree) != 0) thread.WakePermitWaiters();
    if ((signals & ThreadLink::kDrainWanted) != 0) thread.DrainIfWanted();
  });
}

bool ServerThread::MayJoin() const {
  if (joined_) return true;
  return runtime_->may_wait() && !acceptors_.JoinIsDeadlock() && !coroutines_.JoinIsDeadlock();
}

void ServerThread::Join() {
  if (joined_) return;
  if (joining_) {
    Waiter waiter;
    join_waiters_.PushBack(&waiter);
    static_cast<void>(runtime_->WaitShielded(&waiter));
    return;
  }
  link_->Close();
  Drain(Deadline::Immediately());
  joining_ = true;
  acceptors_.CancelAndJoin();
  coroutines_.CancelAndJoin();
  {
    // Those that found no place for their on_close.
    NoWaitScope no_wait(runtime_);
    while (Connection* const connection = connections_.Front()) {
      if (connection->stream_.has_value()) {
        EndConnection(connection, ErrnoStatus(EBADF, "the server has stopped"));
      } else {
        Destroy(connection);
      }
    }
  }
  for (const auto& listener : listeners_) {
    if (listener->entry.fd < 0) continue;
    const int fd = listener->entry.fd;
    runtime_->engine().Detach(&listener->entry);
    listener->entry.fd = -1;
    close(fd);
  }
  joined_ = true;
  drained_.Notify();
  while (Waiter* const waiter = join_waiters_.PopFront()) runtime_->Wake(waiter);
}

// ---- Numbers and states ------------------------------------------------------------------------

Connection* ServerThread::NewConnection() {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t place = free_slots_.back();
  Slot& slot = slots_[place];
  const ConnectionId id = {index_, uint64_t{slot.generation + 1} << 32 | place};
  auto* const connection =
      new (std::nothrow) Connection(this, runtime_, id, &plan_->options.connection, &counters_);
  if (connection == nullptr) return nullptr;
  free_slots_.pop_back();
  slot.connection = connection;
  ++slot.generation;
  connections_.PushBack(connection);
  ++connection_count_;
  counters_.connections.Add();
  return connection;
}

Connection* ServerThread::Find(uint64_t serial) const {
  const size_t place = serial & UINT32_MAX;
  if (place >= slots_.size() || slots_[place].generation != serial >> 32) return nullptr;
  return slots_[place].connection;
}

void ServerThread::ForgetNumber(const Connection* connection) {
  const auto place = static_cast<uint32_t>(connection->id_.serial & UINT32_MAX);
  slots_[place].connection = nullptr;
  // A number that has been round all generations is not given again.
  if (slots_[place].generation < UINT32_MAX) free_slots_.push_back(place);
}

void ServerThread::SetState(Connection* connection, State state) {
  if (connection->state_ == State::kParked) counters_.parked.Subtract();
  if (connection->state_ == State::kKeptAlive) counters_.kept_alive.Subtract();
  if (connection->state_ == State::kQueued) counters_.waiting.Subtract();
  if (state == State::kParked) counters_.parked.Add();
  if (state == State::kKeptAlive) counters_.kept_alive.Add();
  if (state == State::kQueued) counters_.waiting.Add();
  connection->state_ = state;
}

// ---- Without a coroutine -----------------------------------------------------------------------

void ServerThread::OnReadable(Connection* connection) {
  if (parking_ == connection) {
    readable_at_once_ = true;
    return;
  }
  switch (connection->state_) {
    case State::kAccepted:
      return Enlist(connection, &handshakes_);
    case State::kKeptAlive:
      connection->handshake_deadline_ = Deadline::In(plan_->options.handshake_time);
      connection->timer_.Set(connection->handshake_deadline_);
      return Enlist(connection, &handshakes_);
    case State::kParked:
      return Enlist(connection, &messages_);
    case State::kLingering:
      return DropInput(connection);
    default:
      return;
  }
}

void ServerThread::Enlist(Connection* connection, Work* work) {
  connection->coroutine_ = nullptr;
  SetState(connection, State::kQueued);
  work->waiting.PushBack(connection);
  Pump(work);
}

// Starts coroutines for those that wait, as far as there are places.
void ServerThread::Pump(Work* work) {
  while (!joining_ && work->taken < work->places) {
    Connection* const connection = work->waiting.Front();
    if (connection == nullptr) return;
    const int error = coroutines_.StartLater(
        [this, connection, work] { (this->*work->run)(connection); }, "connection");
    if (error != 0) return retry_timer_.Set(Deadline::In(kRetryPause));
    connection->work_link_.Unlink();
    ++work->taken;
    counters_.at_work.Add();
    SetState(connection, work == &handshakes_ ? State::kHandshake : State::kRunning);
  }
}

void ServerThread::LeaveWork(Work* work) {
  --work->taken;
  counters_.at_work.Subtract();
  Pump(work);
}

void ServerThread::RetryConnection(Connection* connection) {
  retries_.PushBack(connection);
  if (!retry_timer_.armed()) retry_timer_.Set(Deadline::In(kRetryPause));
}

void ServerThread::OnRetryTimer() {
  IntrusiveList<Connection, &Connection::retry_link_> now;
  while (Connection* const connection = retries_.Front()) now.PushBack(connection);
  while (Connection* const connection = now.PopFront()) {
    if (connection->state_ == State::kLingering) {
      DropInput(connection);
    } else {
      connection->FlushQueue();
    }
  }
  Pump(&handshakes_);
  Pump(&messages_);
}

void ServerThread::OnConnectionTimer(Connection* connection) {
  if (connection->state_ == State::kHandshake) return;  // its calls have deadlines
  if (connection->broken_) return;                      // its handler has yet to return
  if (connection->state_ == State::kLingering) return Destroy(connection);
  if (connection->state_ == State::kKeptAlive) return EndKeptAlive(connection);
  if (!connection->stream_.has_value()) {
    counters_.timed_out.Add();
    if (connection->plain_requests_ == 0) counters_.CountRefusal(0);
    return Destroy(connection);
  }
  // Our Close was not answered in time.
  connection->end_error_ = ETIMEDOUT;
  (draining_ ? counters_.aborted : counters_.timed_out).Add();
  connection->Abort();
}

void ServerThread::OnConnectionBroken(Connection* connection) {
  if (connection->state_ == State::kParked) Enlist(connection, &messages_);
}

// ---- With a coroutine --------------------------------------------------------------------------

void ServerThread::RunMessages(Connection* connection) {
  connection->coroutine_ = runtime_->current();
  // The bound of the drain is over for what begins behind it, too: a last on_close.
  if (aborting_) StopCoroutine(connection);
  const Handler& handler = *connection->handler_;
  MessageAssembly assembly(&message_budget_);
  int looks = 0;
  for (int messages = 1;; ++messages) {
    const auto message = Receive(connection, &assembly);
    if (message.ok() && message->has_value()) {
      counters_.messages_received.Add();
      counters_.bytes_received.Add((*message)->payload.size());
      if (handler.on_message) handler.on_message(*connection, **message);
      assembly.Clear();
      looks = 0;
    } else if (StatusErrno(message.status()) != ETIMEDOUT ||
               !connection->stream_->at_message_boundary()) {
      assembly.Clear();
      EndConnection(connection, message.status());
      break;
    } else if (++looks > kLooksMax) {
      static_cast<void>(runtime_->SleepUntil(Deadline::In(kRetryPause)));
    }
    if (TryPark(connection)) break;
    if (messages >= kMessagesPerPlace && !messages_.waiting.empty()) {
      Enlist(connection, &messages_);
      break;
    }
  }
  LeaveWork(&messages_);
}

// The next message: where it lies, if all of it is there and in one piece, else put together in
// `assembly`. ETIMEDOUT: there is none, and the connection is at rest; or part of one, and it has
// taken too long.
absl::StatusOr<std::optional<MessageView>> ServerThread::Receive(Connection* connection,
                                                                 MessageAssembly* assembly) {
  Stream& stream = *connection->stream_;
  bool begun = false;  // there is part of a message
  Deadline deadline = Deadline::Immediately();
  for (;;) {
    // A piece may make twice as much room as it takes: what it leaves is received into directly.
    const absl::Span<uint8_t> room = assembly->room();
    const bool direct = room.size() >= kDirectRoomMin;
    const auto part =
        direct ? stream.ReceivePart(room, deadline) : stream.ReceivePartView(deadline);
    const bool interrupted = !part.ok() && StatusErrno(part.status()) == ETIMEDOUT;
    if (!part.ok() && (!interrupted || begun || stream.at_message_boundary())) {
      return part.status();
    }
    if (part.ok() && !part->has_value()) return std::optional<MessageView>();
    if (part.ok() && (*part)->first && (*part)->last) {
      return std::optional<MessageView>(MessageView{(*part)->type, (*part)->payload});
    }
    if (!std::exchange(begun, true)) {
      deadline = std::min(Deadline::In(plan_->options.message_time), connection->close_deadline_);
    }
    if (!part.ok()) continue;
    if (direct) {
      assembly->Added((*part)->payload.size());
    } else if (absl::Status status = assembly->Append((*part)->payload, deadline); !status.ok()) {
      return status;
    }
    if ((*part)->last) {
      return std::optional<MessageView>(MessageView{(*part)->type, assembly->bytes()});
    }
  }
}

// Leaves the connection without a coroutine until it is readable. False: it is that already, or it
// has been broken.
bool ServerThread::TryPark(Connection* connection) {
  if (connection->broken_) return false;
  if (!Watch(connection, &*connection->stream_)) return false;
  connection->coroutine_ = nullptr;
  SetState(connection, State::kParked);
  return true;
}

void ServerThread::RunSession(Connection* connection) {
  SetState(connection, State::kSession);
  counters_.at_work.Add();
  connection->handler_->session(*connection, *connection->stream_);
  counters_.at_work.Subtract();
  // What still comes, up to the peer's Close, is dropped.
  if (!connection->broken_ && !connection->closing_ && connection->stream_->failure() == 0) {
    static_cast<void>(connection->Close(kCloseNormal, ""));
  }
  if (!TryPark(connection)) Enlist(connection, &messages_);
}

// The messages are over. `status` is why, if it was not the peer's Close.
void ServerThread::EndConnection(Connection* connection, const absl::Status& status) {
  Stream& stream = *connection->stream_;
  const std::optional<CloseInfo> peer_close = stream.peer_close();
  int error = peer_close.has_value() ? 0 : StatusErrno(status);
  if (error == ETIMEDOUT) counters_.timed_out.Add();
  if (error == ETIMEDOUT || error == ENOMEM) {
    const bool too_long = error == ETIMEDOUT;
    NoWaitScope no_wait(runtime_);
    static_cast<void>(stream.Done(too_long ? kClosePolicyViolation : kCloseTooBig,
                                  too_long ? "a message took too long" : "no room for a message",
                                  Deadline::Immediately()));
  }
  connection->BeginToEnd();
  connection->DropQueue(EPIPE);
  connection->closing_ = true;
  connection->close_wanted_ = false;
  if (std::exchange(connection->opened_, false) && connection->handler_->on_close) {
    CloseReport report;
    if (peer_close.has_value()) {
      report.code = peer_close->code;
      report.reason = peer_close->reason;
    }
    report.error = connection->end_error_ != 0 ? connection->end_error_ : error;
    connection->handler_->on_close(*connection, report);
  }
  const bool told = error == 0 || error == EPROTO || error == ETIMEDOUT || error == ENOMEM;
  const bool orderly = told && !connection->broken_;
  if (draining_ && error == 0) counters_.drained.Add();
  Finish(connection, orderly);
}

// Ends the stream below. Orderly: what we have said is to reach the peer, and a reset because of
// unread input could overtake it.
void ServerThread::Finish(Connection* connection, bool orderly) {
  if (!orderly || joining_) return Destroy(connection);
  Stream* const stream = connection->stream_.has_value() ? &*connection->stream_ : nullptr;
  if (connection->close_deadline_.is_never()) {
    connection->close_deadline_ = Deadline::In(stream != nullptr ? stream->options().close_time_max
                                                                 : plan_->options.handshake_time);
  }
  int error = ETIMEDOUT;
  if (stream == nullptr || !stream->close_queued()) {
    NoWaitScope no_wait(runtime_);
    error = StatusErrno(connection->lower()->Done(Deadline::Immediately()));
  }
  if (error == 0 || error == EPIPE) return Linger(connection);
  if (error == ETIMEDOUT) {
    // The peer does not read what is on its way to it. That takes a coroutine.
    if (stream != nullptr) {
      static_cast<void>(stream->Close(kCloseNormal, "", connection->close_deadline_));
    } else if (connection->lower()->Done(connection->close_deadline_).ok()) {
      return Linger(connection);
    }
  }
  Destroy(connection);
}

// Waits for the end of the peer's stream, without a coroutine.
void ServerThread::Linger(Connection* connection) {
  // What was waited for before came together with the end of the drain.
  if (aborting_) return Destroy(connection);
  connection->coroutine_ = nullptr;
  SetState(connection, State::kLingering);
  connection->timer_.Set(connection->close_deadline_);
  DropInput(connection);
}

void ServerThread::DropInput(Connection* connection) {
  Bytestream* const lower = connection->lower();
  NoWaitScope no_wait(runtime_);
  bool in_vain = false;
  for (size_t dropped = 0; dropped < kDropBytesMax;) {
    const auto bytes = lower->Peek(1, Deadline::Immediately());
    if (bytes.ok() && !bytes->empty()) {
      dropped += bytes->size();
      lower->Consume(bytes->size());
      in_vain = false;
      continue;
    }
    if (bytes.ok() || StatusErrno(bytes.status()) != ETIMEDOUT) return Destroy(connection);
    // It is said to be readable because the system cannot wait for it. Then its time ends it.
    if (std::exchange(in_vain, true)) return;
    if (Watch(connection, lower)) return;
  }
  // It has not come to what it was told yet, or does not care.
  RetryConnection(connection);
}

void ServerThread::Destroy(Connection* connection) {
  SetState(connection, State::kGone);
  connection->broken_ = true;
  connection->timer_.Cancel();
  connection->BeginToEnd();
  connection->DropQueue(EBADF);
  connection->counters_ = nullptr;
  connection->all_link_.Unlink();
  connection->work_link_.Unlink();
  connection->retry_link_.Unlink();
  if (connection->stream_.has_value()) connection->stream_->Abort();
  connection->lower_.reset();
  ForgetNumber(connection);
  --connection_count_;
  counters_.connections.Subtract();
  connection->Unref();
  GiveBackPermit();
  CheckDrained();
}

// ---- Draining ----------------------------------------------------------------------------------

void ServerThread::DrainIfWanted() {
  if (const auto deadline = plan_->drain.Get(); deadline.has_value()) Drain(*deadline);
}

void ServerThread::Drain(Deadline deadline) {
  if (!draining_) {
    draining_ = true;
    acceptors_.Cancel();
    // Without memory for it the backlog is reset, and the listeners are closed at the end.
    if (coroutines_.StartLater([this] { DrainBacklog(); }, "drain") != 0) backlog_drained_ = true;
    for (Connection* it = connections_.Front(); it != nullptr; it = connections_.Next(it)) {
      if (it->open()) {
        static_cast<void>(it->Close(kCloseGoingAway, "the server is stopping"));
      } else if (it->state_ == State::kAccepted) {
        it->timer_.Set(std::min(it->handshake_deadline_, Deadline::In(kDrainGrace)));
      } else if (it->state_ == State::kKeptAlive) {
        it->timer_.Set(std::min(it->keep_alive_deadline_, Deadline::In(kDrainGrace)));
      }
    }
    CheckDrained();
  }
  if (!(deadline < drain_deadline_)) return;
  drain_deadline_ = deadline;
  if (deadline.is_immediate()) return AbortAll();
  drain_timer_.Set(deadline);
}

void ServerThread::AbortAll() {
  aborting_ = true;
  for (Connection* it = connections_.Front(); it != nullptr;) {
    Connection* const connection = it;
    it = connections_.Next(it);
    // One that is broken already has been counted, or was broken by its handler.
    if (connection->state_ != State::kLingering && !connection->broken_) counters_.aborted.Add();
    Break(connection);
  }
}

void ServerThread::Break(Connection* connection) {
  switch (connection->state_) {
    case State::kQueued:
      if (connection->stream_.has_value()) return connection->Abort();
      return Destroy(connection);
    case State::kAccepted:
    case State::kKeptAlive:
    case State::kLingering:
      return Destroy(connection);
    case State::kHandshake:
    case State::kRunning:
    case State::kSession:
      if (connection->stream_.has_value()) {
        connection->Abort();
      } else {
        connection->broken_ = true;
      }
      return StopCoroutine(connection);
    case State::kParked:
      return connection->Abort();
    case State::kGone:
      return;
  }
}

void ServerThread::StopCoroutine(Connection* connection) {
  if (connection->coroutine_ != nullptr) runtime_->Cancel(connection->coroutine_);
}

void ServerThread::CheckDrained() {
  if (draining_ && backlog_drained_ && connection_count_ == 0) drained_.Notify();
}

}  // namespace halfpipe::websocket
