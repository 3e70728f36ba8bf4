// The receiving half of websocket::Stream.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/protocol_error_status.h"
#include "websocket/message_type.h"
#include "websocket/stream.h"
#include "websocket/stream_control.h"

namespace halfpipe::websocket {
namespace {

using Kind = ReceiveEvent::Kind;

// From here on a payload is read straight into its destination; less comes by way of the read
// buffer, so that one system call brings the frames behind it too.
constexpr size_t kDirectReadBytesMin = 4096;

// So many headers and control frames count as an operation.
constexpr int kStepsPerOperation = 64;

// So much is received before the clock is looked at, if nothing had to be waited for: more than any
// buffer holds, and than most of that says when it is inflated, so that what has come is received
// however late it is. A header, and what it takes to deal with it, counts as this many bytes.
constexpr uint64_t kWorkPerLook = uint64_t{64} << 20;
constexpr uint64_t kHeaderWork = 64;

}  // namespace

absl::StatusOr<std::optional<MessageInfo>> Stream::Receive(absl::Span<const IoSpan> slices,
                                                           Deadline deadline) {
  auto result = ReceiveNow(slices, /*discard=*/false, deadline);
  runtime_->CountOperation();
  return result;
}

absl::StatusOr<std::optional<MessageInfo>> Stream::Discard(Deadline deadline) {
  auto result = ReceiveNow({}, /*discard=*/true, deadline);
  runtime_->CountOperation();
  return result;
}

absl::StatusOr<std::optional<MessageView>> Stream::ReceiveView(Deadline deadline) {
  auto result = ReceiveViewNow(deadline);
  runtime_->CountOperation();
  return result;
}

absl::StatusOr<std::optional<size_t>> Stream::ReceiveMessage(absl::Span<const IoSpan> slices,
                                                             Deadline deadline) {
  auto result = ReceiveNow(slices, /*discard=*/slices.empty(), deadline);
  runtime_->CountOperation();
  if (!result.ok()) return result.status();
  if (!result->has_value()) return std::optional<size_t>();
  const bool is_text = (*result)->type == MessageType::kText;
  if (is_text != options_.text_messages) {
    return ErrnoStatus(EPROTO, is_text ? "a text message where binary is expected"
                                       : "a binary message where text is expected");
  }
  return std::optional<size_t>((*result)->size);
}

// Everything that is asked before a receive may begin. OK: receiving_ is set.
absl::Status Stream::BeginReceive(bool by_parts) {
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "the coroutine is being cancelled");
  }
  if (receiving_) return ErrnoStatus(EBUSY, "another coroutine is receiving");
  if (failure_ != 0) {
    ForgetAside();
    return Failure();
  }
  ReleaseView();
  if (by_parts != bounds_by_parts_) SetMessageBounds(by_parts);
  receiving_ = true;
  work_ = 0;
  last_receiver_ = runtime_->current();
  return absl::OkStatus();
}

void Stream::EndReceive(absl::Status* status) {
  receiving_ = false;
  SettleReceive(status);
}

// What a receive has come to, as the stream and its caller are to know it.
void Stream::SettleReceive(absl::Status* status) {
  if (status->ok()) return MarkMessage();
  const int error = StatusErrno(*status);
  if (failure_ == 0) {
    if (error == ECONNRESET) Fail(ECONNRESET, "the connection is broken");
  } else if (error == EBADF && !aborted_) {
    *status = Failure();  // The lower stream was broken by us.
  }
  if (failure_ != 0) ForgetAside();
}

// Whether `slices` can take what an interrupted call has left behind. Asked before the receiver is,
// because whatever it tells about the end of a message it tells once.
absl::Status Stream::CheckAside(absl::Span<const IoSpan> slices) {
  if (in_parts_) return ErrnoStatus(EINVAL, "a part of the message has been received");
  if (aside_.empty()) return absl::OkStatus();
  if (aside_.message_bytes() > TotalSize(slices)) return TooLarge();
  if (aside_.Fits(slices)) return absl::OkStatus();
  return ErrnoStatus(EINVAL, "the list wants bytes that an interrupted call has skipped");
}

