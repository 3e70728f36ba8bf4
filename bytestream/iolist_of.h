#ifndef HALFPIPE_BYTESTREAM_IOLIST_OF_H_
#define HALFPIPE_BYTESTREAM_IOLIST_OF_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/iolist.h"

namespace halfpipe {

// Slices as a list of the C calls, for functions of the user's: the counterpart of IolistSlices.
// Up to kInlineCount pieces need no memory but the object's own.
//
// Example:
//   IolistOf list;
//   if (!list.Convert(slices, skip)) return ENOMEM;
//   vfs->brecvl(vfs, list.first(), list.last(), deadline);
class IolistOf {
 public:
  static constexpr size_t kInlineCount = 20;

  IolistOf() = default;
  IolistOf(const IolistOf&) = delete;
  IolistOf& operator=(const IolistOf&) = delete;

  // Takes what of `slices` lies behind their first `skip` bytes; empty slices are left out, but at
  // least one piece is made. False when memory fails.
  template <typename Slice>
  bool Convert(absl::Span<const Slice> slices, size_t skip) {
    dill_iolist* place = inline_;
    if (slices.size() > kInlineCount) {
      heap_.reset(new (std::nothrow) dill_iolist[slices.size()]);
      if (heap_ == nullptr) return false;
      place = heap_.get();
    }
    first_ = last_ = place;
    *place = {nullptr, 0, nullptr, 0};
    bool any = false;
    for (const Slice& slice : slices) {
      const size_t offset = slice.size < skip ? slice.size : skip;
      skip -= offset;
      if (slice.size == offset) continue;
      if (any) {
        last_->iol_next = last_ + 1;
        ++last_;
      }
      any = true;
      uint8_t* const data = const_cast<uint8_t*>(slice.data);
      // A skip without bound stays one.
      const size_t size = slice.size == SIZE_MAX ? SIZE_MAX : slice.size - offset;
      *last_ = {data != nullptr ? data + offset : nullptr, size, nullptr, 0};
    }
    return true;
  }

  dill_iolist* first() { return first_; }
  dill_iolist* last() { return last_; }

 private:
  dill_iolist inline_[kInlineCount];
  std::unique_ptr<dill_iolist[]> heap_;
  dill_iolist* first_ = nullptr;
  dill_iolist* last_ = nullptr;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_IOLIST_OF_H_
