#include "websocket/backoff.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/entropy.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

// Gives the numbers it was made with, big end first, and the last one for ever.
class GivenEntropy final : public Entropy {
 public:
  explicit GivenEntropy(std::vector<uint64_t> numbers) : numbers_(std::move(numbers)) {}
  void Fill(absl::Span<uint8_t> out) override {
    ASSERT_EQ(out.size(), 8u);
    for (size_t i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(numbers_[next_] >> (56 - 8 * i));
    if (next_ + 1 < numbers_.size()) ++next_;
  }

 private:
  const std::vector<uint64_t> numbers_;
  size_t next_ = 0;
};

constexpr uint64_t kHighest = std::numeric_limits<uint64_t>::max();

TEST(BackoffTest, TheLongestPauseDoublesUpToTheCap) {
  GivenEntropy entropy({kHighest});
  Backoff backoff({.first_max = absl::Seconds(1), .max = absl::Seconds(5)}, &entropy);
  for (const int seconds : {1, 2, 4, 5, 5, 5}) {
    EXPECT_EQ(backoff.bound(), absl::Seconds(seconds));
    EXPECT_EQ(backoff.Next(), absl::Seconds(seconds));
  }
}

TEST(BackoffTest, FullJitterDrawsFromZeroOn) {
  GivenEntropy entropy({0, kHighest / 2 + 1, uint64_t{1} << 62, kHighest});
  Backoff backoff({.first_max = absl::Seconds(1), .max = absl::Seconds(1)}, &entropy);
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(500));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(250));
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

TEST(BackoffTest, ASeedDecidesEveryPause) {
  FakeEntropy one(7);
  FakeEntropy two(7);
  Backoff first(BackoffOptions(), &one);
  Backoff second(BackoffOptions(), &two);
  bool all_the_same = true;
  absl::Duration before = absl::ZeroDuration();
  for (int i = 0; i < 100; ++i) {
    const absl::Duration bound = first.bound();
    const absl::Duration pause = first.Next();
    EXPECT_EQ(pause, second.Next());
    EXPECT_GE(pause, absl::ZeroDuration());
    EXPECT_LE(pause, bound);
    if (i > 0 && pause != before) all_the_same = false;
    before = pause;
  }
  EXPECT_FALSE(all_the_same);
}

TEST(BackoffTest, ResetBeginsAnew) {
  GivenEntropy entropy({kHighest});
  Backoff backoff({.first_max = absl::Seconds(1), .max = absl::Minutes(1)}, &entropy);
  backoff.Next();
  backoff.Next();
  EXPECT_EQ(backoff.bound(), absl::Seconds(4));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

TEST(BackoffTest, WhatTheServerAskedForComesBeforeTheJitter) {
  GivenEntropy entropy({kHighest, 0, 0});
  Backoff backoff({.first_max = absl::Seconds(1), .max = absl::Seconds(8)}, &entropy);
  EXPECT_EQ(backoff.NextAfter(absl::Seconds(30)), absl::Seconds(31));
  EXPECT_EQ(backoff.NextAfter(absl::Seconds(30)), absl::Seconds(30));
  EXPECT_EQ(backoff.NextAfter(-absl::Seconds(30)), absl::ZeroDuration());
  EXPECT_EQ(backoff.bound(), absl::Seconds(8));
}

TEST(BackoffTest, OddOptionsAreBounded) {
  GivenEntropy entropy({kHighest});
  Backoff negative({.first_max = -absl::Seconds(1), .max = -absl::Seconds(1)}, &entropy);
  EXPECT_EQ(negative.Next(), absl::ZeroDuration());
  EXPECT_EQ(negative.Next(), absl::ZeroDuration());
  Backoff above_the_cap({.first_max = absl::Seconds(9), .max = absl::Seconds(2)}, &entropy);
  EXPECT_EQ(above_the_cap.Next(), absl::Seconds(2));
  Backoff endless({.first_max = absl::InfiniteDuration(), .max = absl::InfiniteDuration()},
                  &entropy);
  for (int i = 0; i < 70; ++i) EXPECT_EQ(endless.Next(), absl::Hours(100 * 365 * 24));
  Backoff long_way({.first_max = absl::Nanoseconds(1), .max = absl::InfiniteDuration()}, &entropy);
  absl::Duration before = absl::ZeroDuration();
  for (int i = 0; i < 100; ++i) {
    const absl::Duration pause = long_way.Next();
    EXPECT_GE(pause, before);
    before = pause;
  }
  EXPECT_EQ(before, absl::Hours(100 * 365 * 24));
}

}  // namespace
}  // namespace halfpipe::websocket