void Stream::ReleaseView() {
  if (view_bytes_ > 0) {
    lower_->Consume(std::exchange(view_bytes_, 0));
    NoteBuffered();
  }
  if (std::exchange(view_in_aside_, false)) ForgetAside();
  if (part_block_ != nullptr) {
    runtime_->buffer_pool().Put(std::exchange(part_block_, nullptr));
  }
}

absl::StatusOr<std::optional<MessageInfo>> Stream::ReceiveNow(absl::Span<const IoSpan> slices,
                                                              bool discard, Deadline deadline) {
  if (absl::Status status = BeginReceive(); !status.ok()) return status;
  ReceiveEvent event;
  absl::Status status;
  if (discard) {
    status = DropRest(&event, deadline);
  } else {
    status = CheckAside(slices);
    if (status.ok()) status = FirstDataEvent(&event, deadline);
    if (status.ok()) status = FillMessage(slices, &event, deadline);
  }
  if (status.ok() && event.kind != Kind::kMessageEnd) status = Ended(event);
  EndReceive(&status);
  if (!status.ok()) return status;
  if (event.kind != Kind::kMessageEnd) return std::optional<MessageInfo>();
  return std::optional<MessageInfo>(
      MessageInfo{TypeOf(event.opcode), static_cast<size_t>(event.message_bytes)});
}

absl::StatusOr<std::optional<MessageView>> Stream::ReceiveViewNow(Deadline deadline) {
  if (absl::Status status = BeginReceive(); !status.ok()) return status;
  ReceiveEvent event;
  absl::Span<const uint8_t> payload;
  absl::Status status;
  if (in_parts_) {
    status = ErrnoStatus(EINVAL, "a part of the message has been received");
  } else if (aside_.has_gaps()) {
    status = ErrnoStatus(EINVAL, "part of the message was skipped by an interrupted call");
  } else {
    status = FirstDataEvent(&event, deadline);
  }
  if (status.ok() && event.rsv != 0) {
    status = CollectInflated(&event, deadline);
    payload = aside_.bytes();
  } else if (status.ok() && event.kind == Kind::kNeedPayload) {
    const bool whole_frame = event.first_frame && event.last_frame && event.message_bytes == 0;
    if (whole_frame && event.frame_bytes_left <= Bytestream::kPeekMax) {
      status = ViewFrame(static_cast<size_t>(event.frame_bytes_left), &event, &payload, deadline);
    } else {
      status = CollectMessage(&event, deadline);
      payload = aside_.bytes();
    }
  } else if (status.ok() && event.kind == Kind::kMessageEnd) {
    // Empty, or interrupted when all but its last, empty fragment had come.
    payload = aside_.bytes();
    view_in_aside_ = true;
  }
  if (status.ok() && event.kind != Kind::kMessageEnd) status = Ended(event);
  EndReceive(&status);
  if (!status.ok()) return status;
  if (event.kind != Kind::kMessageEnd) return std::optional<MessageView>();
  return std::optional<MessageView>(MessageView{TypeOf(event.opcode), payload});
}

// What the first event of a message is, or goes on to be after an interruption. The rest of a
// message that did not fit is skipped before.
absl::Status Stream::FirstDataEvent(ReceiveEvent* event, Deadline deadline) {
  if (skipping_) {
    if (absl::Status status = SkipMessage(deadline); !status.ok()) return status;
  }
  return NextDataEvent(event, deadline);
}

