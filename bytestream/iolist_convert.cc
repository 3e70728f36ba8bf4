#include "bytestream/iolist_convert.h"

#include <cerrno>
#include <cstddef>

#include "bytestream/iolist.h"

namespace halfpipe {

int CheckIolist(dill_iolist* first, dill_iolist* last, size_t* count) {
  *count = 0;
  if (first == nullptr || last == nullptr) return EINVAL;
  // A circle is found with a second pointer that jumps to the first one each time the count reaches
  // a power of two (Brent). Marks in iol_rsvd would do as well, but a list may be in use by another
  // coroutine's call, and what a caller left in iol_rsvd need not matter.
  const dill_iolist* mark = first;
  size_t next_mark = 2;
  size_t pieces = 1;
  dill_iolist* it = first;
  it->iol_rsvd = 0;
  while (it->iol_next != nullptr) {
    if (it == last) return EINVAL;
    it = it->iol_next;
    it->iol_rsvd = 0;
    if (it == mark) return EINVAL;
    if (++pieces == next_mark) {
      mark = it;
      next_mark *= 2;
    }
  }
  if (it != last) return EINVAL;
  *count = pieces;
  return 0;
}

}  // namespace halfpipe
