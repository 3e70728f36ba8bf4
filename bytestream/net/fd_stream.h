#ifndef HALFPIPE_BYTESTREAM_NET_FD_STREAM_H_
#define HALFPIPE_BYTESTREAM_NET_FD_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/inbound.h"
#include "bytestream/net/outbound.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// A bytestream over a connected stream socket: TCP or Unix.
//
// See bytestream.h for what the operations promise. Ours besides:
// * The system's EPIPE, and its own timeout of a dead peer, are ECONNRESET. Other errors of the
//   network are handed on as they are; the direction stays failed with them.
// * A failure while sending leaves the inbound direction alone, so that what the peer sent before
//   it went can still be read. A tail that would exceed its bound resets both.
// * Descriptors that a peer passes over a Unix socket are closed by the system.
//
// Example:
//   absl::StatusOr<int> fd = TcpConnectFd(&runtime, address, deadline);
//   if (!fd.ok()) return fd.status();
//   FdStream stream(&runtime, *fd, FdStream::Options());
class FdStream : public Bytestream, private InboundSource, private OutboundSink {
 public:
  struct Options {
    // The most bytes that wait in memory after an interrupted Write(); more is a reset.
    size_t send_tail_bytes_max = kDefaultSendTailBytesMax;
  };

  // Takes over `fd`, a connected, non-blocking stream socket. `runtime` is borrowed and outlives
  // the stream.
  FdStream(Runtime* runtime, int fd, Options options);
  FdStream(Runtime* runtime, int fd) : FdStream(runtime, fd, Options()) {}
  // As Abort().
  ~FdStream() override;

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override { inbound_.Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override;
  absl::Status Flush(Deadline deadline) override { return outbound_.Flush(deadline); }
  absl::Status Done(Deadline deadline) override { return outbound_.Done(deadline); }

  // Closes the descriptor. The peer of a TCP connection sees a reset if a tail, held bytes or a
  // part of a Write() in progress had not left, or sending has failed.
  void Abort() noexcept override;

  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override { outbound_.WhenWritable(std::move(callback)); }

  size_t buffered() const override { return inbound_.buffered(); }
  size_t tail_size() const override { return outbound_.tail_size(); }
  bool reader_busy() const override { return inbound_.busy(); }
  bool writer_busy() const override { return outbound_.busy(); }

  // The orderly end: sends everything that was written, ends the outbound direction if Done() has
  // not, discards input until the peer ends its direction too, and closes the descriptor. OK: both
  // directions came to their end. Otherwise the reason, and the stream is closed all the same, as
  // by Abort(): ETIMEDOUT, ECANCELED, ECONNRESET and other errors of the network. Only with EBUSY
  // (a coroutine is inside a function of the stream) and EBADF (it was aborted) nothing is done.
  absl::Status Close(Deadline deadline);

  // The socket, still owned by the stream: for options and addresses. -1 once it is closed.
  int fd() const { return fd_; }

  // Bytes that the system has given and taken so far.
  uint64_t bytes_received() const { return inbound_.bytes_received(); }
  uint64_t bytes_sent() const { return outbound_.bytes_sent(); }

 private:
  // The call of WhenReadable()'s callback that is due before the next poll, because the bytes are
  // here already and the system has nothing more to tell.
  class ReadableNotice final : public HeldOutput {
   public:
    explicit ReadableNotice(FdStream* stream) : stream_(stream) {}
    void ReleaseHeldOutput() override { stream_->OnReadable(); }

   private:
    FdStream* const stream_;
  };

  // InboundSource
  IoResult ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) override;
  int WaitReadable(Deadline deadline) override;
  void BeforeReaderWaits() override { outbound_.ReleaseHeld(); }

  // OutboundSink
  IoResult SendSome(absl::Span<const iovec> pieces, Deadline deadline) override;
  bool CanSend() override;
  bool AwaitWritable() override;
  int SendEnd() override;
  void Reset() override;

  void CloseFd(bool reset);
  bool CanReceive();
  bool AwaitReadable();
  void OnReadable();
  void NoticeReadable();

  Runtime* const runtime_;
  int fd_;
  EngineFd entry_;
  Inbound inbound_;
  Outbound outbound_;
  Callback when_readable_;
  ReadableNotice readable_notice_{this};
  bool* arming_failed_ = nullptr;  // set while a callback is being armed in the engine
  int connection_error_ = 0;       // that a send was told and a receive will not be
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_FD_STREAM_H_