// Deals with headers and control frames until the receiver names payload, the end of a message, or
// the end of it all: kNeedPayload, kMessageEnd, kPeerClosed or kFail.
absl::Status Stream::NextDataEvent(ReceiveEvent* event, Deadline deadline) {
  for (int steps = 1;; ++steps) {
    absl::Status status = LookAtClock(deadline);
    if (!status.ok()) return status;
    *event = receiver_.Next();
    switch (event->kind) {
      case Kind::kNeedHeader:
        status = TakeHeader(event->min_bytes, deadline);
        break;
      case Kind::kNeedControl:
        status = TakeControl(event->min_bytes, deadline);
        break;
      case Kind::kSendPong:
      case Kind::kPong:
        if (!CountControlFrame()) {
          return FailConnection(
              {kClosePolicyViolation, "more than control_frames_per_second_max pings and pongs"});
        }
        if (event->kind == Kind::kSendPong) {
          QueuePong(event->payload);
        } else {
          PongCame(event->payload);
        }
        break;
      default:
        return absl::OkStatus();
    }
    if (!status.ok()) return status;
    // What lies in the buffer may be much, and a peer that is fast leaves nothing to wait for.
    if (steps % kStepsPerOperation == 0) runtime_->CountOperation();
  }
}

// A peer that is fast enough leaves nothing to wait for, and may never end: the deadline counts all
// the same. Nothing is lost by it.
absl::Status Stream::LookAtClock(Deadline deadline) {
  if (work_ < kWorkPerLook) return absl::OkStatus();
  if (deadline.ExpiredAt(runtime_->clock().NowNanos())) {
    return ErrnoStatus(ETIMEDOUT, "the peer has not come to an end before the deadline");
  }
  work_ = 0;
  return absl::OkStatus();
}

absl::Status Stream::TakeHeader(size_t min_bytes, Deadline deadline) {
  auto bytes = lower_->Peek(min_bytes, deadline);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < min_bytes) {
    // The stream has ended. What is there may be a breach all the same, which is to be told however
    // the bytes were cut.
    if (!bytes->empty()) receiver_.OnHeader(*bytes);
    return receiver_.failed() ? absl::OkStatus() : EndOfStream();
  }
  const size_t used = receiver_.OnHeader(*bytes);
  if (used > 0) lower_->Consume(used);
  CountWork(kHeaderWork);
  MarkHeard();
  return absl::OkStatus();
}

absl::Status Stream::TakeControl(size_t min_bytes, Deadline deadline) {
  auto bytes = lower_->Peek(min_bytes, deadline);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < min_bytes) return EndOfStream();
  receiver_.OnControl(bytes->first(min_bytes));
  lower_->Consume(min_bytes);
  MarkHeard();
  return absl::OkStatus();
}

// Receives a message into `slices`, from wherever an interrupted call has left it. OK: *event is
// kMessageEnd, kPeerClosed or kFail.
absl::Status Stream::FillMessage(absl::Span<const IoSpan> slices, ReceiveEvent* event,
                                 Deadline deadline) {
  if (event->rsv != 0) return FillInflated(slices, event, deadline);
  const uint64_t capacity = TotalSize(slices);
  uint64_t received = aside_.message_bytes();
  SliceCursor<IoSpan> to(slices);
  to.Advance(static_cast<size_t>(received));
  while (event->kind == Kind::kNeedPayload) {
    if (event->frame_bytes_left > capacity - received) return TooLarge();
    size_t taken = 0;
    absl::Status status = FillPiece(to.Front(), event->frame_bytes_left, &taken, deadline);
    if (status.ok()) {
      to.Advance(taken);
      received += taken;
      status = NextDataEvent(event, deadline);
    }
    if (!status.ok()) {
      if (failure_ == 0 && IsInterruption(status)) Interrupted(slices, received);
      return failure_ == ENOMEM ? Failure() : status;
    }
  }
  if (event->kind == Kind::kMessageEnd) aside_.Restore(slices);
  return absl::OkStatus();
}

