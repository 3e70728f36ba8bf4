// The sending half of websocket::Stream.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "websocket/core/close_argument_status.h"
#include "websocket/core/masking.h"
#include "websocket/core/message_sender.h"
#include "websocket/core/utf8.h"
#include "websocket/core/utf8_slices.h"
#include "websocket/message_type.h"
#include "websocket/stream.h"
#include "websocket/stream_control.h"

namespace halfpipe::websocket {
namespace {

// A reply above this leaves by itself: gathering it would save little and cost a copy.
constexpr size_t kGatherBytesMax = 4096;

// Slices of one write, the header's included: as many as leave by one system call.
constexpr size_t kPiecesPerWrite = 8;

bool IsUtf8Message(absl::Span<const IoSlice> slices) {
  Utf8Validator text;
  return ValidateSlices(slices, &text) && text.Finish();
}

}  // namespace

absl::Status Stream::Send(MessageType type, absl::Span<const uint8_t> payload, Deadline deadline) {
  const IoSlice slice(payload.data(), payload.size());
  return Send(type, absl::MakeConstSpan(&slice, 1), deadline);
}

absl::Status Stream::SendText(absl::string_view text, Deadline deadline) {
  const IoSlice slice(text);
  return Send(MessageType::kText, absl::MakeConstSpan(&slice, 1), deadline);
}

absl::Status Stream::SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) {
  return Send(options_.text_messages ? MessageType::kText : MessageType::kBinary, slices, deadline);
}

absl::Status Stream::Send(MessageType type, absl::Span<const IoSlice> slices, Deadline deadline) {
  return Send(type, slices, Compress::kAuto, deadline);
}

absl::Status Stream::Send(MessageType type, absl::Span<const IoSlice> slices, Compress compress,
                          Deadline deadline) {
  if (type == MessageType::kText && !IsUtf8Message(slices)) {
    return ErrnoStatus(EINVAL, "a text message must be UTF-8");
  }
  absl::Status status = LockSend(deadline);
  if (!status.ok()) return status;
  status = CheckMaySend();
  if (status.ok()) {
    const size_t size = TotalSize(slices);
    status = ShouldCompress(size, compress) ? SendDeflated(type, slices, MayGather(size), deadline)
                                            : SendLocked(type, slices, MayGather(size), deadline);
    status = MendSend(std::move(status));
    if (status.ok()) MarkMessage();
  }
  UnlockSend();
  runtime_->CountOperation();
  return status;
}

absl::Status Stream::Done(int code, absl::string_view reason, Deadline deadline) {
  absl::Status status = ToStatus(CheckCloseArguments(code, reason));
  if (status.ok()) status = LockSend(deadline);
  if (!status.ok()) return status;
  status = CheckMaySend();
  if (status.ok()) status = MendSend(SendCloseLocked(code, reason, deadline));
  UnlockSend();
  runtime_->CountOperation();
  return status;
}

// Makes this coroutine the only sender. Those who wait get the lock in the order they came, and
// hand it on in UnlockSend() without letting go of it in between. While a MessageWriter is at work
// they wait for the end of its message.
absl::Status Stream::LockSend(Deadline deadline) {
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "the coroutine is being cancelled");
  }
  if (!sending_ && !message_open_) {
    sending_ = true;
    return absl::OkStatus();
  }
  Waiter waiter;
  send_queue_.PushBack(&waiter);
  const int error = runtime_->Wait(&waiter, deadline);
  return ErrnoStatus(error, "waiting for another sender");
}

// The same for what goes between the frames of a message that is open: its next piece, or a ping.
// At most one of them waits, since pings do not (SendPing()).
absl::Status Stream::LockPiece(Deadline deadline) {
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "the coroutine is being cancelled");
  }
  if (!sending_) {
    sending_ = true;
    return absl::OkStatus();
  }
  Waiter waiter;
  piece_waiter_ = &waiter;
  const int error = runtime_->Wait(&waiter, deadline);
  if (piece_waiter_ == &waiter) piece_waiter_ = nullptr;
  return ErrnoStatus(error, "waiting for a ping to be sent");
}

void Stream::UnlockSend() {
  if (!aborted_) FlushOutboxLocked(/*pongs_only=*/false);
  if (close_state_.close_sent()) ReleaseCompressorLocked();
  PassSendLock();
}

