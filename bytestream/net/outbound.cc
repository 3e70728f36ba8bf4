#include "bytestream/net/outbound.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

bool WouldWait(int error) { return error == ETIMEDOUT || error == ECANCELED; }

// The system refused what was to be sent, see WriteUnit().
bool ConcernsUnit(int error) { return error == EINVAL || error == ETOOMANYREFS; }

// EPIPE is what our own Done() gives later calls; from the system it is a peer that is gone.
int ConnectionError(int error) {
  return error == EPIPE || error == ENOTCONN || error == ESHUTDOWN ? ECONNRESET : error;
}

absl::Status SendStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EPIPE:
      return ErrnoStatus(error, "the outbound direction was ended by Done()");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is sending to the stream");
    case EBADF:
      return ErrnoStatus(error, "the stream was aborted");
    case ETIMEDOUT:
      return ErrnoStatus(error, "nothing was sent before the deadline");
    default:
      return ErrnoStatus(error, "sending failed");
  }
}

}  // namespace

// Marks the direction as in use. What Fail() could not free while it was, goes at the end.
class Outbound::BusyScope {
 public:
  explicit BusyScope(Outbound* outbound) : outbound_(outbound) { outbound_->busy_ = true; }
  ~BusyScope() {
    outbound_->busy_ = false;
    outbound_->part_sent_ = false;
    if (outbound_->error_ != 0) outbound_->DropHeld();
  }
  BusyScope(const BusyScope&) = delete;
  BusyScope& operator=(const BusyScope&) = delete;

 private:
  Outbound* const outbound_;
};

Outbound::~Outbound() {
  DropHeld();
  DropTail();
}

int Outbound::Enter(bool waits) const {
  if (waits) {
    if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  }
  if (error_ != 0) return error_;
  return busy_ ? EBUSY : 0;
}

absl::Status Outbound::Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) {
  if (const int error = Enter(/*waits=*/true)) return SendStatus(error);
  if (done_) return SendStatus(EPIPE);
  BusyScope busy(this);
  if (const int error = WaitForTail(deadline)) return SendStatus(error);
  if (more && Hold(slices, TotalSize(slices))) return absl::OkStatus();
  return SendStatus(Send(slices, deadline));
}

absl::Status Outbound::WriteTail(absl::Span<const IoSlice> slices) {
  if (const int error = Enter(/*waits=*/false)) return SendStatus(error);
  if (done_) return SendStatus(EPIPE);
  BusyScope busy(this);
  SliceCursor<IoSlice> rest(slices);
  if (tail_size_ == 0) {
    const int error = SendPieces(&rest, slices.size(), Deadline::Immediately());
    if (error == 0) return absl::OkStatus();
    if (!WouldWait(error) && !IsShortage(error)) return SendStatus(Broken(error));
  }
  return SendStatus(Leave(rest));
}

absl::Status Outbound::WriteUnit(absl::FunctionRef<IoResult(Deadline)> send, Deadline deadline) {
  if (const int error = Enter(/*waits=*/true)) return SendStatus(error);
  if (done_) return SendStatus(EPIPE);
  BusyScope busy(this);
  if (const int error = WaitForTail(deadline)) return SendStatus(error);
  if (const int error = Send({}, deadline)) return SendStatus(error);
  const IoResult result = send(deadline);
  if (error_ != 0) return SendStatus(error_);
  if (result.error == 0) {
    bytes_sent_ += result.count;
    return absl::OkStatus();
  }
  if (WouldWait(result.error) || IsShortage(result.error) || ConcernsUnit(result.error)) {
    return SendStatus(result.error);
  }
  return SendStatus(Broken(result.error));
}

absl::Status Outbound::Flush(Deadline deadline) {
  if (const int error = Enter(/*waits=*/true)) return SendStatus(error);
  BusyScope busy(this);
  if (const int error = WaitForTail(deadline)) return SendStatus(error);
  return SendStatus(Send({}, deadline));
}

absl::Status Outbound::Done(Deadline deadline) {
  if (const int error = Enter(/*waits=*/true)) return SendStatus(error);
  if (done_) return SendStatus(EPIPE);
  BusyScope busy(this);
  if (const int error = WaitForTail(deadline)) return SendStatus(error);
  if (const int error = Send({}, deadline)) return SendStatus(error);
  if (const int error = sink_->SendEnd()) return SendStatus(Broken(error));
  done_ = true;
  if (when_writable_) runtime_->HoldOutput(this);
  return absl::OkStatus();
}

