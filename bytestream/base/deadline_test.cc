#include "bytestream/base/deadline.h"

#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "bytestream/base/clock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

class FixedClock final : public Clock {
 public:
  explicit FixedClock(int64_t nanos) : nanos_(nanos) {}
  int64_t NowNanos() override { return nanos_; }

 private:
  const int64_t nanos_;
};

// Measures the deadlines of its scope on a clock that stands still.
class ClockScope {
 public:
  explicit ClockScope(int64_t nanos) : clock_(nanos), before_(Clock::SetCurrent(&clock_)) {}
  ~ClockScope() { Clock::SetCurrent(before_); }

 private:
  FixedClock clock_;
  Clock* const before_;
};

TEST(DeadlineTest, NeverNeverExpires) {
  EXPECT_TRUE(Deadline::Never().is_never());
  EXPECT_FALSE(Deadline::Never().is_immediate());
  EXPECT_FALSE(Deadline::Never().ExpiredAt(0));
  EXPECT_FALSE(Deadline::Never().ExpiredAt(kMax));
}

TEST(DeadlineTest, ImmediatelyHasExpiredAtTheStartOfTime) {
  EXPECT_TRUE(Deadline::Immediately().is_immediate());
  EXPECT_FALSE(Deadline::Immediately().is_never());
  EXPECT_TRUE(Deadline::Immediately().ExpiredAt(0));
}

TEST(DeadlineTest, ExpiresAtItsNanosecondNotBefore) {
  const Deadline deadline = Deadline::AtNanos(1000);
  EXPECT_FALSE(deadline.ExpiredAt(999));
  EXPECT_TRUE(deadline.ExpiredAt(1000));
  EXPECT_TRUE(deadline.ExpiredAt(1001));
}

TEST(DeadlineTest, AtNegativeNanosIsImmediately) {
  EXPECT_EQ(Deadline::AtNanos(-1), Deadline::Immediately());
  EXPECT_EQ(Deadline::AtNanos(std::numeric_limits<int64_t>::min()), Deadline::Immediately());
  EXPECT_EQ(Deadline::AtNanos(kMax), Deadline::Never());
}

TEST(DeadlineTest, InIsMeasuredOnTheCurrentClock) {
  const ClockScope scope(5'000);
  EXPECT_EQ(Deadline::In(absl::Nanoseconds(7)).nanos(), 5'007);
  EXPECT_EQ(Deadline::In(absl::Seconds(2)).nanos(), 2'000'005'000);
}

TEST(DeadlineTest, InWithoutADurationLeftIsImmediately) {
  const ClockScope scope(5'000);
  EXPECT_EQ(Deadline::In(absl::ZeroDuration()), Deadline::Immediately());
  EXPECT_EQ(Deadline::In(absl::Nanoseconds(-1)), Deadline::Immediately());
  EXPECT_EQ(Deadline::In(-absl::InfiniteDuration()), Deadline::Immediately());
}

TEST(DeadlineTest, InSaturatesToNever) {
  const ClockScope scope(5'000);
  EXPECT_EQ(Deadline::In(absl::InfiniteDuration()), Deadline::Never());
  EXPECT_EQ(Deadline::In(absl::Hours(24) * 365 * 1'000'000), Deadline::Never());
  EXPECT_EQ(Deadline::In(absl::Nanoseconds(kMax - 5'000)), Deadline::Never());
  EXPECT_EQ(Deadline::In(absl::Nanoseconds(kMax - 5'001)).nanos(), kMax - 1);
}

TEST(DeadlineTest, MillisOfTheCCalls) {
  EXPECT_EQ(Deadline::FromMillis(-1), Deadline::Never());
  EXPECT_EQ(Deadline::FromMillis(std::numeric_limits<int64_t>::min()), Deadline::Never());
  EXPECT_EQ(Deadline::FromMillis(0), Deadline::Immediately());
  EXPECT_EQ(Deadline::FromMillis(1).nanos(), 1'000'000);
  EXPECT_EQ(Deadline::FromMillis(kMax), Deadline::Never());
  EXPECT_EQ(Deadline::FromMillis(kMax / 1'000'000), Deadline::Never());
  EXPECT_EQ(Deadline::FromMillis(kMax / 1'000'000 - 1).nanos(), (kMax / 1'000'000 - 1) * 1'000'000);
}

TEST(DeadlineTest, EarlierComparesLess) {
  EXPECT_LT(Deadline::Immediately(), Deadline::AtNanos(1));
  EXPECT_LT(Deadline::AtNanos(1), Deadline::AtNanos(2));
  EXPECT_LT(Deadline::AtNanos(kMax - 1), Deadline::Never());
  EXPECT_EQ(Deadline::AtNanos(3), Deadline::AtNanos(3));
}

}  // namespace
}  // namespace halfpipe
