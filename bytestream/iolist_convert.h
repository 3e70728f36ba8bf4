#ifndef HALFPIPE_BYTESTREAM_IOLIST_CONVERT_H_
#define HALFPIPE_BYTESTREAM_IOLIST_CONVERT_H_

#include <cerrno>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/iolist.h"

namespace halfpipe {

// Checks a list of the C calls and counts its pieces: 0 with *count set, or EINVAL when `first` or
// `last` is null, the list does not end with `last`, or it runs in a circle. iol_rsvd is 0 in every
// piece afterwards (where the list is broken, as far as it could be followed). Any length, no
// memory.
int CheckIolist(dill_iolist* first, dill_iolist* last, size_t* count);

// The pieces of a list, as the C++ calls take them: Slice is IoSlice or IoSpan. Up to kInlineCount
// pieces need no memory but the object's own.
//
// Example:
//   IolistSlices<IoSlice> list;
//   if (const int error = list.Convert(first, last)) return Fail(error);
//   stream->Write(list.slices(), ...);
template <typename Slice>
class IolistSlices {
 public:
  static constexpr size_t kInlineCount = 16;

  IolistSlices() = default;
  IolistSlices(const IolistSlices&) = delete;
  IolistSlices& operator=(const IolistSlices&) = delete;

  // 0; EINVAL as CheckIolist(), and for a piece to be sent that is null and not empty; ENOMEM.
  int Convert(dill_iolist* first, dill_iolist* last) {
    size_t count = 0;
    if (const int error = CheckIolist(first, last, &count)) return error;
    Slice* place = inline_;
    if (count > kInlineCount) {
      heap_.reset(new (std::nothrow) Slice[count]);
      if (heap_ == nullptr) return ENOMEM;
      place = heap_.get();
    }
    slices_ = absl::MakeConstSpan(place, count);
    for (const dill_iolist* it = first; it != nullptr; it = it->iol_next) {
      if (std::is_same<Slice, IoSlice>::value && it->iol_base == nullptr && it->iol_len > 0) {
        return EINVAL;
      }
      *place++ = Slice(it->iol_base, it->iol_len);
    }
    return 0;
  }

  // Valid as long as the object.
  absl::Span<const Slice> slices() const { return slices_; }

 private:
  Slice inline_[kInlineCount];
  std::unique_ptr<Slice[]> heap_;
  absl::Span<const Slice> slices_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_IOLIST_CONVERT_H_
