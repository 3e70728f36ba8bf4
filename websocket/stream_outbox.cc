// What websocket::Stream sends between the frames of others: its Close, the newest ping's pong, and
// pings. Whoever has come to the end of a frame sends them; when nobody is sending they leave at
// once, or as soon as the lower stream can be written.

#include <cerrno>
#include <cstring>
#include <utility>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "websocket/stream.h"
#include "websocket/stream_control.h"

namespace halfpipe::websocket {

// The newest ping alone is answered (RFC 6455 section 5.5.3), so one slot is enough.
void Stream::QueuePong(absl::Span<const uint8_t> payload) {
  if (close_state_.Judge(CloseEvent::kSendPingPong) != CloseVerdict::kProceed) return;
  if (!payload.empty()) std::memcpy(pong_, payload.data(), payload.size());
  pong_size_ = static_cast<uint8_t>(payload.size());
  pong_queued_ = true;
  FlushOutbox();
}

// A Close of our own accord. From here on nothing else is sent; it leaves at once or, where the
// stream is full or a sender is at work, as soon as that has come to an end.
void Stream::QueueClose(int code, absl::string_view reason) {
  queued_close_size_ = static_cast<uint8_t>(
      SerializeClosePayload(static_cast<uint16_t>(code), reason, absl::MakeSpan(queued_close_)));
  close_queued_ = true;
  static_cast<void>(close_state_.On(CloseEvent::kSendClose));
  EndPings(EPIPE);
  if (!sending_) ReleaseCompressorLocked();
  FlushOutbox();
  TellWaiting();
}

void Stream::FlushOutbox() {
  if (!sending_) FlushOutboxLocked(/*pongs_only=*/false);
}

// A Close outranks a pong. Between the frames of a message it has to wait, but for that of a
// MessageWriter, which may never end.
Stream::Queued Stream::NextQueued(bool pongs_only) {
  if (close_queued_ && !pongs_only) return Queued::kClose;
  if (pong_queued_) return Queued::kPong;
  if (live_ping_queued_) return Queued::kLivePing;
  return ping_queue_.empty() ? Queued::kNothing : Queued::kPing;
}

// Sends what is queued, as far as that goes without waiting; the rest follows when the lower stream
// can be written.
void Stream::FlushOutboxLocked(bool pongs_only) {
  ToTail to_tail = ToTail::kInShortage;
  for (;;) {
    const Queued queued = NextQueued(pongs_only);
    if (queued == Queued::kNothing) return;
    const absl::Status status = SendQueued(queued, to_tail);
    if (StatusErrno(status) != ETIMEDOUT) {
      DropQueued(queued, StatusErrno(status));
      continue;
    }
    if (ArmWritable()) return;
    // To try again would have no end where the stream cannot tell when it can be written.
    to_tail = ToTail::kAlways;
  }
}

absl::Status Stream::SendQueued(Queued queued, ToTail to_tail) {
  NoWaitScope no_wait(runtime_);
  const Deadline now = Deadline::Immediately();
  switch (queued) {
    case Queued::kNothing:
      break;
    case Queued::kClose:
      return WriteControl(Opcode::kClose, absl::MakeConstSpan(queued_close_, queued_close_size_),
                          now, to_tail);
    case Queued::kPong:
      return WriteControl(Opcode::kPong, absl::MakeConstSpan(pong_, pong_size_), now, to_tail);
    case Queued::kLivePing:
      control_->live_sent_nanos = runtime_->clock().NowNanos();
      return WriteControl(Opcode::kPing, absl::MakeConstSpan(control_->live_id), now, to_tail);
    case Queued::kPing: {
      auto* const ping = static_cast<PingWaiter*>(ping_queue_.Front());
      if (ping->sent_nanos != nullptr) *ping->sent_nanos = runtime_->clock().NowNanos();
      // Who waits can make the call again: a shortage is his to know of.
      return WriteControl(Opcode::kPing, ping->payload, now,
                          to_tail == ToTail::kInShortage ? ToTail::kNever : to_tail);
    }
  }
  return absl::OkStatus();
}

// It has been sent, or never will be (errno).
void Stream::DropQueued(Queued queued, int error) {
  switch (queued) {
    case Queued::kNothing:
      break;
    case Queued::kClose:
      close_queued_ = false;
      break;
    case Queued::kPong:
      pong_queued_ = false;
      break;
    case Queued::kLivePing:
      live_ping_queued_ = false;
      break;
    case Queued::kPing:
      runtime_->Wake(ping_queue_.PopFront(), error);
      break;
  }
}

// Waits until a Close that was queued has been handed to the lower stream.
absl::Status Stream::FlushClose(Deadline deadline) {
  if (!close_queued_) return absl::OkStatus();
  absl::Status status = LockSend(deadline);
  if (!status.ok()) return status;
  if (close_queued_) {
    status = WriteControl(Opcode::kClose, absl::MakeConstSpan(queued_close_, queued_close_size_),
                          deadline);
    if (status.ok()) close_queued_ = false;
  }
  UnlockSend();
  return status;
}

absl::Status Stream::Ping(absl::Span<const uint8_t> payload, Deadline deadline) {
  absl::Status status = SendPing(payload, /*sent_nanos=*/nullptr, deadline);
  runtime_->CountOperation();
  return status;
}

// Sends a ping now, or has whoever is sending put it between two frames. *sent_nanos, if not null,
// is set before it leaves.
absl::Status Stream::SendPing(absl::Span<const uint8_t> payload, int64_t* sent_nanos,
                              Deadline deadline) {
  if (payload.size() > kMaxControlPayload) {
    return ErrnoStatus(EMSGSIZE, "a ping carries at most 125 bytes");
  }
  const bool busy = sending_;
  if (!busy) {
    if (absl::Status status = LockPiece(deadline); !status.ok()) return status;
  }
  absl::Status status = CheckMaySend();
  // Its pong would come behind the peer's Close, where nothing is ours to read.
  if (status.ok() && peer_close_met_) status = ErrnoStatus(EPIPE, "the peer's Close has come");
  if (busy) {
    if (!status.ok()) return status;
    PingWaiter waiter;
    waiter.payload = payload;
    waiter.sent_nanos = sent_nanos;
    ping_queue_.PushBack(&waiter);
    const int error = runtime_->Wait(&waiter, deadline);
    return MendSend(ErrnoStatus(error, "waiting for a sender to come to the end of its frame"));
  }
  if (sent_nanos != nullptr) *sent_nanos = runtime_->clock().NowNanos();
  if (status.ok()) status = MendSend(WriteControl(Opcode::kPing, payload, deadline));
  UnlockSend();
  return status;
}

// For pings that wait and cannot be sent any more.
void Stream::EndPings(int error) {
  while (Waiter* const waiter = ping_queue_.PopFront()) runtime_->Wake(waiter, error);
}

}  // namespace halfpipe::websocket