void Stream::PassSendLock() {
  Waiter* const next =
      message_open_ ? std::exchange(piece_waiter_, nullptr) : send_queue_.PopFront();
  if (next != nullptr) {
    runtime_->Wake(next);
  } else {
    sending_ = false;
    if (on_writable_) TellWaiting();
  }
}

// After LockPiece(), or LockSend() for the first piece. `open`: the message goes on.
void Stream::EndPiece(bool open, const absl::Status& sent) {
  message_open_ = open;
  if (sent.ok()) MarkMessage();
  UnlockSend();
  runtime_->CountOperation();
}

// A message that was begun will not be ended: nothing may follow it but the end of it all, so that
// nobody takes it for whole.
void Stream::AbandonMessage() {
  message_open_ = false;
  if (CheckMaySend().ok()) QueueClose(kCloseInternalError, "a message was abandoned");
  if (std::exchange(sending_, true)) return;
  PassSendLock();
}

absl::Status Stream::CheckMaySend() const {
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  if (failure_ == EPROTO) return ErrnoStatus(ECONNRESET, "the connection has failed");
  if (failure_ == ECONNRESET) return ErrnoStatus(ECONNRESET, failure_text_);
  if (close_state_.Judge(CloseEvent::kSendData) == CloseVerdict::kRefuse) {
    return ErrnoStatus(EPIPE, "the outbound half has ended");
  }
  return absl::OkStatus();
}

// Lets others in between two frames of a message, and says whether it may go on: a Close of our own
// accord waits for its end, a broken connection does not.
absl::Status Stream::BetweenFrames() {
  FlushOutboxLocked(/*pongs_only=*/true);
  return aborted_ || failure_ != 0 ? CheckMaySend() : absl::OkStatus();
}

// What a send has met below, as its caller is to know it: where the stream itself has broken the
// connection, why.
absl::Status Stream::MendSend(absl::Status status) const {
  if (status.ok() || aborted_ || failure_ == 0 || StatusErrno(status) != EBADF) return status;
  return CheckMaySend();
}

// The receiver's own small reply may wait for the next one if that is certain to come soon.
bool Stream::MayGather(size_t size) {
  return options_.gather && size <= kGatherBytesMax && !receiving_ &&
         runtime_->current() == last_receiver_ && WholeMessageBuffered();
}

absl::Status Stream::SendLocked(MessageType type, absl::Span<const IoSlice> slices, bool more,
                                Deadline deadline) {
  MessageSender sender(options_.role);
  sender.Begin(OpcodeOf(type));
  return SendFrames(&sender, slices, /*last=*/true, more, deadline);
}

// Sends `slices` as the next frames of a message, or none at all (ETIMEDOUT); the last one ends it
// if `last`.
absl::Status Stream::SendFrames(MessageSender* sender, absl::Span<const IoSlice> slices, bool last,
                                bool more, Deadline deadline) {
  uint8_t* scratch = nullptr;
  if (sender->masks()) {
    scratch = runtime_->buffer_pool().Get();
    if (scratch == nullptr) return ErrnoStatus(ENOMEM, "no memory to mask a message in");
  }
  SliceCursor<IoSlice> payload(slices);
  uint64_t left = TotalSize(slices);
  absl::Status status;
  for (bool begun = false; !begun || left > 0; begun = true) {
    if (begun) {
      status = BetweenFrames();
      if (!status.ok()) break;
    }
    const uint64_t size = FragmentSize(left, options_.send_frame_bytes_max);
    left -= size;
    const MaskKey key = NextMaskKey();
    uint8_t header[kMaxFrameHeaderSize];
    const size_t header_size =
        sender->NextFrame(size, last && left == 0, key, absl::MakeSpan(header));
    const auto header_view = absl::MakeConstSpan(header, header_size);
    status = scratch != nullptr
                 ? SendFrameMasked(header_view, key, scratch, &payload, size, begun, more, deadline)
                 : SendFramePlain(header_view, &payload, size, begun, more, deadline);
    if (!status.ok()) break;
  }
  if (scratch != nullptr) runtime_->buffer_pool().Put(scratch);
  return status;
}

