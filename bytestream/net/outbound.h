#ifndef HALFPIPE_BYTESTREAM_NET_OUTBOUND_H_
#define HALFPIPE_BYTESTREAM_NET_OUTBOUND_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// Where an Outbound leaves its bytes.
class OutboundSink {
 public:
  // Sends from the front of `pieces` (at least one, none empty) at least one byte, or gives an
  // error. ETIMEDOUT and ECANCELED: nothing was sent. EBADF: the sink was closed. Other errors end
  // the direction, save a shortage (IsShortage()): nothing was sent, or the wait was not possible.
  virtual IoResult SendSome(absl::Span<const iovec> pieces, Deadline deadline) = 0;

  // True when SendSome() can probably take a byte now, or would fail.
  virtual bool CanSend() = 0;

  // Sees to it that Outbound::OnWritable() is called once when SendSome() can take more, from the
  // runtime's poll and never from within. False: that cannot be arranged.
  virtual bool AwaitWritable() = 0;

  // Ends the outbound direction, everything before it having been sent. 0 or an errno.
  virtual int SendEnd() = 0;

  // Breaks the connection so that the peer sees a reset: what was begun cannot be finished. Calls
  // Fail(ECONNRESET) for both directions.
  virtual void Reset() = 0;

 protected:
  ~OutboundSink() = default;
};

// The outbound direction of a bytestream that ends in the system or in memory: gathering, the tail,
// and all the rules of bytestream.h about Write(), WriteTail(), Flush() and Done(), over any sink.
//
//   held   bytes of Write(more), in one block of the pool, until the next moment that releases them
//   tail   what an interrupted call left, and what held bytes could not be sent at once; leaves
//          through OnWritable(), and everything later waits behind it
//
// Never both at once. Held bytes count for the tail's bound.
class Outbound final : private HeldOutput {
 public:
  // Both are borrowed and outlive the object.
  Outbound(Runtime* runtime, OutboundSink* sink, size_t send_tail_bytes_max)
      : runtime_(runtime), sink_(sink), tail_bytes_max_(send_tail_bytes_max) {}
  ~Outbound();
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  // As the functions of the same name in bytestream.h.
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline);
  absl::Status WriteTail(absl::Span<const IoSlice> slices);
  absl::Status Flush(Deadline deadline);

  // As Write() of one thing that leaves as a whole: `send` makes the one call of the system for it
  // and returns bytes or an errno as OutboundSink::SendSome(). Its EINVAL and ETOOMANYREFS are
  // about that thing, and leave the direction as it is.
  absl::Status WriteUnit(absl::FunctionRef<IoResult(Deadline)> send, Deadline deadline);

  absl::Status Done(Deadline deadline);
  void WhenWritable(absl::AnyInvocable<void()> callback);

  // Sends held bytes; those that cannot go at once become the tail. Never waits. Nothing happens
  // while a writer is at work, for it takes them along.
  void ReleaseHeld();

  // For the sink: the promise of AwaitWritable(). May end the life of the object.
  void OnWritable();

  // Ends the direction: present and later calls fail with `error`, an errno. The first one stays,
  // but EBADF (the stream was aborted) outranks all others. Drops held bytes and tail, wakes those
  // that wait for the tail; whoever waits in the sink is the sink's to wake. The callback of
  // WhenWritable() is dropped for EBADF, else called before the next poll.
  void Fail(int error);

  // What Fail() or the sink said; 0 while the direction is well.
  int error() const { return error_; }

  // True while accepted bytes, or a part of a Write() in progress, have not left: ending the
  // connection now would cut something off.
  bool pending() const { return tail_size_ > 0 || held_size_ > 0 || part_sent_; }

  bool done() const { return done_; }
  bool busy() const { return busy_; }
  size_t tail_size() const { return tail_size_; }
  uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  class BusyScope;

  // Few pieces for one send, because stacks are small; the first may be the held bytes.
  static constexpr size_t kPiecesMax = 8;

  void ReleaseHeldOutput() override;

  int Enter(bool waits) const;
  int WaitForTail(Deadline deadline);
  int Send(absl::Span<const IoSlice> slices, Deadline deadline);
  int SendPieces(SliceCursor<IoSlice>* cursor, size_t slice_count, Deadline deadline);
  int Leave(SliceCursor<IoSlice> rest);
  bool Hold(absl::Span<const IoSlice> slices, size_t total);
  bool ReserveTail(size_t count);
  void AppendTail(const void* bytes, size_t count);
  void DrainTail();
  int AwaitTail();
  void DropHeld();
  void DropTail();
  void WakeTailWaiters(int result);
  int Broken(int error);
  int Break();

  Runtime* const runtime_;
  OutboundSink* const sink_;
  const size_t tail_bytes_max_;

  uint8_t* held_ = nullptr;  // a block of the pool; held_size_ bytes from held_begin_ on
  size_t held_begin_ = 0;
  size_t held_size_ = 0;

  uint8_t* tail_ = nullptr;  // from malloc; tail_size_ bytes from tail_begin_ on
  size_t tail_begin_ = 0;
  size_t tail_size_ = 0;
  size_t tail_capacity_ = 0;
  WaiterList tail_waiters_;

  absl::AnyInvocable<void()> when_writable_;
  uint64_t bytes_sent_ = 0;
  int error_ = 0;
  bool done_ = false;
  bool busy_ = false;
  bool part_sent_ = false;  // the Write() in progress has sent some, not all
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_OUTBOUND_H_
