#ifndef HALFPIPE_BYTESTREAM_NET_ACCEPT_PACER_H_
#define HALFPIPE_BYTESTREAM_NET_ACCEPT_PACER_H_

#include <cstdint>

#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// Keeps those who accept from turning without rest while the system has no descriptor or memory for
// another connection: the connection stays in the queue then, and a listener with one is ready
// always. Each failure in a row doubles the pause before the next attempt.
//
// For one coroutine at a time.
class AcceptPacer {
 public:
  static constexpr int64_t kPauseNanosMin = 1'000'000;
  static constexpr int64_t kPauseNanosMax = 128'000'000;

  // `runtime` is borrowed and outlives the object.
  explicit AcceptPacer(Runtime* runtime) : runtime_(runtime) {}

  // An attempt has failed for want of descriptors or memory; or it has not.
  void Failed();
  void Reset() { pause_nanos_ = 0; }

  // Waits until the next attempt is due: 0, at once if nothing has failed. ETIMEDOUT: the deadline
  // is earlier, or has passed. ECANCELED; EBADF: Abort() was called.
  int Pause(Deadline deadline);

  // Ends a Pause() with EBADF.
  void Abort();

 private:
  Runtime* const runtime_;
  int64_t pause_nanos_ = 0;  // 0: the last attempt was well
  int64_t due_nanos_ = 0;
  WaiterList pausing_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_ACCEPT_PACER_H_
