// Messages of websocket::Stream that are received in parts, and what is left of them.
//
// A part is whatever there is. Where the message is not compressed it lies in the lower buffer, or is
// read straight into the caller's memory. A compressed one is inflated until the memory is full; its
// payload waits in the lower buffer meanwhile, unmasked already as far as the receiver has seen it
// (Deflate::pending).

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bytestream/base/errno_status.h"
#include "websocket/message_type.h"
#include "websocket/stream.h"
#include "websocket/stream_control.h"
#include "websocket/stream_deflate.h"

namespace halfpipe::websocket {
namespace {

using Kind = ReceiveEvent::Kind;

}  // namespace

absl::StatusOr<std::optional<MessagePart>> Stream::ReceivePart(absl::Span<uint8_t> memory,
                                                               Deadline deadline) {
  if (memory.empty()) return ErrnoStatus(EINVAL, "a part needs memory");
  auto result = ReceivePartNow(memory, deadline);
  runtime_->CountOperation();
  return result;
}

absl::StatusOr<std::optional<MessagePart>> Stream::ReceivePartView(Deadline deadline) {
  auto result = ReceivePartNow({}, deadline);
  runtime_->CountOperation();
  return result;
}

// `memory` empty: a view.
absl::StatusOr<std::optional<MessagePart>> Stream::ReceivePartNow(absl::Span<uint8_t> memory,
                                                                  Deadline deadline) {
  if (absl::Status status = BeginReceive(/*by_parts=*/true); !status.ok()) return status;
  MessagePart part;
  ReceiveEvent event;
  event.kind = Kind::kNeedPayload;
  absl::Status status;
  if (skipping_ || aside_.empty()) {
    status = TakePart(memory, &part, &event, deadline);
  } else if (aside_.has_gaps()) {
    status = ErrnoStatus(EINVAL, "part of the message was skipped by an interrupted call");
  } else {
    TakeFromAside(memory, &part);
  }
  const bool ended = event.kind == Kind::kPeerClosed || event.kind == Kind::kFail;
  if (status.ok() && ended) status = Ended(event);
  EndReceive(&status);
  if (!status.ok()) return status;
  if (ended) return std::optional<MessagePart>();
  part.type = TypeOf(receiver_.message_opcode());
  part.first = !part_given_;
  part.last = event.kind == Kind::kMessageEnd;
  in_parts_ = part_given_ = !part.last;
  return std::optional<MessagePart>(part);
}

// What an interrupted call, which wanted the message whole, has left behind.
void Stream::TakeFromAside(absl::Span<uint8_t> memory, MessagePart* part) {
  const absl::Span<uint8_t> bytes = aside_.bytes().subspan(aside_given_);
  if (memory.empty()) {
    part->payload = bytes;
    aside_given_ = 0;
    view_in_aside_ = true;
    return;
  }
  const size_t count = std::min(bytes.size(), memory.size());
  std::memcpy(memory.data(), bytes.data(), count);
  part->payload = memory.first(count);
  aside_given_ += count;
  if (count == bytes.size()) ForgetAside();
}

// OK: *part has payload, or *event is kMessageEnd, kPeerClosed or kFail.
absl::Status Stream::TakePart(absl::Span<uint8_t> memory, MessagePart* part, ReceiveEvent* event,
                              Deadline deadline) {
  if (!skipping_ && deflate_ != nullptr && deflate_->in_message) {
    return InflatePart(memory, part, event, deadline);
  }
  absl::Status status = FirstDataEvent(event, deadline);
  // From its header on, since message_bytes_max may not be that of other calls.
  if (!skipping_ && receiver_.in_message()) in_parts_ = true;
  if (!status.ok()) return status;
  if (event->rsv != 0) {
    deflate_->BeginMessage(event->opcode);
    status = FeedInflater(event, deadline);
    return status.ok() ? InflatePart(memory, part, event, deadline) : status;
  }
  if (event->kind != Kind::kNeedPayload) return absl::OkStatus();
  if (memory.empty()) {
    status = ViewPiece(event, &part->payload, deadline);
  } else {
    size_t taken = 0;
    status =
        FillPiece(IoSpan(memory.data(), memory.size()), event->frame_bytes_left, &taken, deadline);
    part->payload = memory.first(taken);
  }
  // Whether that was the end is known now; if not, what comes next is the next call's to ask.
  if (status.ok()) *event = receiver_.Next();
  return status;
}

absl::Status Stream::ViewPiece(ReceiveEvent* event, absl::Span<const uint8_t>* payload,
                               Deadline deadline) {
  const auto piece = UnmaskPayload(event->frame_bytes_left, deadline);
  if (!piece.ok()) return piece.status();
  MarkHeard();
  view_bytes_ = piece->size();
  *payload = *piece;
  return absl::OkStatus();
}

// Bytes of the current message that have been received or dropped, inflated.
uint64_t Stream::MessageOffset() const {
  return deflate_ != nullptr && deflate_->in_message ? deflate_->message_bytes
                                                     : receiver_.message_offset();
}

// Drops what is left of a message, or all of the next one. OK: as DropMessage(). Interrupted, it has
// done nothing, if it has not dropped a byte; else the message can only be dropped.
absl::Status Stream::DropRest(ReceiveEvent* event, Deadline deadline) {
  const uint64_t before = skipping_ ? 0 : MessageOffset();
  absl::Status status = DropRestNow(event, deadline);
  if (status.ok()) {
    in_parts_ = part_given_ = false;
    ForgetAside();
  } else if (failure_ == 0 && IsInterruption(status) && !skipping_ && MessageOffset() > before) {
    ForgetAside();
    aside_.SaveDiscarded(MessageOffset());
  }
  return status;
}

absl::Status Stream::DropRestNow(ReceiveEvent* event, Deadline deadline) {
  const bool inflating = in_parts_ && deflate_ != nullptr && deflate_->in_message;
  if (inflating) {
    const bool ending = deflate_->ending;
    if (absl::Status status = DropPending(); !status.ok()) return status;
    if (ending) {
      event->kind = Kind::kMessageEnd;
      event->opcode = deflate_->opcode;
      event->message_bytes = deflate_->message_bytes;
      return absl::OkStatus();
    }
  }
  absl::Status status = FirstDataEvent(event, deadline);
  return status.ok() ? DropMessage(event, deadline) : status;
}

void Stream::SetMessageBounds(bool by_parts) {
  if (receiver_.in_message() || (deflate_ != nullptr && deflate_->in_message)) return;
  bounds_by_parts_ = by_parts;
  if (!options_.streamed_message_bytes_max.has_value()) return;
  const uint64_t max = by_parts ? *options_.streamed_message_bytes_max : options_.message_bytes_max;
  receiver_.SetMessageBytesMax(max, EncodedBytesMax(max));
  if (deflate_ != nullptr) deflate_->inflater.SetMessageBytesMax(max);
}

// ---- Compressed messages ------------------------------------------------------------------------

// Has payload unmasked where it lies, or notes that there is no more.
absl::Status Stream::FeedInflater(ReceiveEvent* event, Deadline deadline) {
  if (event->kind == Kind::kMessageEnd) deflate_->ending = true;
  if (event->kind != Kind::kNeedPayload) return absl::OkStatus();
  absl::Span<const uint8_t> payload;
  absl::Status status = ViewPiece(event, &payload, deadline);
  view_bytes_ = 0;  // It is not for anybody to see.
  if (status.ok()) deflate_->pending = payload.size();
  return status;
}

// The payload that came and is not inflated yet, where it lies: in a stream that may have broken
// since, by a send.
absl::StatusOr<absl::Span<const uint8_t>> Stream::PendingPayload() {
  if (deflate_->pending == 0) return absl::Span<const uint8_t>();
  const auto bytes = lower_->Peek(0, Deadline::Immediately());
  if (!bytes.ok()) return bytes.status();
  return bytes->first(deflate_->pending);
}

// Goes on with the message that is being inflated until there is a part of it, or its end.
absl::Status Stream::InflatePart(absl::Span<uint8_t> memory, MessagePart* part, ReceiveEvent* event,
                                 Deadline deadline) {
  if (memory.empty()) {
    part_block_ = runtime_->buffer_pool().Get();
    if (part_block_ == nullptr) return NoMemory();
    memory = absl::MakeSpan(part_block_, BufferPool::kBlockSize);
  }
  Deflate& state = *deflate_;
  size_t size = 0;
  for (;;) {
    const absl::StatusOr<absl::Span<const uint8_t>> in = PendingPayload();
    if (!in.ok()) return in.status();
    const Inflater::Result result = state.inflater.Inflate(*in, state.ending, memory.subspan(size));
    if (result.consumed > 0) {
      lower_->Consume(result.consumed);
      NoteBuffered();
    }
    state.pending -= result.consumed;
    const absl::Span<const uint8_t> text = memory.subspan(size, result.produced);
    size += result.produced;
    state.message_bytes += result.produced;
    part->payload = memory.first(size);
    if (state.opcode == Opcode::kText && !state.text.Validate(text)) {
      return FailConnection({kCloseBadPayload, "text is not UTF-8"});
    }
    switch (result.status) {
      case Inflater::Status::kNeedOutput:
        event->kind = Kind::kNeedPayload;
        return absl::OkStatus();
      case Inflater::Status::kDone:
        event->kind = Kind::kMessageEnd;
        state.in_message = state.ending = false;
        if (state.opcode == Opcode::kText && !state.text.Finish()) {
          return FailConnection({kCloseBadPayload, "text ends inside a UTF-8 sequence"});
        }
        return absl::OkStatus();
      case Inflater::Status::kFailed:
        return FailConnection(result.error);
      case Inflater::Status::kNoMemory:
        return NoMemory();
      case Inflater::Status::kNeedInput:
        break;
    }
    // With bytes to give, nothing is waited for; but where the end is known it belongs to them.
    absl::Status status;
    if (size > 0) {
      *event = receiver_.Next();
      if (event->kind != Kind::kMessageEnd) return absl::OkStatus();
    } else {
      status = NextDataEvent(event, deadline);
    }
    if (status.ok()) status = FeedInflater(event, deadline);
    if (!status.ok() || event->kind == Kind::kPeerClosed || event->kind == Kind::kFail) {
      return status;
    }
  }
}

}  // namespace halfpipe::websocket