// Ends the direction with what the sink said; returns the errno to report.
int Outbound::Broken(int error) {
  if (error_ == 0) Fail(ConnectionError(error));
  return error_;
}

// Waits until there is no tail.
int Outbound::WaitForTail(Deadline deadline) {
  // Also an expired deadline does what needs no waiting.
  if (tail_size_ > 0) DrainTail();
  while (error_ == 0 && tail_size_ > 0) {
    Waiter waiter;
    tail_waiters_.PushBack(&waiter);
    const int waited = runtime_->Wait(&waiter, deadline);
    if (error_ == 0 && waited != 0) return waited;
  }
  return error_;
}

// Sends held bytes, then all of `slices`. An interruption leaves nothing half said: what had begun
// to leave becomes the tail.
int Outbound::Send(absl::Span<const IoSlice> slices, Deadline deadline) {
  SliceCursor<IoSlice> rest(slices);
  const int error = SendPieces(&rest, slices.size(), deadline);
  if (error == 0) return 0;
  if (error_ != 0) return error_;
  if (!WouldWait(error) && !IsShortage(error)) return Broken(error);
  if (part_sent_) return Leave(rest);
  // Nothing of this call has left, but what was held is ours to deliver.
  const int left = Leave(SliceCursor<IoSlice>({}));
  return left != 0 ? left : error;
}

// Sends held bytes and the list of `slice_count` slices from the cursor on, which it moves. Stops
// at the first error.
int Outbound::SendPieces(SliceCursor<IoSlice>* cursor, size_t slice_count, Deadline deadline) {
  while (held_size_ > 0 || !cursor->done()) {
    if (error_ != 0) return error_;
    iovec pieces[kPiecesMax];
    size_t count = 0;
    if (held_size_ > 0) pieces[count++] = {held_ + held_begin_, held_size_};
    for (size_t i = 0; i < slice_count && count < kPiecesMax; ++i) {
      const IoSlice slice = cursor->Piece(i);
      if (slice.size > 0) pieces[count++] = {const_cast<uint8_t*>(slice.data), slice.size};
    }
    const IoResult result = sink_->SendSome(absl::MakeConstSpan(pieces, count), deadline);
    if (result.error != 0) return result.error;
    bytes_sent_ += result.count;
    const size_t from_held = std::min(result.count, held_size_);
    held_begin_ += from_held;
    held_size_ -= from_held;
    if (result.count > from_held) {
      cursor->Advance(result.count - from_held);
      part_sent_ = true;
    }
    if (held_size_ == 0) DropHeld();
  }
  return 0;
}

// Copies what is held, and the rest of a list, behind the tail. 0, or ECONNRESET if it must not or
// cannot grow that far: the connection is broken then.
int Outbound::Leave(SliceCursor<IoSlice> rest) {
  if (held_size_ == 0 && rest.done()) return 0;
  const size_t rest_size = rest.Remaining();
  const size_t accepted = tail_size_ + held_size_;
  if (accepted > tail_bytes_max_ || rest_size > tail_bytes_max_ - accepted ||
      !ReserveTail(held_size_ + rest_size)) {
    return Break();
  }
  if (held_size_ > 0) AppendTail(held_ + held_begin_, held_size_);
  DropHeld();
  while (!rest.done()) {
    const IoSlice slice = rest.Front();
    AppendTail(slice.data, slice.size);
    rest.Advance(slice.size);
  }
  return AwaitTail();
}

// Keeps the bytes of a Write(more). False: they do not fit, or would be as many as are gathered.
bool Outbound::Hold(absl::Span<const IoSlice> slices, size_t total) {
  if (total == 0) return true;
  const size_t held_max = std::min(BufferPool::kBlockSize, tail_bytes_max_);
  if (total >= held_max || held_size_ >= held_max - total) return false;
  if (held_ == nullptr) held_ = runtime_->buffer_pool().Get();
  if (held_ == nullptr) return false;
  for (const IoSlice& slice : slices) {
    if (slice.size == 0) continue;
    std::memcpy(held_ + held_size_, slice.data, slice.size);
    held_size_ += slice.size;
  }
  runtime_->HoldOutput(this);
  return true;
}

