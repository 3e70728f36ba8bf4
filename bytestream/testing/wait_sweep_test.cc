#include "bytestream/testing/wait_sweep.h"

#include <cerrno>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

int WaitASecond(Runtime* runtime) {
  Waiter waiter;
  WaiterList list;
  list.PushBack(&waiter);
  return runtime->Wait(&waiter, Deadline::In(absl::Seconds(1)));
}

TEST(WaitSweepTest, EachWaitIsTimedOutOnce) {
  SimRuntime runtime;
  std::vector<int64_t> elapsed;
  const int waits = SweepWaits(&runtime, ETIMEDOUT, [&](WaitFault&) {
    const int64_t start = runtime.clock().NowNanos();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(WaitASecond(&runtime), ETIMEDOUT);
    elapsed.push_back((runtime.clock().NowNanos() - start) / 1'000'000'000);
  });
  EXPECT_EQ(waits, 3);
  // One of three seconds is saved whenever a wait is ended, and none in the last run.
  EXPECT_EQ(elapsed, (std::vector<int64_t>{2, 2, 2, 3}));
}

TEST(WaitSweepTest, CancellationSticks) {
  SimRuntime runtime;
  std::vector<int> errors;
  SweepWaits(ECANCELED, [&](WaitFault& fault) {
    Bundle bundle(&runtime);
    int cancelled = 0;
    ASSERT_TRUE(bundle
                    .Go([&] {
                      fault.set_only(runtime.current());
                      for (int i = 0; i < 3; ++i) {
                        if (WaitASecond(&runtime) == ECANCELED) ++cancelled;
                      }
                    })
                    .ok());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    errors.push_back(cancelled);
  });
  EXPECT_EQ(errors, (std::vector<int>{3, 2, 1, 0}));
}

TEST(WaitSweepTest, OneCoroutineAlone) {
  SimRuntime runtime;
  WaitFault fault(&runtime, ETIMEDOUT, 0, runtime.current());
  Bundle bundle(&runtime);
  const int64_t start = runtime.clock().NowNanos();
  int64_t woke = 0;
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_EQ(WaitASecond(&runtime), ETIMEDOUT);
                    woke = runtime.clock().NowNanos();
                  })
                  .ok());
  EXPECT_FALSE(fault.hit());
  EXPECT_EQ(WaitASecond(&runtime), ETIMEDOUT);
  EXPECT_TRUE(fault.hit());
  EXPECT_EQ(runtime.clock().NowNanos(), start);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(woke - start, 1'000'000'000);
}

TEST(WaitSweepTest, AllButOneCoroutine) {
  SimRuntime runtime;
  WaitFault fault(&runtime, ETIMEDOUT, 0);
  fault.set_except(runtime.current());
  EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  EXPECT_FALSE(fault.hit());
  Bundle bundle(&runtime);
  ASSERT_TRUE(bundle.Go([&] { EXPECT_EQ(WaitASecond(&runtime), ETIMEDOUT); }).ok());
  EXPECT_TRUE(fault.hit());
}

// A watch tells when the wait has begun, and ends nothing.
TEST(WaitSweepTest, WatchesOneWait) {
  SimRuntime runtime;
  WaitWatch watch(&runtime, 1);
  Bundle bundle(&runtime);
  int waits = 0;
  ASSERT_TRUE(bundle
                  .Go([&] {
                    watch.set_only(runtime.current());
                    while (runtime.SleepUntil(Deadline::In(absl::Seconds(1))) == 0) ++waits;
                  })
                  .ok());
  EXPECT_FALSE(watch.reached());
  while (!watch.reached()) EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(100))), 0);
  EXPECT_EQ(waits, 1);
  bundle.CancelAndJoin();
  EXPECT_EQ(waits, 1);
}

}  // namespace
}  // namespace halfpipe