// Takes at least one byte of payload into `piece`; a null one drops them.
absl::Status Stream::FillPiece(IoSpan piece, uint64_t frame_bytes_left, size_t* taken,
                               Deadline deadline) {
  size_t wanted = static_cast<size_t>(std::min<uint64_t>(piece.size, frame_bytes_left));
  // A stream that does not read ahead brings what it is asked for, all of it: not so much at a time
  // that nothing is heard of the peer for long.
  const bool reads_ahead = lower_->reads_ahead();
  if (!reads_ahead) wanted = std::min(wanted, Bytestream::kPeekMax);
  const bool direct = wanted >= kDirectReadBytesMin || !reads_ahead;
  if (piece.data != nullptr && direct && lower_->buffered() == 0) {
    const absl::Span<uint8_t> destination(piece.data, wanted);
    auto count = lower_->ReadSome(destination, reads_ahead ? 1 : wanted, deadline);
    if (!count.ok()) return count.status();
    if (*count == 0) return EndOfStream();
    MarkHeard();
    receiver_.OnPayload(destination.first(*count));
    CountWork(*count);
    *taken = *count;
    return absl::OkStatus();
  }
  auto bytes = lower_->Peek(reads_ahead ? 1 : wanted, deadline);
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return EndOfStream();
  const absl::Span<uint8_t> from = bytes->first(std::min(bytes->size(), wanted));
  if (piece.data != nullptr) {
    receiver_.OnPayloadCopy(piece.data, from);
  } else {
    receiver_.OnPayload(from);
  }
  CountWork(from.size());
  *taken = from.size();
  lower_->Consume(from.size());
  MarkHeard();
  return absl::OkStatus();
}

// Waits for payload and has as much as there is unmasked where it lies, in the lower buffer; whoever
// has used it consumes it. Of a stream that does not read ahead, as much as is sure to come.
absl::StatusOr<absl::Span<uint8_t>> Stream::UnmaskPayload(uint64_t frame_bytes_left,
                                                          Deadline deadline) {
  const size_t sure =
      static_cast<size_t>(std::min<uint64_t>(frame_bytes_left, Bytestream::kPeekMax));
  auto bytes = lower_->Peek(lower_->reads_ahead() ? 1 : sure, deadline);
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return EndOfStream();
  const absl::Span<uint8_t> piece =
      bytes->first(static_cast<size_t>(std::min<uint64_t>(bytes->size(), frame_bytes_left)));
  receiver_.OnPayload(piece);
  return piece;
}

// Views a message of one frame in the read buffer.
absl::Status Stream::ViewFrame(size_t size, ReceiveEvent* event, absl::Span<const uint8_t>* payload,
                               Deadline deadline) {
  auto bytes = lower_->Peek(size, deadline);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < size) return EndOfStream();
  MarkHeard();
  const absl::Span<uint8_t> frame = bytes->first(size);
  receiver_.OnPayload(frame);
  view_bytes_ = size;
  *payload = frame;
  *event = receiver_.Next();
  return absl::OkStatus();
}

// Puts a message together in memory of the stream, where it stays if this is interrupted.
absl::Status Stream::CollectMessage(ReceiveEvent* event, Deadline deadline) {
  while (event->kind == Kind::kNeedPayload) {
    const absl::Span<uint8_t> room =
        aside_.Room(event->frame_bytes_left, options_.message_bytes_max);
    if (room.empty()) return NoMemory();
    size_t taken = 0;
    absl::Status status =
        FillPiece(IoSpan(room.data(), room.size()), event->frame_bytes_left, &taken, deadline);
    if (!status.ok()) return status;
    aside_.Commit(taken);
    status = NextDataEvent(event, deadline);
    if (!status.ok()) return status;
  }
  view_in_aside_ = true;
  return absl::OkStatus();
}