void Outbound::ReleaseHeld() {
  if (busy_ || held_size_ == 0 || error_ != 0) return;
  SliceCursor<IoSlice> none({});
  const int error = SendPieces(&none, 0, Deadline::Immediately());
  if (error == 0) return;
  if (WouldWait(error) || IsShortage(error)) {
    static_cast<void>(Leave(none));
  } else {
    static_cast<void>(Broken(error));
  }
}

void Outbound::ReleaseHeldOutput() {
  ReleaseHeld();
  if (when_writable_ && (error_ != 0 || done_)) std::exchange(when_writable_, nullptr)();
}

// Makes room for `count` bytes behind the tail.
bool Outbound::ReserveTail(size_t count) {
  if (count <= tail_capacity_ - tail_begin_ - tail_size_) return true;
  if (tail_begin_ > 0) {
    std::memmove(tail_, tail_ + tail_begin_, tail_size_);
    tail_begin_ = 0;
  }
  if (count <= tail_capacity_ - tail_size_) return true;
  size_t capacity = tail_size_ + count;
  if (tail_size_ > 0) capacity = std::max(capacity, std::min(tail_capacity_ * 2, tail_bytes_max_));
  void* const tail = std::realloc(tail_, capacity);
  if (tail == nullptr) return false;
  tail_ = static_cast<uint8_t*>(tail);
  tail_capacity_ = capacity;
  return true;
}

void Outbound::AppendTail(const void* bytes, size_t count) {
  std::memcpy(tail_ + tail_begin_ + tail_size_, bytes, count);
  tail_size_ += count;
}

// Sends of the tail what goes at once, and arranges for the rest.
void Outbound::DrainTail() {
  while (tail_size_ > 0) {
    const iovec piece = {tail_ + tail_begin_, tail_size_};
    const IoResult result =
        sink_->SendSome(absl::MakeConstSpan(&piece, 1), Deadline::Immediately());
    if (WouldWait(result.error)) {
      static_cast<void>(AwaitTail());
      return;
    }
    if (IsShortage(result.error)) {
      // The descriptor may well be ready all the time: asking again would be to turn without rest.
      static_cast<void>(Break());
      return;
    }
    if (result.error != 0) {
      static_cast<void>(Broken(result.error));
      return;
    }
    bytes_sent_ += result.count;
    tail_begin_ += result.count;
    tail_size_ -= result.count;
  }
  DropTail();
  WakeTailWaiters(0);
}

int Outbound::AwaitTail() { return sink_->AwaitWritable() ? 0 : Break(); }

void Outbound::OnWritable() {
  if (tail_size_ > 0) DrainTail();
  if (tail_size_ > 0 || !when_writable_) return;
  if (error_ == 0 && !sink_->CanSend() && sink_->AwaitWritable()) return;
  std::exchange(when_writable_, nullptr)();
}

void Outbound::WhenWritable(absl::AnyInvocable<void()> callback) {
  when_writable_ = nullptr;
  if (!callback) return;
  if (error_ != 0 || done_ || (tail_size_ == 0 && sink_->CanSend())) return callback();
  when_writable_ = std::move(callback);
  if (tail_size_ == 0 && !sink_->AwaitWritable()) std::exchange(when_writable_, nullptr)();
}

void Outbound::Fail(int error) {
  if (error_ == 0 || error == EBADF) error_ = error;
  if (!busy_) DropHeld();
  DropTail();
  WakeTailWaiters(error_);
  if (error == EBADF) {
    when_writable_ = nullptr;
    DropHold();
  } else if (when_writable_) {
    runtime_->HoldOutput(this);
  }
}

// Breaks the connection because accepted bytes can neither be sent nor kept.
int Outbound::Break() {
  sink_->Reset();
  return error_ != 0 ? error_ : ECONNRESET;
}

void Outbound::DropHeld() {
  if (held_ != nullptr) runtime_->buffer_pool().Put(held_);
  held_ = nullptr;
  held_begin_ = held_size_ = 0;
}

void Outbound::DropTail() {
  std::free(tail_);
  tail_ = nullptr;
  tail_begin_ = tail_size_ = tail_capacity_ = 0;
}

void Outbound::WakeTailWaiters(int result) {
  if (runtime_->ending()) tail_waiters_.Forget();
  while (Waiter* const waiter = tail_waiters_.PopFront()) runtime_->Wake(waiter, result);
}

}  // namespace halfpipe
