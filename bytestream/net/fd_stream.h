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
#include "bytestream/net/passed_descriptors.h"
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
// * Descriptors that a peer passes over a Unix socket are kept, up to
//   PassedDescriptors::kMax, with their place in the stream (see passed_descriptors.h) until
//   ReceiveDescriptor() comes to it, whatever was read ahead. One whose byte is received by another
//   function is closed then: it would otherwise be taken for a later one. Without
//   Options::keep_descriptors the system closes them as they come.
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
    // For Unix sockets: ReceiveDescriptor() works. Costs a little at each receive.
    bool keep_descriptors = false;
  };

  // Takes over `fd`, a connected, non-blocking stream socket. `runtime` is borrowed and outlives
  // the stream.
  FdStream(Runtime* runtime, int fd, Options options);
  FdStream(Runtime* runtime, int fd) : FdStream(runtime, fd, Options()) {}
  // As Abort().
  ~FdStream() override;

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override {
    inbound_.Consume(count);
    DropPassedOver();
  }
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
  void Describe(StreamInfo* info) const override;
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

  // Passes a copy of `fd`, which stays the caller's, to the peer over a Unix socket, with a byte of
  // its own that is the next one in the stream and means nothing. Waits behind what was written
  // before. Errors as those of Write(), among them ETIMEDOUT and ECANCELED: nothing was sent; and,
  // with the stream as before:
  //   ENOTSUP       not a Unix socket
  //   EINVAL        `fd` is not an open descriptor, or one that cannot be passed
  //   ETOOMANYREFS  too many descriptors of this user are under way in the system; later again
  absl::Status SendDescriptor(int fd, Deadline deadline);

  // Receives the next byte of the stream and the descriptor that came with it, close-on-exec, which
  // is the caller's. Of several with the same byte it gives one after the other; the last one takes
  // the byte with it. Errors as those of Peek(), and, with nothing consumed:
  //   EPIPE    the stream has ended
  //   EPROTO   the next byte came without a descriptor
  //   EMSGSIZE it came with one which was lost: this process had no number free for it, or no
  //            memory, or PassedDescriptors::kMax of them were waiting already; the byte is left to
  //            other functions
  //   ENOTSUP  not with Options::keep_descriptors
  absl::StatusOr<int> ReceiveDescriptor(Deadline deadline);

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
  bool MayHaveInput() const override { return !entry_.drained; }
  void BeforeReaderWaits() override { outbound_.ReleaseHeld(); }

  // OutboundSink
  IoResult SendSome(absl::Span<const iovec> pieces, Deadline deadline) override;
  bool CanSend() override;
  bool AwaitWritable() override;
  int SendEnd() override;
  void Reset() override;

  IoResult ReceiveWithDescriptors(absl::Span<const iovec> pieces, Deadline deadline);
  // The offset from the stream's beginning of the byte that is received next. Not for the middle of
  // a receive.
  uint64_t inbound_place() const { return inbound_.bytes_received() - inbound_.buffered(); }
  void DropPassedOver() {
    if (!passed_.empty()) passed_.DropBefore(inbound_place());
  }

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
  bool keep_descriptors_;
  PassedDescriptors passed_;
  Callback when_readable_;
  ReadableNotice readable_notice_{this};
  bool* arming_failed_ = nullptr;  // set while a callback is being armed in the engine
  int connection_error_ = 0;       // that a send was told and a receive will not be
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_FD_STREAM_H_
