#ifndef HALFPIPE_BYTESTREAM_BYTESTREAM_H_
#define HALFPIPE_BYTESTREAM_BYTESTREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/base/read_buffer.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {

// A connection that carries bytes both ways, reliably and in order. Everything above it (HTTP,
// WebSocket, framing) is written against this class; everything below it implements the class.
//
// The bytestream owns the one receive buffer of the connection. Whoever is on top parses in that
// buffer (Peek) and consumes what was used; when a layer is attached or detached nothing moves.
//
// Blocking: a function with a Deadline may suspend the calling coroutine, one without never waits.
// An expired deadline still completes what needs no waiting.
//
// Errors common to all functions that wait (errno of the status, see errno_status.h):
//   ETIMEDOUT   the deadline passed; as far as the caller is concerned nothing was received, or
//               nothing was sent: the same call may be made again
//   ECANCELED   the coroutine is ending; the same holds
//   EBUSY       another coroutine is in the same direction (one reader, one writer at a time)
//   ECONNRESET  the connection is broken; this direction stays so
//   EBADF       Abort() was called, before or during the call
//   ENOMEM      no memory to set received bytes aside: the inbound direction ends
//   EMFILE, ENFILE, ENOSPC, ENOBUFS, and ENOMEM otherwise: the system had nothing left to wait or
//               to transfer with; as ETIMEDOUT
//
// Lifetime: no function may be running when the object is destroyed; Abort() first, then let the
// callers come out.
class Bytestream : public StreamInfoSource {
 public:
  // The most bytes that Peek() can be asked for.
  static constexpr size_t kPeekMax = ReadBuffer::kCapacity;

  // The most bytes of an interrupted Write() that are kept for later by default (the tail).
  static constexpr size_t kDefaultSendTailBytesMax = size_t{1} << 20;

  using Callback = absl::AnyInvocable<void()>;

  Bytestream() = default;
  Bytestream(const Bytestream&) = delete;
  Bytestream& operator=(const Bytestream&) = delete;
  virtual ~Bytestream() = default;

  // Waits until at least `min` bytes are buffered and returns all that are, in place. Shorter than
  // `min` only at the end of the stream (empty: nothing is left). `min` 0 returns what is buffered
  // and never waits nor asks the system. Mutable, so that a payload can be unmasked where it lies.
  // Valid until the next function of the inbound direction. A `min` above kPeekMax is EINVAL.
  virtual absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) = 0;

  // Drops the first `count` bytes of what the last Peek() returned. Others may not be touched any
  // more once the buffer is drained, because its storage is then given back.
  virtual void Consume(size_t count) = 0;

  // Fills all of `slices`, exactly. A slice with null data skips its size. The end of the stream
  // before the last byte is EPIPE. On any failure but ECONNRESET, EBADF and ENOMEM what had arrived
  // goes back in front of the buffer, so that no byte is lost: the call, or a shorter one, delivers
  // it. Bytes already skipped stay skipped, and count when the same list is read again.
  virtual absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) = 0;

  // Reads between `min` and dst.size() bytes into `dst` and returns how many; fewer than `min` only
  // at the end of the stream. `min` is at least 1 and at most dst.size(). Bytes of later messages
  // may be read into the buffer by the same system call. On ETIMEDOUT and ECANCELED what had
  // arrived goes back in front of the buffer.
  virtual absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min,
                                          Deadline deadline) = 0;

  // Sends all of `slices`; returns when the layer below has every byte. All or nothing to the
  // caller: if time runs out (or the coroutine is cancelled) after the first byte has left, the
  // rest, the tail, is copied, the call succeeds, and the tail leaves in the background. A tail
  // that would exceed the stream's bound resets the connection (ECONNRESET). While there is a tail,
  // later calls wait behind it. `more` allows the bytes to be held back and sent together with what
  // follows; they leave at the latest when 16 KiB are gathered, when a Write() comes without
  // `more`, with Flush() or Done(), when the reader has to wait, or before the runtime waits for
  // events. EPIPE: Done() was called. The slices are borrowed until return.
  virtual absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) = 0;

  // Takes all of `slices` behind everything that was written before, and never waits: sends what
  // can go at once, the rest joins the tail. For a layer above that has begun something which must
  // not be left half said. Errors: ECONNRESET (also when the tail would exceed its bound: the
  // connection is then reset), EBUSY while another coroutine is in Write(), EPIPE, EBADF.
  virtual absl::Status WriteTail(absl::Span<const IoSlice> slices) = 0;

  // Waits until everything accepted has left for the layer below: gathered bytes and the tail.
  virtual absl::Status Flush(Deadline deadline) = 0;

  // Ends the outbound direction after everything written before; the peer reads the end of the
  // stream. Receiving goes on. A second call is EPIPE. A timeout means that it has not happened.
  virtual absl::Status Done(Deadline deadline) = 0;

  // Breaks the connection at once and for good. Blocked callers, and all later ones, get EBADF.
  // Pending bytes are dropped, and where there was a tail the peer sees a reset, if the transport
  // has one, rather than a clean end. Clears the callbacks without calling them. May be called
  // twice.
  virtual void Abort() noexcept = 0;

  // Calls `callback` once, when Peek(1) would not have to wait (data, end of stream or failure); at
  // once, from within, if that is known to be so now. Replaces the one before; an empty one clears
  // it. The callback runs on the stack of whichever coroutine polls: it must not wait and should be
  // brief; it may call any function of this object with Deadline::Immediately(), and may destroy
  // it.
  virtual void WhenReadable(Callback callback) = 0;

  // The same for Write(): calls `callback` once when there is no tail and at least one byte can
  // probably be sent without waiting (or the direction has failed).
  virtual void WhenWritable(Callback callback) = 0;

  // False: Peek() and ReadSome() bring no byte more than `min`, because the stream must not read
  // ahead. Then whoever knows how many bytes are sure to come asks for all of them.
  virtual bool reads_ahead() const { return true; }

  // Bytes that Peek(0) would return.
  virtual size_t buffered() const = 0;

  // Bytes of the tail: accepted by Write() or WriteTail(), not yet taken by the layer below.
  virtual size_t tail_size() const = 0;

  // True while a coroutine is inside a function of that direction.
  virtual bool reader_busy() const = 0;
  virtual bool writer_busy() const = 0;

  // Ends the object's life: frees it, or only destructs it where it lives in storage of the caller.
  // An open connection is closed as by its destructor. Used by BytestreamPtr.
  virtual void Dispose() noexcept { delete this; }
};

struct BytestreamDisposer {
  void operator()(Bytestream* stream) const noexcept { stream->Dispose(); }
};

// An owned bytestream, wherever its memory is.
using BytestreamPtr = std::unique_ptr<Bytestream, BytestreamDisposer>;

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BYTESTREAM_H_
