#ifndef HALFPIPE_BYTESTREAM_TESTING_SCRIPTED_WAIT_H_
#define HALFPIPE_BYTESTREAM_TESTING_SCRIPTED_WAIT_H_

#include <algorithm>
#include <cerrno>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// Waits as an operation would that takes `duration`: 0 when it is over, else ETIMEDOUT or ECANCELED.
// One that takes no time does not wait. InfiniteDuration() is never over.
inline int ScriptedWait(Runtime* runtime, absl::Duration duration, Deadline deadline) {
  if (const int error = runtime->CheckCancelled()) return error;
  if (duration <= absl::ZeroDuration()) return 0;
  const Deadline over = Deadline::In(duration);
  Waiter waiter;
  const int error = runtime->Wait(&waiter, std::min(over, deadline));
  return error == ETIMEDOUT && over.ExpiredAt(runtime->clock().NowNanos()) ? 0 : error;
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_SCRIPTED_WAIT_H_
