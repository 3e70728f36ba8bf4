#ifndef HALFPIPE_BYTESTREAM_NET_INBOUND_H_
#define HALFPIPE_BYTESTREAM_NET_INBOUND_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/base/read_buffer.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// Where an Inbound gets its bytes.
class InboundSource {
 public:
  // One receive into `pieces`, in their order (at least one, none empty). `count` 0 is the end of
  // the stream. ETIMEDOUT and ECANCELED: nothing was received. EBADF: the source was closed. Other
  // errors end the direction, save a shortage (IsShortage()): nothing was received, or the wait was
  // not possible.
  virtual IoResult ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) = 0;

  // Waits until ReceiveSome() would not have to wait. 0, or an errno as above; may return 0 early.
  virtual int WaitReadable(Deadline deadline) = 0;

  // False: ReceiveSome() would probably find nothing, so a reader that may wait does that first.
  virtual bool MayHaveInput() const { return true; }

  // The reader found nothing and is going to wait: the moment to let held output go.
  virtual void BeforeReaderWaits() {}

 protected:
  ~InboundSource() = default;
};

// The inbound direction of a bytestream that ends in the system or in memory: the receive buffer
// and all the rules of bytestream.h about Peek(), Consume(), Read() and ReadSome(), over any
// source.
//
// While nothing has arrived a waiting reader holds no block of the pool. A receive fills the
// caller's memory first and the buffer's spare room behind it with one call of the source. A skip
// of SIZE_MAX bytes is one to the end of the stream (EPIPE); it yields, and ends at its deadline,
// also if the source gives bytes for ever.
//
// Example:
//   class FdStream : public Bytestream, private InboundSource {
//     absl::Status Read(...) override { return inbound_.Read(slices, deadline); }
//     Inbound inbound_{runtime, this};
//   };
class Inbound {
 public:
  // Both are borrowed and outlive the object.
  Inbound(Runtime* runtime, InboundSource* source)
      : runtime_(runtime), source_(source), buffer_(&runtime->buffer_pool()) {}
  Inbound(const Inbound&) = delete;
  Inbound& operator=(const Inbound&) = delete;

  // As the functions of the same name in bytestream.h.
  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline);
  void Consume(size_t count);
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline);
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline);

  // Ends the direction: present and later calls fail with `error`, an errno. The first one stays,
  // but EBADF (the stream was aborted) outranks all others. Wakes nobody: the source does that. The
  // buffer's memory stays valid for whoever is still looking at it.
  void Fail(int error);

  // What Fail() or the source said; 0 while the direction is well.
  int error() const { return error_; }

  // True when Peek(1) would not have to ask the source: there are bytes, or the direction is over.
  bool ready() const { return error_ != 0 || ended_ || !buffer_.empty(); }

  bool busy() const { return busy_; }
  size_t buffered() const { return error_ != 0 ? 0 : buffer_.size(); }
  uint64_t bytes_received() const { return bytes_received_; }

 private:
  class BusyScope;
  class Saved;

  // What one receive may fill. Few pieces, because stacks are small; one more is for the spare.
  static constexpr size_t kPiecesMax = 7;
  // So much an expired deadline still skips of a stream that gives without end.
  static constexpr int kReceivesPerExpiredSkip = 64;
  struct Destination {
    iovec pieces[kPiecesMax + 1];
    size_t count = 0;
    bool with_spare = false;
    size_t landed = 0;  // out: bytes in the pieces, the spare's not counted
  };

  int Enter(bool waits) const;
  int Receive(Destination* destination, size_t reserve, Deadline deadline);
  int Attempt(Destination* destination, size_t reserve);
  int Skip(size_t total, Deadline deadline);
  int TakeTurns(int receives, Deadline deadline);
  int ReadList(absl::Span<const IoSpan> slices, Deadline deadline);
  static void Offer(const SliceCursor<IoSpan>& cursor, size_t slice_count,
                    Destination* destination);
  bool TakeBuffered(SliceCursor<IoSpan>* cursor, size_t* progress, Saved* saved);
  int Interrupted(int error, absl::Span<const IoSpan> slices, size_t progress, const Saved& saved);

  Runtime* const runtime_;
  InboundSource* const source_;
  ReadBuffer buffer_;
  uint64_t bytes_received_ = 0;
  size_t skip_credit_ = 0;  // bytes that an interrupted Read() of null slices has skipped already
  int error_ = 0;
  bool ended_ = false;
  bool busy_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_INBOUND_H_
