#include "websocket/message_writer.h"

#include <cerrno>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/utf8_slices.h"
#include "websocket/message_type.h"

namespace halfpipe::websocket {

MessageWriter::MessageWriter(Stream* stream, MessageType type, Compress compress)
    : stream_(stream),
      type_(type),
      sender_(stream->options().role),
      compressed_(stream->deflate_ != nullptr && compress != Compress::kNever) {}

MessageWriter::~MessageWriter() {
  if (begun_ && !finished_) stream_->AbandonMessage();
}

absl::Status MessageWriter::Write(absl::Span<const uint8_t> piece, Deadline deadline) {
  const IoSlice slice(piece.data(), piece.size());
  return Put(absl::MakeConstSpan(&slice, 1), /*last=*/false, deadline);
}

absl::Status MessageWriter::Write(absl::Span<const IoSlice> slices, Deadline deadline) {
  return Put(slices, /*last=*/false, deadline);
}

absl::Status MessageWriter::Finish(Deadline deadline) {
  return Finish(absl::Span<const uint8_t>(), deadline);
}

absl::Status MessageWriter::Finish(absl::Span<const uint8_t> piece, Deadline deadline) {
  const IoSlice slice(piece.data(), piece.size());
  return Put(absl::MakeConstSpan(&slice, 1), /*last=*/true, deadline);
}

absl::Status MessageWriter::Put(absl::Span<const IoSlice> slices, bool last, Deadline deadline) {
  if (std::exchange(busy_, true)) {
    return ErrnoStatus(EBUSY, "another coroutine is writing to the message");
  }
  absl::Status status = PutAlone(slices, last, deadline);
  busy_ = false;
  return status;
}

absl::Status MessageWriter::PutAlone(absl::Span<const IoSlice> slices, bool last,
                                     Deadline deadline) {
  if (finished_) return ErrnoStatus(EINVAL, "the message is finished");
  Utf8Validator text = text_;
  if (type_ == MessageType::kText) {
    if (!ValidateSlices(slices, &text) || (last && !text.Finish())) {
      return ErrnoStatus(EINVAL, "a text message must be UTF-8");
    }
  }
  const size_t size = TotalSize(slices);
  if (size == 0 && !last) return absl::OkStatus();
  absl::Status status = begun_ ? stream_->LockPiece(deadline) : stream_->LockSend(deadline);
  if (!status.ok()) return status;
  status = stream_->CheckMaySend();
  if (status.ok()) status = stream_->MendSend(PutLocked(slices, last, deadline));
  if (status.ok()) {
    text_ = text;
    size_ += size;
    finished_ = last;
  }
  // What has failed for good stays open until the writer's end: nothing may go in its place.
  stream_->EndPiece(/*open=*/begun_ && !finished_, status);
  return status;
}

absl::Status MessageWriter::PutLocked(absl::Span<const IoSlice> slices, bool last,
                                      Deadline deadline) {
  if (!compressed_) return PutPlain(slices, last, deadline);
  // Compressing cannot be taken back. So time is spent waiting before it, and what then goes to the
  // tail is bounded by what a piece brings.
  if (absl::Status status = stream_->lower_->Flush(deadline); !status.ok()) return status;
  const bool first = !sender_.in_message();
  if (first) sender_.Begin(OpcodeOf(type_), kRsv1);
  bool no_memory = false;
  absl::Status status = stream_->DeflateFrames(&sender_, slices, last, /*begun=*/true,
                                               /*more=*/false, deadline, &no_memory);
  if (!no_memory) {
    begun_ = true;
    return status;
  }
  if (begun_) return ErrnoStatus(ENOMEM, "no memory to compress a message in");
  compressed_ = false;
  sender_ = MessageSender(stream_->options().role);
  return PutPlain(slices, last, deadline);
}

absl::Status MessageWriter::PutPlain(absl::Span<const IoSlice> slices, bool last,
                                     Deadline deadline) {
  MessageSender sender = sender_;
  if (!sender.in_message()) {
    sender.Begin(OpcodeOf(type_));
  }
  absl::Status status = stream_->SendFrames(&sender, slices, last, /*more=*/false, deadline);
  // Nothing was sent then; a failure that is final may come when part of the piece has left.
  if (IsInterruption(status)) return status;
  sender_ = sender;
  begun_ = true;
  return status;
}

}  // namespace halfpipe::websocket
