#ifndef HALFPIPE_BYTESTREAM_C_CALL_H_
#define HALFPIPE_BYTESTREAM_C_CALL_H_

#include <cerrno>

#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// What a C call that failed returns: sets errno.
inline int FailCall(int error) {
  errno = error;
  return -1;
}

// The end of a C call that may have been done without waiting: lets others run when the coroutine
// has had its turn, then returns 0, or -1 with errno. To be called when nothing is held any more,
// neither a direction nor a pin.
inline int EndCall(int error) {
  Runtime::Current().CountOperation();
  return error == 0 ? 0 : FailCall(error);
}

// The same for a call whose result is a number: `result` as it is, or a negative errno.
inline int EndCallWithResult(int result) {
  Runtime::Current().CountOperation();
  return result >= 0 ? result : FailCall(-result);
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_C_CALL_H_
