#include "bytestream/base/set_aside.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace halfpipe {
namespace {

// What `slices` have, those left out that only skip; saturates.
size_t MemoryOf(absl::Span<const IoSpan> slices) {
  size_t bytes = 0;
  for (const IoSpan& slice : slices) {
    if (slice.data != nullptr) bytes += std::min(slice.size, SIZE_MAX - bytes);
  }
  return bytes;
}

}  // namespace

void SetAside::Clear() {
  std::free(bytes_);
  bytes_ = nullptr;
  byte_count_ = capacity_ = 0;
  skipped_count_ = 0;
  std::free(runs_);
  runs_ = nullptr;
  run_count_ = run_capacity_ = 0;
}

bool SetAside::Save(absl::Span<const IoSpan> slices, uint64_t message_bytes) {
  SliceCursor<IoSpan> from(slices);
  from.Advance(static_cast<size_t>(this->message_bytes()));
  const size_t list_bytes = MemoryOf(slices);
  for (uint64_t left = message_bytes - this->message_bytes(); left > 0;) {
    const IoSpan piece = from.Front();
    const size_t here = static_cast<size_t>(std::min<uint64_t>(piece.size, left));
    const bool skipped = piece.data == nullptr;
    // Room for all that is left, or twice as much as before; but no more than the list has.
    const uint64_t wanted = std::max<uint64_t>(byte_count_ + left, 2 * uint64_t{capacity_});
    const size_t capacity = static_cast<size_t>(
        std::max<uint64_t>(byte_count_ + here, std::min<uint64_t>(wanted, list_bytes)));
    const bool has_room = skipped || here <= capacity_ - byte_count_ || Grow(capacity);
    if (!has_room || !AddRun({here, skipped})) {
      Clear();
      return false;
    }
    if (skipped) {
      skipped_count_ += here;
    } else {
      std::memcpy(bytes_ + byte_count_, piece.data, here);
      byte_count_ += here;
    }
    from.Advance(here);
    left -= here;
  }
  return true;
}

void SetAside::SaveDiscarded(uint64_t message_bytes) {
  Clear();
  skipped_count_ = message_bytes;
}

bool SetAside::Grow(size_t capacity) {
  void* const grown = std::realloc(bytes_, capacity);
  if (grown == nullptr) return false;
  bytes_ = static_cast<uint8_t*>(grown);
  capacity_ = capacity;
  return true;
}

// As long as there is but one kind the counts say it all; `only` is then where to say it.
absl::Span<const SetAside::Run> SetAside::Runs(Run* only) const {
  if (runs_ != nullptr) return absl::MakeConstSpan(runs_, run_count_);
  *only = {message_bytes(), has_gaps()};
  return absl::MakeConstSpan(only, empty() ? 0 : 1);
}

// To be called before the counts change.
bool SetAside::AddRun(Run run) {
  if (runs_ == nullptr) {
    Run only;
    if (Runs(&only).empty() || only.skipped == run.skipped) return true;
    if (!PushRun(only)) return false;
  }
  Run& last = runs_[run_count_ - 1];
  if (last.skipped != run.skipped) return PushRun(run);
  last.size += run.size;
  return true;
}

bool SetAside::PushRun(Run run) {
  constexpr size_t kFirstRuns = 4;
  if (run_count_ == run_capacity_) {
    const size_t capacity = std::max(kFirstRuns, 2 * run_capacity_);
    void* const grown = std::realloc(runs_, capacity * sizeof(Run));
    if (grown == nullptr) return false;
    runs_ = static_cast<Run*>(grown);
    run_capacity_ = capacity;
  }
  runs_[run_count_++] = run;
  return true;
}

bool SetAside::Fits(absl::Span<const IoSpan> slices) const {
  Run only;
  SliceCursor<IoSpan> to(slices);
  for (const Run& run : Runs(&only)) {
    for (uint64_t left = run.size; left > 0;) {
      if (to.done()) return false;
      const IoSpan piece = to.Front();
      if (run.skipped && piece.data != nullptr) return false;
      const size_t here = static_cast<size_t>(std::min<uint64_t>(piece.size, left));
      to.Advance(here);
      left -= here;
    }
  }
  return true;
}

void SetAside::Restore(absl::Span<const IoSpan> slices) {
  Run only;
  SliceCursor<IoSpan> to(slices);
  const uint8_t* from = bytes_;
  for (const Run& run : Runs(&only)) {
    for (uint64_t left = run.size; left > 0;) {
      const IoSpan piece = to.Front();
      const size_t here = static_cast<size_t>(std::min<uint64_t>(piece.size, left));
      if (!run.skipped) {
        if (piece.data != nullptr) std::memcpy(piece.data, from, here);
        from += here;
      }
      to.Advance(here);
      left -= here;
    }
  }
  Clear();
}

absl::Span<uint8_t> SetAside::Room(uint64_t count, uint64_t message_bytes_max) {
  constexpr size_t kFirstCapacity = 4096;
  if (byte_count_ == capacity_) {
    const uint64_t wanted = std::max<uint64_t>(byte_count_ + uint64_t{byte_count_}, kFirstCapacity);
    const uint64_t bounded = std::min(wanted, message_bytes_max);
    if (bounded <= byte_count_) return {};
    if (!Grow(static_cast<size_t>(bounded))) return {};
  }
  const size_t room = static_cast<size_t>(std::min<uint64_t>(capacity_ - byte_count_, count));
  return absl::MakeSpan(bytes_ + byte_count_, room);
}

}  // namespace halfpipe
