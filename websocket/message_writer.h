#ifndef HALFPIPE_WEBSOCKET_MESSAGE_WRITER_H_
#define HALFPIPE_WEBSOCKET_MESSAGE_WRITER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "websocket/core/message_sender.h"
#include "websocket/core/utf8.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

// Sends one message piece by piece: what is larger than memory, or not known to its end when its
// beginning is to leave. Each piece becomes a fragment (RFC 6455 section 5.4), or several.
//
// From the first byte that has left to the end of the message no other can be sent: senders queue
// behind it (a TrySendEncoded() is ETIMEDOUT). Pongs and pings go between the pieces, also while
// nobody is in a call, and so does a Close of the stream's own accord, which ends the message with
// the outbound half (EPIPE). A text is checked over all pieces, which may cut characters.
//
// A writer that is destroyed before Finish(), once anything has left, ends the outbound half with a
// Close of 1011 in place of the message's rest: the peer never takes it for whole. If nothing has
// left, nothing has happened.
//
// Compression, where it is agreed on and not turned off, goes over the whole message; what a piece
// brings may then stay inside until later ones or the end.
//
// Errors are those of Stream::Send(). After ETIMEDOUT, ECANCELED, EINVAL, EBUSY and a shortage
// (ENOMEM, ENOBUFS, ...) nothing of the piece was sent and the call may be made again, or another
// one. A compressed piece waits until all before it has been taken below; once it is being compressed
// it is sent, if need be by way of the tail.
//   EINVAL  also: text that cannot be UTF-8 any more (Finish(): that is incomplete); the message is
//           finished
//   ENOMEM  also: no memory to compress a piece in, of a message that has begun to be compressed. One
//           that has not goes as it is.
//   EBUSY   another coroutine is writing a piece
//
// `stream` is borrowed and outlives the writer.
//
// Example:
//   MessageWriter writer(&stream, MessageType::kBinary);
//   while (size_t size = Read(file, chunk)) {
//     if (!writer.Write(absl::MakeConstSpan(chunk, size), deadline).ok()) return;
//   }
//   absl::Status sent = writer.Finish(deadline);
class MessageWriter {
 public:
  // Sends nothing, waits for nobody.
  MessageWriter(Stream* stream, MessageType type, Compress compress = Compress::kAuto);
  ~MessageWriter();
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  // Sends the next piece, borrowed until return; an empty one is nothing.
  absl::Status Write(absl::Span<const uint8_t> piece, Deadline deadline);
  absl::Status Write(absl::Span<const IoSlice> slices, Deadline deadline);

  // Ends the message, with a last piece if there is one.
  absl::Status Finish(Deadline deadline);
  absl::Status Finish(absl::Span<const uint8_t> piece, Deadline deadline);

  // Payload bytes that were taken so far.
  uint64_t size() const { return size_; }
  // True once a byte of the message has left, or is inside the compressor.
  bool begun() const { return begun_; }
  bool finished() const { return finished_; }

 private:
  absl::Status Put(absl::Span<const IoSlice> slices, bool last, Deadline deadline);
  absl::Status PutAlone(absl::Span<const IoSlice> slices, bool last, Deadline deadline);
  absl::Status PutLocked(absl::Span<const IoSlice> slices, bool last, Deadline deadline);
  absl::Status PutPlain(absl::Span<const IoSlice> slices, bool last, Deadline deadline);

  Stream* const stream_;
  const MessageType type_;
  MessageSender sender_;
  Utf8Validator text_;
  uint64_t size_ = 0;
  bool compressed_;
  bool busy_ = false;
  bool begun_ = false;
  bool finished_ = false;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_MESSAGE_WRITER_H_
