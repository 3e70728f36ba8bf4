#ifndef HALFPIPE_BYTESTREAM_FRAMING_MESSAGE_SPANS_H_
#define HALFPIPE_BYTESTREAM_FRAMING_MESSAGE_SPANS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {

// A list of slices that a framing layer makes of its caller's and pieces of its own. Up to
// kInlineCount pieces need no memory but the object's own. `Slice` is IoSlice or IoSpan.
template <typename Slice>
class SliceList {
 public:
  static constexpr size_t kInlineCount = 18;

  // Makes room for `count` pieces, once. False when memory fails.
  [[nodiscard]] bool Reserve(size_t count) {
    if (count <= kInlineCount) return true;
    heap_.reset(new (std::nothrow) Slice[count]);
    return heap_ != nullptr;
  }

  // There is room.
  void Add(Slice slice) { pieces()[count_++] = slice; }

  absl::Span<const Slice> slices() { return absl::MakeConstSpan(pieces(), count_); }

 private:
  Slice* pieces() { return heap_ != nullptr ? heap_.get() : inline_; }

  Slice inline_[kInlineCount];
  std::unique_ptr<Slice[]> heap_;
  size_t count_ = 0;
};

// Copies `bytes` to where the cursor stands, and moves it; null slices drop them. There is room.
inline void CopyTo(SliceCursor<IoSpan>* to, absl::Span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const IoSpan piece = to->Front();
    const size_t size = std::min(piece.size, bytes.size());
    if (piece.data != nullptr) std::memcpy(piece.data, bytes.data(), size);
    to->Advance(size);
    bytes.remove_prefix(size);
  }
}

// True if bytes of a message may be dropped instead of kept: a null slice, or no list at all.
inline bool HasSkips(absl::Span<const IoSpan> slices) {
  return slices.empty() || std::any_of(slices.begin(), slices.end(), [](const IoSpan& slice) {
           return slice.data == nullptr && slice.size > 0;
         });
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_MESSAGE_SPANS_H_
