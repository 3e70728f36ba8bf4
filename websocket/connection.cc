#include "websocket/connection.h"

#include <algorithm>
#include <cerrno>

#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "websocket/core/close_argument_status.h"
#include "websocket/core/close_code.h"

namespace halfpipe::websocket {
Connection::Connection(ConnectionHost* host, Runtime* runtime, ConnectionId id,
                       const ConnectionLimits* limits, ServerCounters* counters)
    : host_(host),
      runtime_(runtime),
      link_(host->link()),
      id_(id),
      limits_(limits),
      counters_(counters),
      timer_(runtime, [this] { host_->OnConnectionTimer(this); }) {}

Connection::~Connection() { BeginToEnd(); }

void Connection::Unref() {
  if (--references_ == 0) delete this;
}

bool Connection::open() const {
  return stream_.has_value() && !closing_ && !broken_ && stream_->failure() == 0 &&
         !stream_->close_sent() && !stream_->peer_close().has_value();
}

absl::Status Connection::MaySend() const {
  if (!stream_.has_value() || broken_) return ErrnoStatus(EBADF, "the connection has ended");
  if (closing_) return ErrnoStatus(EPIPE, "the connection is being closed");
  return absl::OkStatus();
}

absl::Status Connection::Send(MessageType type, absl::Span<const uint8_t> payload,
                              Deadline deadline) {
  const ConnectionRef keep(*this);
  if (absl::Status status = MaySend(); !status.ok()) return status;
  if (!queue_.empty()) {
    if (absl::Status status = WaitForQueue(deadline); !status.ok()) return status;
  }
  absl::Status status = stream_->Send(type, payload, deadline);
  Counted(status, payload.size());
  return status;
}

absl::Status Connection::SendText(absl::string_view text, Deadline deadline) {
  return Send(MessageType::kText,
              absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()),
              deadline);
}

// The limits are the server's, which may have gone before the connection's object.
absl::Status Connection::Send(MessageView message) {
  if (absl::Status status = MaySend(); !status.ok()) return status;
  return Send(message.type, message.payload, Deadline::In(limits_->send_time));
}

absl::Status Connection::SendText(absl::string_view text) {
  if (absl::Status status = MaySend(); !status.ok()) return status;
  return SendText(text, Deadline::In(limits_->send_time));
}

void Connection::Counted(const absl::Status& status, size_t payload_size) {
  if (!status.ok() || counters_ == nullptr) return;
  counters_->messages_sent.Add();
  counters_->bytes_sent.Add(payload_size);
}

// Until what is queued has left, so that messages of one sender keep their order.
absl::Status Connection::WaitForQueue(Deadline deadline) {
  while (!queue_.empty()) {
    Waiter waiter;
    queue_waiters_.PushBack(&waiter);
    if (const int error = runtime_->Wait(&waiter, deadline)) {
      return ErrnoStatus(error, "waiting behind queued messages");
    }
  }
  return MaySend();
}

absl::Status Connection::Enqueue(const EncodedMessageRef& message, SlowPolicy policy) {
  if (absl::Status status = MaySend(); !status.ok()) return status;
  if (queue_.empty()) {
    absl::Status status = TrySend(message);
    if (status.ok() || !IsInterruption(status)) return status;
  }
  const bool idle = queue_.empty();
  uint64_t skipped = 0;
  const SendQueue::Result result = queue_.Push(message, limits_->send_queue, policy, &skipped);
  counters_->messages_skipped.Add(skipped);
  switch (result) {
    case SendQueue::Result::kQueued:
      if (idle) ArmQueue();
      return absl::OkStatus();
    case SendQueue::Result::kSkipped:
      return ErrnoStatus(ENOBUFS, "the connection is slow: a message was skipped");
    case SendQueue::Result::kOverflow:
      break;
  }
  counters_->slow_closed.Add();
  end_error_ = ENOBUFS;
  Abort();
  return ErrnoStatus(ENOBUFS, "the connection was too slow and is broken");
}

// Hands the bytes that all share to the stream, compressed if it has that.
absl::Status Connection::TrySend(const EncodedMessageRef& message) {
  absl::Span<const uint8_t> frame;
  if (const auto& params = stream_->options().deflate_params; params.has_value()) {
    frame = message->Compressed(params->server_max_window_bits);
  }
  const bool compressed = !frame.empty();
  if (!compressed) frame = message->plain();
  const IoSlice slice(frame.data(), frame.size());
  absl::Status status = stream_->TrySendEncoded(absl::MakeConstSpan(&slice, 1), compressed);
  Counted(status, message->payload().size());
  return status;
}

void Connection::ArmQueue() {
  stream_->WhenWritable([this] { FlushQueue(); });
}

// Sends what is queued as far as that goes, then the Close, if one is wanted.
void Connection::FlushQueue() {
  // From within ArmQueue() below: the stream says that it takes more, but it has just refused. So
  // as not to turn without rest it is asked a little later.
  if (flushing_) return host_->RetryConnection(this);
  flushing_ = true;
  while (!queue_.empty()) {
    const absl::Status status = TrySend(queue_.Front());
    if (status.ok()) {
      queue_.PopFront();
    } else if (IsInterruption(status)) {
      ArmQueue();
      break;
    } else {
      DropQueue(StatusErrno(status));
    }
  }
  if (queue_.empty()) {
    while (Waiter* const waiter = queue_waiters_.PopFront()) runtime_->Wake(waiter);
    if (close_wanted_) TryClose();
  }
  flushing_ = false;
}

void Connection::DropQueue(int error) {
  queue_.Clear();
  while (Waiter* const waiter = queue_waiters_.PopFront()) runtime_->Wake(waiter, error);
}

absl::Status Connection::Close(int code, absl::string_view reason) {
  if (!stream_.has_value() || broken_) return ErrnoStatus(EBADF, "the connection has ended");
  if (absl::Status status = ToStatus(CheckCloseArguments(code, reason)); !status.ok()) {
    return status;
  }
  if (closing_) return absl::OkStatus();
  BeginToEnd();
  closing_ = close_wanted_ = true;
  close_code_ = code;
  close_reason_ = std::string(reason);
  close_deadline_ = std::min(close_deadline_, Deadline::In(stream_->options().close_time_max));
  timer_.Set(close_deadline_);
  if (queue_.empty()) FlushQueue();
  return absl::OkStatus();
}

void Connection::TryClose() {
  absl::Status status;
  {
    NoWaitScope no_wait(runtime_);
    status = stream_->Done(close_code_, close_reason_, Deadline::Immediately());
  }
  if (IsInterruption(status)) return ArmQueue();
  close_wanted_ = false;
}

void Connection::Abort() {
  if (!stream_.has_value() || broken_) return;
  broken_ = true;
  BeginToEnd();
  stream_->Abort();
  DropQueue(EBADF);
  host_->OnConnectionBroken(this);
}

bool Connection::Join(Membership* membership) {
  if (!open()) return false;
  memberships_.PushBack(membership);
  return true;
}

Membership* Connection::FindMembership(const void* set) {
  for (Membership* it = memberships_.Front(); it != nullptr; it = memberships_.Next(it)) {
    if (it->set_ == set) return it;
  }
  return nullptr;
}

// Nothing more is sent to it on behalf of others.
void Connection::BeginToEnd() {
  while (Membership* const membership = memberships_.PopFront()) delete membership;
  if (!counted_open_) return;
  counted_open_ = false;
  counters_->open.Subtract();
}

}  // namespace halfpipe::websocket
