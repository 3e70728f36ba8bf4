#include "websocket/drain_wish.h"

#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

// What is left at most: time passes on the system's clock while the simulated one stands.
absl::Duration Left(const DrainWish& wish, SimRuntime* runtime) {
  const auto deadline = wish.Get();
  if (!deadline.has_value() || deadline->is_never()) return absl::InfiniteDuration();
  if (deadline->is_immediate()) return absl::ZeroDuration();
  return absl::Nanoseconds(deadline->nanos() - runtime->sim_clock().NowNanos());
}

TEST(DrainWishTest, NobodyHasAsked) {
  const DrainWish wish;
  EXPECT_FALSE(wish.Get().has_value());
}

TEST(DrainWishTest, TheEarliestBoundCounts) {
  SimRuntime runtime;
  DrainWish wish;
  wish.Ask(absl::InfiniteDuration());
  ASSERT_TRUE(wish.Get().has_value());
  EXPECT_TRUE(wish.Get()->is_never());
  wish.Ask(absl::Hours(2));
  EXPECT_GT(Left(wish, &runtime), absl::Hours(1));
  EXPECT_LE(Left(wish, &runtime), absl::Hours(2));
  wish.Ask(absl::Hours(1));
  wish.Ask(absl::Hours(3));
  wish.Ask(absl::InfiniteDuration());
  EXPECT_GT(Left(wish, &runtime), absl::ZeroDuration());
  EXPECT_LE(Left(wish, &runtime), absl::Hours(1));
  wish.Ask(absl::ZeroDuration());
  EXPECT_TRUE(wish.Get()->is_immediate());
}

TEST(DrainWishTest, NegativeIsAtOnceAndTooLongIsNever) {
  SimRuntime runtime;
  DrainWish now;
  now.Ask(-absl::Seconds(5));
  EXPECT_TRUE(now.Get()->is_immediate());
  DrainWish negative;
  negative.Ask(-absl::InfiniteDuration());
  EXPECT_TRUE(negative.Get()->is_immediate());
  DrainWish never;
  never.Ask(absl::Nanoseconds(INT64_MAX));
  EXPECT_TRUE(never.Get()->is_never());
}

}  // namespace
}  // namespace halfpipe::websocket
