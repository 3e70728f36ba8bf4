#include "bytestream/user_bytestream.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/iolist_of.h"
#include "bytestream/user_deadline.h"

namespace halfpipe {
namespace {

// So few bytes are read by way of the stack: a block of the pool is taken only when they have come.
constexpr size_t kSmallRead = 64;

bool WouldWait(int error) { return error == ETIMEDOUT || error == ECANCELED; }

absl::Status UserStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EBADF:
      return ErrnoStatus(error, "the user's stream is closed");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is in this direction of the user's stream");
    default:
      return ErrnoStatus(error, "the user's stream");
  }
}

}  // namespace

class UserBytestream::BusyScope {
 public:
  explicit BusyScope(bool* busy) : busy_(busy) { *busy_ = true; }
  ~BusyScope() { *busy_ = false; }
  BusyScope(const BusyScope&) = delete;
  BusyScope& operator=(const BusyScope&) = delete;

 private:
  bool* const busy_;
};

UserBytestream::UserBytestream(UserStreamOwner* owner, Bundle* background)
    : owner_(owner),
      background_(background),
      runtime_(background->runtime()),
      buffer_(&runtime_->buffer_pool()) {}

UserBytestream::~UserBytestream() { DropTail(); }

int UserBytestream::Enter(bool waits, int error, bool busy) const {
  if (waits) {
    if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  }
  if (aborted_) return EBADF;
  if (error != 0) return error;
  return busy ? EBUSY : 0;
}

// ---- Receiving ---------------------------------------------------------------------------------

int UserBytestream::ReadOnce(uint8_t* dst, size_t size, Deadline deadline) {
  dill_iolist piece = {dst, size, nullptr, 0};
  const int result = vfs_->brecvl(vfs_, &piece, &piece, UserDeadline(deadline));
  const int error = result == 0 ? 0 : UserError(errno);
  return aborted_ ? EBADF : error;
}

// Fills `dst`. On failure the first *got bytes of it have been received all the same. The end of
// the stream before the last byte is EPIPE; what came before it is fetched byte by byte, for an
// exact read does not say how much that is.
int UserBytestream::ReadExactly(uint8_t* dst, size_t size, size_t* got, Deadline deadline) {
  *got = 0;
  int error = ReadOnce(dst, size, deadline);
  if (error == 0) *got = size;
  if (error != EPIPE || size == 1) return error;
  while (*got < size) {
    error = ReadOnce(dst + *got, 1, deadline);
    if (error != 0) break;
    ++*got;
  }
  return error;
}

// Puts bytes that were received by a call which then failed behind those in the buffer.
int UserBytestream::KeepRead(const uint8_t* bytes, size_t count, int error) {
  if (count == 0 || error == EBADF) return error;
  if (buffer_.size() + count > ReadBuffer::kCapacity || !buffer_.Reserve(buffer_.size() + count)) {
    in_error_ = ENOMEM;
    return ENOMEM;
  }
  std::memcpy(buffer_.Spare().data(), bytes, count);
  buffer_.Commit(count);
  return error;
}

// Receives `count` more bytes into the buffer; fewer at the end of the stream.
int UserBytestream::FillBuffer(size_t count, Deadline deadline) {
  size_t got = 0;
  int error;
  if (count <= kSmallRead) {
    uint8_t bytes[kSmallRead];
    error = ReadExactly(bytes, count, &got, deadline);
    error = KeepRead(bytes, got, error);
  } else {
    if (!buffer_.Reserve(buffer_.size() + count)) return ENOMEM;
    error = ReadExactly(buffer_.Spare().data(), count, &got, deadline);
    buffer_.Commit(got);
    buffer_.ReleaseIfEmpty();
  }
  if (error != EPIPE) return error;
  ended_ = true;
  return 0;
}

absl::StatusOr<absl::Span<uint8_t>> UserBytestream::Peek(size_t min, Deadline deadline) {
  if (const int error = Enter(/*waits=*/min > 0, in_error_, reading_)) return UserStatus(error);
  if (min > kPeekMax) return ErrnoStatus(EINVAL, "Peek() of more than kPeekMax bytes");
  BusyScope busy(&reading_);
  if (buffer_.size() < min && !ended_) {
    const int error = FillBuffer(min - buffer_.size(), deadline);
    if (error != 0) return UserStatus(error);
  }
  return buffer_.data();
}

