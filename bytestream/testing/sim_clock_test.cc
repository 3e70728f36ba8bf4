#include "bytestream/testing/sim_clock.h"

#include <cerrno>
#include <cstdint>
#include <set>
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

// What a real runtime takes ten minutes for; the test's own time limit is far below.
TEST(SimRuntimeTest, ATenMinuteTimeoutTakesNoTime) {
  SimRuntime runtime;
  Bundle bundle(&runtime);
  ASSERT_TRUE(bundle.Go([&] { EXPECT_EQ(runtime.SleepUntil(Deadline::Never()), ECANCELED); }).ok());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(bundle.Wait(Deadline::In(absl::Minutes(10))), ETIMEDOUT);
  }
  EXPECT_EQ(runtime.clock().NowNanos(),
            1'000'000'000 + absl::ToInt64Nanoseconds(absl::Minutes(10'000)));
}

// Coroutines that take turns and sleep; who ran when.
std::string Interleaving(uint64_t seed) {
  SimRuntime runtime(seed);
  Bundle bundle(&runtime);
  std::string order;
  for (const char name : {'a', 'b', 'c', 'd', 'e', 'f'}) {
    const auto body = [&runtime, &order, name] {
      for (int i = 0; i < 10; ++i) {
        order += name;
        EXPECT_EQ(i % 3 == 0 ? runtime.SleepUntil(Deadline::In(absl::Seconds(1))) : runtime.Yield(),
                  0);
      }
    };
    EXPECT_TRUE(bundle.Go(body).ok());
  }
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  return order;
}

TEST(SimRuntimeTest, ASeedReplaysExactly) {
  for (const uint64_t seed : {uint64_t{1}, uint64_t{2}, uint64_t{0xfffffffffffffff0}}) {
    const std::string order = Interleaving(seed);
    EXPECT_EQ(order.size(), 60u);
    EXPECT_EQ(order, Interleaving(seed)) << "seed " << seed;
  }
}

TEST(SimRuntimeTest, SeedsDiffer) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 50; ++seed) orders.insert(Interleaving(seed));
  EXPECT_GT(orders.size(), 45u);
}

TEST(SimRuntimeTest, WithoutASeedTheOrderIsThatOfTheRealRuntime) {
  const std::string order = Interleaving(0);
  EXPECT_EQ(order, Interleaving(0));
  EXPECT_EQ(order.substr(0, 12), "abcdefabcdef");
}

// With a seed as without one nobody is passed over for ever.
TEST(SimRuntimeTest, EveryReadyCoroutineRuns) {
  SimRuntime runtime(7);
  Bundle bundle(&runtime);
  int turns[3] = {};
  for (int& mine : turns) {
    const auto body = [&runtime, &mine] {
      while (runtime.Yield() == 0) ++mine;
    };
    ASSERT_TRUE(bundle.Go(body).ok());
  }
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(runtime.Yield(), 0);
  for (const int count : turns) EXPECT_GT(count, 100);
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