// Writes header and payload as they are, in one gathered write; a list of many slices in several.
absl::Status Stream::SendFramePlain(absl::Span<const uint8_t> header, SliceCursor<IoSlice>* payload,
                                    uint64_t size, bool begun, bool more, Deadline deadline) {
  IoSlice pieces[kPiecesPerWrite];
  pieces[0] = IoSlice(header.data(), header.size());
  for (size_t count = 1;; count = 0) {
    for (; size > 0 && count < kPiecesPerWrite; ++count) {
      IoSlice piece = payload->Front();
      piece.size = static_cast<size_t>(std::min<uint64_t>(piece.size, size));
      payload->Advance(piece.size);
      size -= piece.size;
      pieces[count] = piece;
    }
    absl::Status status =
        WriteOrFinish(absl::MakeConstSpan(pieces, count), begun, more && size == 0, deadline);
    if (!status.ok() || size == 0) return status;
    begun = true;
  }
}

// Masks the payload into `scratch` and writes it from there: the caller's memory is not ours to
// change.
absl::Status Stream::SendFrameMasked(absl::Span<const uint8_t> header, MaskKey key,
                                     uint8_t* scratch, SliceCursor<IoSlice>* payload, uint64_t size,
                                     bool begun, bool more, Deadline deadline) {
  std::memcpy(scratch, header.data(), header.size());
  size_t filled = header.size();
  uint64_t offset = 0;
  for (;;) {
    while (offset < size && filled < BufferPool::kBlockSize) {
      IoSlice piece = payload->Front();
      piece.size = static_cast<size_t>(
          std::min<uint64_t>({piece.size, size - offset, BufferPool::kBlockSize - filled}));
      MaskCopy(scratch + filled, absl::MakeConstSpan(piece.data, piece.size), key, offset);
      payload->Advance(piece.size);
      filled += piece.size;
      offset += piece.size;
    }
    const IoSlice chunk(scratch, filled);
    absl::Status status =
        WriteOrFinish(absl::MakeConstSpan(&chunk, 1), begun, more && offset == size, deadline);
    if (!status.ok() || offset == size) return status;
    begun = true;
    filled = 0;
  }
}

// Writes a piece of a message. Once the message has begun it cannot be left half said: what time
// does not allow to wait for goes to the lower stream's tail, whose bound is the bound of it.
absl::Status Stream::WriteOrFinish(absl::Span<const IoSlice> slices, bool begun, bool more,
                                   Deadline deadline) {
  absl::Status status = lower_->Write(slices, more, deadline);
  if (!begun || !IsInterruption(status)) return status;
  return lower_->WriteTail(slices);
}

// Writes a control frame between others: the caller has the outbound direction, or nobody has.
// kInShortage: nobody makes the call again, so what a shortage keeps back goes to the tail.
absl::Status Stream::WriteControl(Opcode opcode, absl::Span<const uint8_t> payload,
                                  Deadline deadline, ToTail to_tail) {
  uint8_t frame[kMaxControlFrameSize];
  const size_t size = MessageSender(options_.role)
                          .ControlFrame(opcode, payload, NextMaskKey(), absl::MakeSpan(frame));
  const IoSlice slice(frame, size);
  if (to_tail != ToTail::kAlways) {
    absl::Status status = lower_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline);
    if (to_tail == ToTail::kNever || !IsShortage(StatusErrno(status))) return status;
  }
  return lower_->WriteTail(absl::MakeConstSpan(&slice, 1));
}

absl::Status Stream::SendCloseLocked(int code, absl::string_view reason, Deadline deadline) {
  uint8_t payload[kMaxControlPayload];
  const size_t payload_size =
      SerializeClosePayload(static_cast<uint16_t>(code), reason, absl::MakeSpan(payload));
  absl::Status status =
      WriteControl(Opcode::kClose, absl::MakeConstSpan(payload, payload_size), deadline);
  if (!status.ok()) return status;
  static_cast<void>(close_state_.On(CloseEvent::kSendClose));
  EndPings(EPIPE);
  return status;
}

MaskKey Stream::NextMaskKey() {
  MaskKey key{};
  if (options_.role == Role::kClient) options_.entropy->Fill(absl::MakeSpan(key));
  return key;
}

}  // namespace halfpipe::websocket
