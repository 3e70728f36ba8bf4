#include "bytestream/base/clock.h"

#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class FixedClock final : public Clock {
 public:
  int64_t NowNanos() override { return 42; }
};

TEST(ClockTest, SystemClockNeverGoesBack) {
  int64_t before = Clock::System().NowNanos();
  EXPECT_GE(before, 0);
  for (int i = 0; i < 1000; ++i) {
    const int64_t now = Clock::System().NowNanos();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(ClockTest, SystemClockIsCurrentUnlessAnotherIsInstalled) {
  EXPECT_EQ(&Clock::Current(), &Clock::System());
  FixedClock fixed;
  EXPECT_EQ(Clock::SetCurrent(&fixed), nullptr);
  EXPECT_EQ(&Clock::Current(), &fixed);
  EXPECT_EQ(Clock::Current().NowNanos(), 42);
  EXPECT_EQ(Clock::SetCurrent(nullptr), &fixed);
  EXPECT_EQ(&Clock::Current(), &Clock::System());
}

TEST(ClockTest, CurrentClockIsAThreadsOwn) {
  FixedClock fixed;
  Clock::SetCurrent(&fixed);
  Clock* elsewhere = nullptr;
  std::thread([&elsewhere] { elsewhere = &Clock::Current(); }).join();
  EXPECT_EQ(elsewhere, &Clock::System());
  EXPECT_EQ(Clock::SetCurrent(nullptr), &fixed);
}

}  // namespace
}  // namespace halfpipe
