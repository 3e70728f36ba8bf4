#ifndef HALFPIPE_BYTESTREAM_TESTING_SIM_CLOCK_H_
#define HALFPIPE_BYTESTREAM_TESTING_SIM_CLOCK_H_

#include <cstdint>

#include "absl/time/time.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// A clock that moves only when it is told to. Starts at one second.
class SimClock final : public Clock {
 public:
  int64_t NowNanos() override { return now_nanos_; }

  // Moves to `deadline`, which is not Never(); stays where it is if that has passed.
  void AdvanceTo(Deadline deadline);
  void Advance(absl::Duration duration) {
    AdvanceTo(Deadline::AtNanos(now_nanos_ + absl::ToInt64Nanoseconds(duration)));
  }

 private:
  int64_t now_nanos_ = 1'000'000'000;
};

namespace testing_internal {

struct SimClockOwner {
  SimClock sim_clock_;
};

}  // namespace testing_internal

// A runtime on simulated time, with no descriptors at all: when every coroutine waits, the clock
// jumps to the next timer, so that a test of a ten-minute timeout takes microseconds and a failure
// replays. Streams of such a runtime are pairs and those of this package.
//
// When every coroutine waits and no timer is armed the process ends with a message: a deadlock is
// found at once instead of by the test's time limit. An operation on a descriptor is ENOTSUP.
//
// Other threads run in real time. While a coroutine is in RunBlocking() simulated time stands still;
// where nothing but a PostTarget could end the wait, it is waited for.
//
// `seed`: 0 keeps the order of the real runtime, first in, first out. Any other one, printed, makes
// coroutines that are ready run in an order of its own, so that a test can be run with many seeds
// and replayed with the one that failed.
//
// Example:
//   SimRuntime runtime;
//   EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Minutes(10))), 0);
class SimRuntime final : private testing_internal::SimClockOwner, public Runtime {
 public:
  explicit SimRuntime(uint64_t seed = 0);

  SimClock& sim_clock() { return sim_clock_; }
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_SIM_CLOCK_H_