absl::Status UserBytestream::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  if (const int error = Enter(/*waits=*/true, in_error_, reading_)) return UserStatus(error);
  BusyScope busy(&reading_);
  // What is buffered stays until the rest is there: then nothing has to be put back.
  const absl::Span<uint8_t> here = buffer_.data();
  const size_t from_buffer = std::min(here.size(), TotalSize(slices));
  SliceCursor<IoSpan> to(slices);
  for (size_t copied = 0; copied < from_buffer;) {
    const IoSpan piece = to.Front();
    const size_t size = std::min(piece.size, from_buffer - copied);
    if (piece.data != nullptr) std::memcpy(piece.data, here.data() + copied, size);
    to.Advance(size);
    copied += size;
  }
  if (from_buffer == 0 || !to.done()) {
    if (ended_) return UserStatus(TotalSize(slices) > 0 ? EPIPE : 0);
    IolistOf list;
    if (!list.Convert(slices, from_buffer)) return UserStatus(ENOMEM);
    const int result = vfs_->brecvl(vfs_, list.first(), list.last(), UserDeadline(deadline));
    const int error = result == 0 ? 0 : UserError(errno);
    if (aborted_) return UserStatus(EBADF);
    if (error != 0) return UserStatus(error);
  }
  buffer_.Consume(from_buffer);
  return absl::OkStatus();
}

absl::StatusOr<size_t> UserBytestream::ReadSome(absl::Span<uint8_t> dst, size_t min,
                                                Deadline deadline) {
  if (const int error = Enter(/*waits=*/true, in_error_, reading_)) return UserStatus(error);
  if (min == 0 || min > dst.size()) return ErrnoStatus(EINVAL, "ReadSome() of a wrong size");
  BusyScope busy(&reading_);
  const size_t from_buffer = std::min(buffer_.size(), dst.size());
  if (from_buffer > 0) std::memcpy(dst.data(), buffer_.data().data(), from_buffer);
  size_t got = 0;
  if (from_buffer < min && !ended_) {
    const int error = ReadExactly(dst.data() + from_buffer, min - from_buffer, &got, deadline);
    if (error == EPIPE) {
      ended_ = true;
    } else if (error != 0) {
      return UserStatus(KeepRead(dst.data() + from_buffer, got, error));
    }
  }
  buffer_.Consume(from_buffer);
  return from_buffer + got;
}

// ---- Sending -----------------------------------------------------------------------------------

int UserBytestream::SendList(absl::Span<const IoSlice> slices, int64_t deadline_millis) {
  IolistOf list;
  if (!list.Convert(slices, 0)) return ENOMEM;
  const int result = vfs_->bsendl(vfs_, list.first(), list.last(), deadline_millis);
  const int error = result == 0 ? 0 : UserError(errno);
  return aborted_ ? EBADF : error;
}

absl::Status UserBytestream::Write(absl::Span<const IoSlice> slices, bool, Deadline deadline) {
  if (const int error = Enter(/*waits=*/true, out_error_, writing_)) return UserStatus(error);
  BusyScope busy(&writing_);
  int error = WaitForTail(deadline);
  if (error == 0) error = SendList(slices, UserDeadline(deadline));
  return UserStatus(error);
}

absl::Status UserBytestream::WriteTail(absl::Span<const IoSlice> slices) {
  if (const int error = Enter(/*waits=*/false, out_error_, writing_)) return UserStatus(error);
  if (tail_size() == 0) {
    BusyScope busy(&writing_);
    NoWaitScope no_wait(runtime_);
    const int error = SendList(slices, 0);
    if (!WouldWait(error)) return UserStatus(error);
  }
  return UserStatus(Leave(slices));
}

// Copies all of `slices` behind the tail.
int UserBytestream::Leave(absl::Span<const IoSlice> slices) {
  const size_t size = TotalSize(slices);
  if (size == 0) return 0;
  const size_t kept = tail_size();
  if (kept > kDefaultSendTailBytesMax || size > kDefaultSendTailBytesMax - kept) return Break();
  void* const grown = std::realloc(tail_, tail_size_ + size);
  if (grown == nullptr) return Break();
  tail_ = static_cast<uint8_t*>(grown);
  for (const IoSlice& slice : slices) {
    if (slice.size == 0) continue;
    std::memcpy(tail_ + tail_size_, slice.data, slice.size);
    tail_size_ += slice.size;
  }
  return StartService() ? 0 : Break();
}

// Accepted bytes can neither be sent nor kept.
int UserBytestream::Break() {
  in_error_ = out_error_ = ECONNRESET;
  DropTail();
  WakeTailWaiters();
  return ECONNRESET;
}

