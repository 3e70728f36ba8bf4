#ifndef HALFPIPE_BYTESTREAM_BASE_IO_SLICE_H_
#define HALFPIPE_BYTESTREAM_BASE_IO_SLICE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe {

// A piece of memory to be sent. Borrowed; `data` may be null when `size` is 0.
struct IoSlice {
  const uint8_t* data = nullptr;
  size_t size = 0;

  IoSlice() = default;
  IoSlice(const void* bytes, size_t byte_count)
      : data(static_cast<const uint8_t*>(bytes)), size(byte_count) {}
  // A view of text, such as a literal. Borrowed.
  explicit IoSlice(absl::string_view text) : IoSlice(text.data(), text.size()) {}
};

// A piece of memory to be filled. Borrowed. A null `data` with a `size` above 0 means: skip that
// many bytes of the stream.
struct IoSpan {
  uint8_t* data = nullptr;
  size_t size = 0;

  IoSpan() = default;
  IoSpan(void* bytes, size_t byte_count) : data(static_cast<uint8_t*>(bytes)), size(byte_count) {}
};

// The sum of the sizes, saturating at SIZE_MAX.
template <typename Slice>
size_t TotalSize(absl::Span<const Slice> slices) {
  size_t total = 0;
  for (const Slice& slice : slices) {
    if (slice.size > SIZE_MAX - total) return SIZE_MAX;
    total += slice.size;
  }
  return total;
}

// A place in a list of slices; walks over it piece by piece without changing the list.
//
// Example:
//   SliceCursor<IoSlice> rest(slices);
//   while (!rest.done()) rest.Advance(WriteSome(rest.Front()));
template <typename Slice>
class SliceCursor {
 public:
  explicit SliceCursor(absl::Span<const Slice> slices) : slices_(slices) { SkipEmpty(); }

  bool done() const { return index_ == slices_.size(); }

  // The rest of the slice the cursor stands in. Never empty. Only if !done().
  Slice Front() const {
    Slice slice = slices_[index_];
    if (slice.data != nullptr) slice.data += offset_;
    slice.size -= offset_;
    return slice;
  }

  // The i-th piece from here: Front() for 0. `size` 0 behind the end.
  Slice Piece(size_t i) const {
    if (index_ + i >= slices_.size()) return Slice();
    return i == 0 ? Front() : slices_[index_ + i];
  }

  // Bytes from here to the end, saturating at SIZE_MAX.
  size_t Remaining() const {
    if (done()) return 0;
    const size_t rest = TotalSize(slices_.subspan(index_ + 1));
    const size_t front = slices_[index_].size - offset_;
    return front > SIZE_MAX - rest ? SIZE_MAX : front + rest;
  }

  // Moves on by `count` bytes, at most Remaining().
  void Advance(size_t count) {
    while (count > 0) {
      const size_t left = slices_[index_].size - offset_;
      if (count < left) {
        offset_ += count;
        return;
      }
      count -= left;
      ++index_;
      offset_ = 0;
    }
    SkipEmpty();
  }

 private:
  void SkipEmpty() {
    while (index_ < slices_.size() && slices_[index_].size == offset_) {
      ++index_;
      offset_ = 0;
    }
  }

  absl::Span<const Slice> slices_;
  size_t index_ = 0;
  size_t offset_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_IO_SLICE_H_
