#include "bytestream/net/inbound.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

bool WouldWait(int error) { return error == ETIMEDOUT || error == ECANCELED; }

absl::Status ReceiveStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EPIPE:
      return ErrnoStatus(error, "the stream ended before all bytes had arrived");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is receiving from the stream");
    case EBADF:
      return ErrnoStatus(error, "the stream was aborted");
    case ENOMEM:
      return ErrnoStatus(error, "no memory to keep received bytes");
    case ETIMEDOUT:
      return ErrnoStatus(error, "nothing more was received before the deadline");
    default:
      return ErrnoStatus(error, "receiving failed");
  }
}

}  // namespace

class Inbound::BusyScope {
 public:
  explicit BusyScope(Inbound* inbound) : inbound_(inbound) { inbound_->busy_ = true; }
  ~BusyScope() { inbound_->busy_ = false; }
  BusyScope(const BusyScope&) = delete;
  BusyScope& operator=(const BusyScope&) = delete;

 private:
  Inbound* const inbound_;
};

// Skipped bytes of a list that also has memory in it: if the call is interrupted they go back.
class Inbound::Saved {
 public:
  Saved() = default;
  ~Saved() { std::free(data_); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

  bool Append(absl::Span<const uint8_t> bytes) {
    if (bytes.size() > capacity_ - size_) {
      const size_t capacity = std::max(capacity_ * 2, size_ + bytes.size());
      void* const data = std::realloc(data_, capacity);
      if (data == nullptr) return false;
      data_ = static_cast<uint8_t*>(data);
      capacity_ = capacity;
    }
    std::memcpy(data_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return true;
  }

  const uint8_t* data() const { return data_; }
  bool empty() const { return size_ == 0; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

int Inbound::Enter(bool waits) const {
  if (waits) {
    if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  }
  if (error_ != 0) return error_;
  return busy_ ? EBUSY : 0;
}

void Inbound::Fail(int error) {
  if (error_ == 0 || error == EBADF) error_ = error;
}

// One receive that does not wait. The block is given back if nothing came into it.
int Inbound::Attempt(Destination* destination, size_t reserve) {
  size_t count = destination->count;
  size_t room = 0;
  for (size_t i = 0; i < count; ++i) room += destination->pieces[i].iov_len;
  if (destination->with_spare) {
    if (buffer_.Reserve(reserve)) {
      const absl::Span<uint8_t> spare = buffer_.Spare();
      HALFPIPE_CHECK(!spare.empty());
      destination->pieces[count++] = {spare.data(), spare.size()};
    } else if (count == 0) {
      return ENOMEM;  // a shortage like others: nothing was received
    }
  }
  const IoResult result = source_->ReceiveSome(absl::MakeConstSpan(destination->pieces, count),
                                               Deadline::Immediately());
  if (result.error == 0) {
    bytes_received_ += result.count;
    if (result.count == 0) ended_ = true;
    destination->landed = std::min(result.count, room);
    buffer_.Commit(result.count - destination->landed);
  }
  buffer_.ReleaseIfEmpty();
  return result.error;
}

// Receives at least one byte into the pieces and, if asked for, the buffer, which is made to hold
// `reserve` bytes; or sets ended_. 0 or an errno.
int Inbound::Receive(Destination* destination, size_t reserve, Deadline deadline) {
  int gave_up = 0;
  bool attempt = deadline.is_immediate() || source_->MayHaveInput();
  for (;;) {
    const int error = attempt ? Attempt(destination, reserve) : ETIMEDOUT;
    attempt = true;
    if (error_ != 0) return error_;
    if (error == 0 || error == EBADF || IsShortage(error)) return error;
    if (!WouldWait(error)) {
      Fail(error == EPIPE || error == ENOTCONN ? ECONNRESET : error);
      return error_;
    }
    if (gave_up != 0) return gave_up;
    source_->BeforeReaderWaits();
    if (error_ != 0) return error_;
    if (deadline.is_immediate()) return error;
    const int waited = source_->WaitReadable(deadline);
    if (error_ != 0) return error_;
    // What has arrived by now counts, so there is one more attempt after a wait that ended, or was
    // not possible.
    if (WouldWait(waited) || IsShortage(waited)) {
      gave_up = waited;
    } else if (waited != 0) {
      return waited;
    }
  }
}

absl::StatusOr<absl::Span<uint8_t>> Inbound::Peek(size_t min, Deadline deadline) {
  if (const int error = Enter(/*waits=*/min > 0)) return ReceiveStatus(error);
  if (min > ReadBuffer::kCapacity) {
    return ErrnoStatus(EINVAL, "Peek() of more than kPeekMax bytes");
  }
  BusyScope busy(this);
  while (buffer_.size() < min && !ended_) {
    Destination destination;
    destination.with_spare = true;
    if (const int error = Receive(&destination, min, deadline)) return ReceiveStatus(error);
  }
  return buffer_.data();
}

void Inbound::Consume(size_t count) {
  if (count == 0) return;
  skip_credit_ = 0;
  buffer_.Consume(count);
}

absl::Status Inbound::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  if (const int error = Enter(/*waits=*/true)) return ReceiveStatus(error);
  BusyScope busy(this);
  const bool only_skips = std::all_of(slices.begin(), slices.end(), [](const IoSpan& slice) {
    return slice.data == nullptr || slice.size == 0;
  });
  return ReceiveStatus(only_skips ? Skip(TotalSize(slices), deadline) : ReadList(slices, deadline));
}

// Skipping to the end of a stream from which there is always something to receive never waits, and
// may never end: others get their turns all the same, and a deadline counts.
int Inbound::TakeTurns(int receives, Deadline deadline) {
  runtime_->CountOperation();
  if (error_ != 0) return error_;
  if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  const bool expired =
      receives >= kReceivesPerExpiredSkip && deadline.ExpiredAt(runtime_->clock().NowNanos());
  return expired ? ETIMEDOUT : 0;
}

int Inbound::Skip(size_t total, Deadline deadline) {
  const size_t credit = std::min(skip_credit_, total);
  size_t left = total - credit;
  skip_credit_ -= credit;
  if (left == 0) return 0;
  for (int receives = 0;; ++receives) {
    const size_t count = std::min(left, buffer_.size());
    buffer_.Consume(count);
    left -= count;
    if (left == 0) return 0;
    int error = ended_ ? EPIPE : 0;
    if (error == 0 && total == SIZE_MAX) error = TakeTurns(receives, deadline);
    if (error == 0) {
      Destination destination;
      destination.with_spare = true;
      error = Receive(&destination, 1, deadline);
    }
    if (error != 0) {
      skip_credit_ = total - left;
      return error;
    }
  }
}

// Moves what is buffered to where the cursor stands. False when memory fails.
bool Inbound::TakeBuffered(SliceCursor<IoSpan>* cursor, size_t* progress, Saved* saved) {
  while (!cursor->done() && !buffer_.empty()) {
    const IoSpan slice = cursor->Front();
    const absl::Span<const uint8_t> bytes =
        buffer_.data().subspan(0, std::min(slice.size, buffer_.size()));
    if (slice.data != nullptr) {
      std::memcpy(slice.data, bytes.data(), bytes.size());
    } else if (!saved->Append(bytes)) {
      return false;
    }
    const size_t count = bytes.size();
    buffer_.Consume(count);
    cursor->Advance(count);
    *progress += count;
  }
  return true;
}

// Offers the memory from the cursor on, up to the first slice that is skipped. What comes behind
// it goes to the buffer, which is empty; not so if more memory of the list follows.
void Inbound::Offer(const SliceCursor<IoSpan>& cursor, size_t slice_count,
                    Destination* destination) {
  for (size_t i = 0; i < slice_count; ++i) {
    const IoSpan slice = cursor.Piece(i);
    if (slice.size == 0) continue;
    if (slice.data == nullptr) break;
    if (destination->count == kPiecesMax) return;
    destination->pieces[destination->count++] = {slice.data, slice.size};
  }
  destination->with_spare = true;
}

int Inbound::ReadList(absl::Span<const IoSpan> slices, Deadline deadline) {
  SliceCursor<IoSpan> cursor(slices);
  Saved saved;
  size_t progress = 0;
  for (;;) {
    if (!TakeBuffered(&cursor, &progress, &saved)) {
      Fail(ENOMEM);
      return error_;
    }
    if (cursor.done()) {
      skip_credit_ = 0;
      return 0;
    }
    if (ended_) return Interrupted(EPIPE, slices, progress, saved);
    Destination destination;
    Offer(cursor, slices.size(), &destination);
    if (const int error = Receive(&destination, 1, deadline)) {
      return Interrupted(error, slices, progress, saved);
    }
    cursor.Advance(destination.landed);
    progress += destination.landed;
  }
}

// Puts the first `progress` bytes of the list back in front of the buffer, unless the direction is
// over, and returns the errno to report.
int Inbound::Interrupted(int error, absl::Span<const IoSpan> slices, size_t progress,
                         const Saved& saved) {
  if (error_ != 0) return error_;
  if (error == EBADF || progress == 0) return error;
  if (saved.empty() && slices.front().size >= progress) {
    if (!buffer_.PutBack(absl::MakeConstSpan(slices.front().data, progress))) Fail(ENOMEM);
    return error_ != 0 ? error_ : error;
  }
  uint8_t* const bytes = static_cast<uint8_t*>(std::malloc(progress));
  if (bytes == nullptr) {
    Fail(ENOMEM);
    return error_;
  }
  size_t gathered = 0;
  const uint8_t* skipped = saved.data();
  for (const IoSpan& slice : slices) {
    const size_t count = std::min(slice.size, progress - gathered);
    if (count == 0) continue;
    const uint8_t* from = slice.data;
    if (from == nullptr) {
      from = skipped;
      skipped += count;
    }
    std::memcpy(bytes + gathered, from, count);
    gathered += count;
  }
  if (!buffer_.PutBack(absl::MakeConstSpan(bytes, progress))) Fail(ENOMEM);
  std::free(bytes);
  return error_ != 0 ? error_ : error;
}

absl::StatusOr<size_t> Inbound::ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) {
  if (const int error = Enter(/*waits=*/true)) return ReceiveStatus(error);
  if (min == 0 || min > dst.size()) {
    return ErrnoStatus(EINVAL, "ReadSome() of a minimum that is 0 or above the room for it");
  }
  BusyScope busy(this);
  const IoSpan whole(dst.data(), dst.size());
  SliceCursor<IoSpan> cursor(absl::MakeConstSpan(&whole, 1));
  Saved none;
  size_t progress = 0;
  TakeBuffered(&cursor, &progress, &none);
  while (progress < min && !ended_) {
    Destination destination;
    destination.pieces[destination.count++] = {dst.data() + progress, dst.size() - progress};
    destination.with_spare = true;
    if (const int error = Receive(&destination, 1, deadline)) {
      return ReceiveStatus(Interrupted(error, absl::MakeConstSpan(&whole, 1), progress, none));
    }
    progress += destination.landed;
  }
  if (progress > 0) skip_credit_ = 0;
  return progress;
}

}  // namespace halfpipe