int UserBytestream::WaitForTail(Deadline deadline) {
  while (!aborted_ && out_error_ == 0 && tail_size() > 0) {
    Waiter waiter;
    tail_waiters_.PushBack(&waiter);
    const int waited = runtime_->Wait(&waiter, deadline);
    if (!aborted_ && out_error_ == 0 && waited != 0) return waited;
  }
  return aborted_ ? EBADF : out_error_;
}

absl::Status UserBytestream::Flush(Deadline deadline) {
  if (const int error = Enter(/*waits=*/true, out_error_, writing_)) return UserStatus(error);
  BusyScope busy(&writing_);
  return UserStatus(WaitForTail(deadline));
}

absl::Status UserBytestream::Done(Deadline) {
  if (const int error = Enter(/*waits=*/true, out_error_, writing_)) return UserStatus(error);
  return ErrnoStatus(ENOTSUP, "a user's stream has no way to end its outbound direction");
}

void UserBytestream::DropTail() {
  std::free(tail_);
  tail_ = nullptr;
  tail_size_ = 0;
}

void UserBytestream::WakeTailWaiters() {
  while (Waiter* const waiter = tail_waiters_.PopFront()) runtime_->Wake(waiter);
}

// ---- The library's coroutine -------------------------------------------------------------------

bool UserBytestream::StartService() {
  if (serving_) return true;
  serving_ = background_->StartLater([this] { Serve(); }, "tail of a user's stream") == 0;
  return serving_;
}

void UserBytestream::Serve() {
  service_ = runtime_->current();
  while (!aborted_) {
    if (tail_size_ > 0) {
      SendTail();
      if (!aborted_ && tail_size_ == 0 && when_writable_) {
        NoWaitScope no_wait(runtime_);
        std::exchange(when_writable_, nullptr)();
      }
      continue;
    }
    if (!when_readable_ && !when_writable_) break;
    if (runtime_->SleepUntil(Deadline::In(absl::Milliseconds(kPauseMillis))) != 0) break;
    CallBack();
  }
  service_ = nullptr;
  serving_ = false;
  if (aborted_) owner_->CloseUserObject();
  if (disposed_) owner_->DestroyUserObject();
}

void UserBytestream::SendTail() {
  uint8_t* const bytes = std::exchange(tail_, nullptr);
  in_flight_ = std::exchange(tail_size_, 0);
  const IoSlice slice(bytes, in_flight_);
  const int error = SendList(absl::MakeConstSpan(&slice, 1), -1);
  std::free(bytes);
  in_flight_ = 0;
  if (aborted_) return;
  // Bytes that were accepted are lost, so nothing may follow them.
  if (error != 0) {
    static_cast<void>(Break());
  } else if (tail_size_ == 0) {
    WakeTailWaiters();
  }
}

bool UserBytestream::CanRead() {
  if (in_error_ != 0 || ended_ || !buffer_.empty()) return true;
  return !WouldWait(StatusErrno(Peek(1, Deadline::Immediately()).status()));
}

// One callback at a time: each may end the stream.
void UserBytestream::CallBack() {
  NoWaitScope no_wait(runtime_);
  if (when_readable_ && !reading_ && CanRead() && when_readable_) {
    std::exchange(when_readable_, nullptr)();
  }
  if (!aborted_ && when_writable_ && !writing_) std::exchange(when_writable_, nullptr)();
}

void UserBytestream::WhenReadable(Callback callback) {
  when_readable_ = nullptr;
  if (!callback || aborted_) return;
  if (in_error_ != 0 || ended_ || !buffer_.empty()) return callback();
  when_readable_ = std::move(callback);
  if (!StartService()) std::exchange(when_readable_, nullptr)();
}

void UserBytestream::WhenWritable(Callback callback) {
  when_writable_ = nullptr;
  if (!callback || aborted_) return;
  if (out_error_ != 0) return callback();
  when_writable_ = std::move(callback);
  if (!StartService()) std::exchange(when_writable_, nullptr)();
}

// ---- The end -----------------------------------------------------------------------------------

void UserBytestream::Abort() noexcept {
  if (std::exchange(aborted_, true)) return;
  when_readable_ = nullptr;
  when_writable_ = nullptr;
  DropTail();
  WakeTailWaiters();
  if (!serving_) return owner_->CloseUserObject();
  // The coroutine may be inside a function of the user's; it closes the object when it is out.
  if (service_ != nullptr) runtime_->Cancel(service_);
}

void UserBytestream::Dispose() noexcept {
  Abort();
  disposed_ = true;
  if (!serving_) owner_->DestroyUserObject();
}

}  // namespace halfpipe
