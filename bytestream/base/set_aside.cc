#include "bytestream/base/set_aside.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace halfpipe {

void SetAside::Clear() {
  std::free(bytes_);
  bytes_ = nullptr;
  byte_count_ = capacity_ = 0;
  skipped_count_ = 0;
  runs_ = {};
}

bool SetAside::Save(absl::Span<const IoSpan> slices, uint64_t message_bytes) {
  Clear();
  uint64_t byte_count = 0;
  uint64_t left = message_bytes;
  for (const IoSpan& slice : slices) {
    const uint64_t here = std::min<uint64_t>(slice.size, left);
    left -= here;
    if (slice.data != nullptr) byte_count += here;
  }
  if (byte_count > 0) {
    bytes_ = static_cast<uint8_t*>(std::malloc(byte_count));
    if (bytes_ == nullptr) return false;
    capacity_ = byte_count;
  }
  left = message_bytes;
  for (const IoSpan& slice : slices) {
    const uint64_t here = std::min<uint64_t>(slice.size, left);
    left -= here;
    if (here == 0) continue;
    if (slice.data != nullptr) {
      std::memcpy(bytes_ + byte_count_, slice.data, here);
      byte_count_ += here;
    } else {
      skipped_count_ += here;
    }
    runs_.push_back({here, slice.data == nullptr});
  }
  if (!has_gaps()) runs_ = {};
  return true;
}

void SetAside::SaveDiscarded(uint64_t message_bytes) {
  Clear();
  if (message_bytes == 0) return;
  skipped_count_ = message_bytes;
  runs_.push_back({message_bytes, true});
}

bool SetAside::Fits(absl::Span<const IoSpan> slices) const {
  SliceCursor<IoSpan> to(slices);
  for (const Run& run : runs_) {
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
  if (runs_.empty()) runs_.push_back({byte_count_, false});
  SliceCursor<IoSpan> to(slices);
  const uint8_t* from = bytes_;
  for (const Run& run : runs_) {
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
    void* const grown = std::realloc(bytes_, static_cast<size_t>(bounded));
    if (grown == nullptr) return {};
    bytes_ = static_cast<uint8_t*>(grown);
    capacity_ = static_cast<size_t>(bounded);
  }
  const size_t room = static_cast<size_t>(std::min<uint64_t>(capacity_ - byte_count_, count));
  return absl::MakeSpan(bytes_ + byte_count_, room);
}

}  // namespace halfpipe