// Takes the rest of a message and keeps none of it.
absl::Status Stream::DropMessage(ReceiveEvent* event, Deadline deadline) {
  if (event->rsv != 0) return DropInflated(event, deadline);
  while (event->kind == Kind::kNeedPayload) {
    size_t taken = 0;
    absl::Status status =
        FillPiece(IoSpan(nullptr, SIZE_MAX), event->frame_bytes_left, &taken, deadline);
    if (status.ok()) status = NextDataEvent(event, deadline);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Drops everything up to the peer's Close. The caller has the direction.
absl::Status Stream::DrainToClose(Deadline deadline) {
  ReleaseView();
  work_ = 0;
  while (!peer_close_met_) {
    if (failure_ != 0) return Failure();
    ReceiveEvent event;
    absl::Status status = DropRest(&event, deadline);
    if (status.ok() && event.kind != Kind::kMessageEnd) status = Ended(event);
    if (!status.ok()) {
      SettleReceive(&status);
      return status;
    }
    runtime_->CountOperation();
  }
  return absl::OkStatus();
}

// Drops what is left of a message that did not fit. What ends the connection is met again by
// whoever asks the receiver next.
absl::Status Stream::SkipMessage(Deadline deadline) {
  ReceiveEvent event;
  absl::Status status = NextDataEvent(&event, deadline);
  if (status.ok()) status = DropMessage(&event, deadline);
  ForgetAside();
  if (status.ok()) skipping_ = false;
  return status;
}

// `skip`: there is more of it to come.
absl::Status Stream::TooLarge(bool skip) {
  ForgetAside();
  skipping_ = skip;
  return ErrnoStatus(EMSGSIZE, "the message is larger than the memory for it");
}

// Keeps what an interrupted call had received. The call's own memory is the caller's again.
void Stream::Interrupted(absl::Span<const IoSpan> slices, uint64_t received) {
  if (!aside_.Save(slices, received)) static_cast<void>(NoMemory());
}

void Stream::ForgetAside() {
  aside_.Clear();
  aside_given_ = 0;
}

// The connection can bring no more messages: kPeerClosed or kFail.
absl::Status Stream::Ended(const ReceiveEvent& event) {
  ForgetAside();
  in_parts_ = false;
  ReleaseInflater();
  if (event.kind == Kind::kFail) return FailConnection(event.error);
  if (std::exchange(peer_close_met_, true)) return absl::OkStatus();
  static_cast<void>(close_state_.On(CloseEvent::kReceiveClose));
  pong_queued_ = live_ping_queued_ = false;
  EndPings(EPIPE);
  EndRoundTrips(EPIPE);
  if (options_.answer_close && !close_state_.close_sent()) {
    const int code = event.close_code == kCloseNoStatus ? 0 : event.close_code;
    QueueClose(code, absl::string_view());
  }
  return absl::OkStatus();
}

absl::Status Stream::EndOfStream() {
  Fail(ECONNRESET, "the stream ended without a Close");
  return Failure();
}

absl::Status Stream::NoMemory() {
  if (!close_state_.close_sent()) QueueClose(kCloseInternalError, "out of memory");
  Fail(ENOMEM, "");
  return Failure();
}

absl::Status Stream::FailConnection(const ProtocolError& error) {
  protocol_error_ = error;
  Fail(EPROTO, "");
  pong_queued_ = live_ping_queued_ = false;
  if (!close_state_.close_sent()) QueueClose(error.close_code, error.what);
  return Failure();
}

absl::Status Stream::Failure() const {
  switch (failure_) {
    case EPROTO:
      return ToStatus(protocol_error_);
    case ENOMEM:
      return ErrnoStatus(ENOMEM, "no memory for a message that is being received");
    default:
      return ErrnoStatus(failure_, failure_text_);
  }
}

std::optional<CloseInfo> Stream::peer_close() const {
  if (!peer_close_met_) return std::nullopt;
  // Asking a receiver that has met the Close changes nothing.
  const ReceiveEvent event = const_cast<MessageReceiver&>(receiver_).Next();
  return CloseInfo{event.close_code, event.reason()};
}

// True if a whole message of one frame lies behind the one that was received last.
bool Stream::WholeMessageBuffered() {
  if (in_parts_) return false;
  auto bytes = lower_->Peek(0, Deadline::Immediately());
  if (!bytes.ok() || bytes->size() <= view_bytes_) return false;
  const absl::Span<const uint8_t> next = bytes->subspan(view_bytes_);
  FrameHeader header;
  ProtocolError error;
  size_t consumed = 0;
  size_t needed = 0;
  const FrameRules rules(options_.role, deflate_ != nullptr ? kRsv1 : uint8_t{0});
  return ParseFrameHeader(next, rules, &header, &consumed, &needed, &error) ==
             DecodeStatus::kDone &&
         header.fin && StartsMessage(header.opcode) &&
         header.payload_size <= next.size() - consumed;
}

}  // namespace halfpipe::websocket
