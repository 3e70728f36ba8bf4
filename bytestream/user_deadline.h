#ifndef HALFPIPE_BYTESTREAM_USER_DEADLINE_H_
#define HALFPIPE_BYTESTREAM_USER_DEADLINE_H_

#include <cerrno>
#include <cstdint>

#include "bytestream/base/deadline.h"

namespace halfpipe {

// A deadline in the convention of the C calls, for functions of the user's: the inverse of
// Deadline::FromMillis(). A part of a millisecond counts as one, so that nobody gives up early.
inline int64_t UserDeadline(Deadline deadline) {
  constexpr int64_t kNanosPerMilli = 1'000'000;
  if (deadline.is_never()) return -1;
  return deadline.nanos() / kNanosPerMilli + (deadline.nanos() % kNanosPerMilli != 0 ? 1 : 0);
}

// What a function of the user's that returned -1 and left `error` in errno means by it.
inline int UserError(int error) { return error > 0 ? error : ECONNRESET; }

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_USER_DEADLINE_H_
