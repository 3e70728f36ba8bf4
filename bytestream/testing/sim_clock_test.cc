#include "bytestream/testing/sim_clock.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(SimClockTest, MovesForwardOnly) {
  SimClock clock;
  const int64_t start = clock.NowNanos();
  EXPECT_GT(start, 0);
  clock.Advance(absl::Nanoseconds(5));
  EXPECT_EQ(clock.NowNanos(), start + 5);
  clock.AdvanceTo(Deadline::AtNanos(start));
  EXPECT_EQ(clock.NowNanos(), start + 5);
}

TEST(SimRuntimeTest, SleepsJumpToTheirEnd) {
  SimRuntime runtime;
  EXPECT_EQ(&Clock::Current(), &runtime.clock());
  const int64_t start = runtime.clock().NowNanos();
  EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Hours(24))), 0);
  EXPECT_EQ(runtime.clock().NowNanos() - start, absl::ToInt64Nanoseconds(absl::Hours(24)));
}

TEST(SimRuntimeTest, SleepersWakeInTheOrderOfTheirDeadlines) {
  SimRuntime runtime;
  Bundle bundle(&runtime);
  std::string order;
  for (const int minutes : {30, 10, 20}) {
    ASSERT_TRUE(bundle
                    .Go([&runtime, &order, minutes] {
                      EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Minutes(minutes))), 0);
                      order += std::to_string(minutes) + " ";
                    })
                    .ok());
  }
  EXPECT_EQ(bundle.Wait(Deadline::In(absl::Minutes(25))), ETIMEDOUT);
  EXPECT_EQ(order, "10 20 ");
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "10 20 30 ");
}

TEST(SimRuntimeDeathTest, DeadlockEndsTheProcess) {
  EXPECT_DEATH(
      {
        SimRuntime runtime;
        static_cast<void>(runtime.SleepUntil(Deadline::Never()));
      },
      "deadlock");
}

TEST(SimRuntimeTest, HasNoDescriptors) {
  SimRuntime runtime;
  EXPECT_EQ(runtime.engine().WaitForeignFd(0, false, Deadline::Never()), ENOTSUP);
}

}  // namespace
}  // namespace halfpipe
