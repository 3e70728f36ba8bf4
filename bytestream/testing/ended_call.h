#ifndef HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_H_
#define HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_H_

#include <cerrno>
#include <functional>
#include <memory>

#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/wait_sweep.h"

namespace halfpipe {

// How a wait ends before its time: the bundle of its coroutine is closed, or the wait is cancelled
// or times out under it.
enum class End { kClosed, kCancelled, kTimedOut };

// For the names of tests.
inline const char* EndName(End end) {
  static constexpr const char* kNames[] = {"Closed", "Cancelled", "TimedOut"};
  return kNames[static_cast<int>(end)];
}

inline int ErrorOf(End end) { return end == End::kTimedOut ? ETIMEDOUT : ECANCELED; }

// A C call in a coroutine of its own, whose N-th wait ends before its time.
//
// Example:
//   EndedCall call(&runtime, End::kClosed, nth);
//   call.Begin([&] { return bsend(s, text, size, -1) == 0 ? 0 : -errno; });
//   const int result = call.Finish([&] { ReceiveALittle(peer); });
//   if (!call.hit()) EXPECT_EQ(result, 0);  // there was no such wait
class EndedCall {
 public:
  // Takes the runtime's place for an observer. `nth` counts from 0.
  EndedCall(Runtime* runtime, End end, int nth);
  ~EndedCall();
  EndedCall(const EndedCall&) = delete;
  EndedCall& operator=(const EndedCall&) = delete;

  // Begins `call`, which gives a result or a negative errno.
  void Begin(std::function<int()> call);

  // Lets others run until the call has come to its end, making `step` in between: what the peer
  // does, some of it each time. Returns what the call came to.
  int Finish(const std::function<void()>& step);

  // True if the N-th wait came.
  bool hit() const { return watch_ != nullptr ? watch_->reached() : fault_->hit(); }

 private:
  static void Main(EndedCall* self);

  Runtime* const runtime_;
  Coroutine nobody_;
  std::unique_ptr<WaitWatch> watch_;
  std::unique_ptr<WaitFault> fault_;
  std::function<int()> call_;
  int h_ = -1;
  int result_ = 0;
  bool finished_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_H_
