#include "bytestream/handle/handle_slots.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

int dummy;
void* const kValue = &dummy;

using Tiny = HandleSlots<4, 2, 6>;  // 15 slots, 4 generations

TEST(HandleSlotsTest, NumbersArePositiveAndFindTheirValue) {
  Tiny slots(3);
  Tiny::Error error;
  int values[3];
  int numbers[3];
  for (int i = 0; i < 3; ++i) {
    numbers[i] = slots.Acquire(&values[i], &error);
    EXPECT_EQ(error, Tiny::Error::kNone);
    EXPECT_GT(numbers[i], 0);
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(slots.Find(numbers[i]), &values[i]);
  slots.Release(numbers[1]);
  EXPECT_EQ(slots.Find(numbers[1]), nullptr);
  EXPECT_EQ(slots.Find(numbers[2]), &values[2]);
  EXPECT_EQ(slots.live_count(), 2u);
}

TEST(HandleSlotsTest, AnyIntMayBeAskedFor) {
  Tiny slots(0);
  Tiny::Error error;
  const int number = slots.Acquire(kValue, &error);
  for (int other = -200; other <= 200; ++other) {
    EXPECT_EQ(slots.Find(other), other == number ? kValue : nullptr) << other;
  }
  EXPECT_EQ(slots.Find(INT32_MAX), nullptr);
  EXPECT_EQ(slots.Find(INT32_MIN), nullptr);
}

TEST(HandleSlotsTest, FullAtLiveMaxAndUsableAgainAfterRelease) {
  Tiny slots(0);
  Tiny::Error error;
  std::vector<int> numbers;
  for (uint32_t i = 0; i < Tiny::kLiveMax; ++i) {
    // Churn first, so that the queue is full and slots come from it.
    for (int j = 0; j < 20 && i == 0; ++j) slots.Release(slots.Acquire(kValue, &error));
    numbers.push_back(slots.Acquire(kValue, &error));
    ASSERT_GT(numbers.back(), 0);
  }
  EXPECT_EQ(slots.Acquire(kValue, &error), 0);
  EXPECT_EQ(error, Tiny::Error::kFull);
  slots.Release(numbers[4]);
  EXPECT_GT(slots.Acquire(kValue, &error), 0);
  EXPECT_EQ(error, Tiny::Error::kNone);
  EXPECT_EQ(slots.live_count(), Tiny::kLiveMax);
}

TEST(HandleSlotsTest, ReleaseNextEndsEachOnce) {
  Tiny slots(1);
  Tiny::Error error;
  const int first = slots.Acquire(kValue, &error);
  const int second = slots.Acquire(kValue, &error);
  const int third = slots.Acquire(kValue, &error);
  slots.Release(second);
  uint32_t cursor = 0;
  int number = 0;
  uint32_t note = 7;
  EXPECT_EQ(slots.ReleaseNext(&cursor, &number, &note), kValue);
  EXPECT_EQ(number, first);
  EXPECT_EQ(note, 0u);
  EXPECT_EQ(slots.ReleaseNext(&cursor, &number, &note), kValue);
  EXPECT_EQ(number, third);
  EXPECT_EQ(slots.ReleaseNext(&cursor, &number, &note), nullptr);
  EXPECT_EQ(slots.Find(first), nullptr);
}

// A reserved number is nobody's until it is filled, and nothing has happened if it never is.
TEST(HandleSlotsTest, Reserve) {
  Tiny slots(1);
  Tiny::Error error;
  int other;
  const int first = slots.Reserve(&error);
  ASSERT_GT(first, 0);
  EXPECT_EQ(slots.Find(first), nullptr);
  EXPECT_EQ(slots.live_count(), 0u);
  const int second = slots.Acquire(&other, &error);
  EXPECT_NE(second, first);
  slots.Fill(first, kValue, /*note=*/5);
  EXPECT_EQ(slots.Find(first), kValue);
  EXPECT_EQ(slots.Find(second), &other);
  EXPECT_EQ(slots.live_count(), 2u);
  // The end of the table passes over one that is reserved.
  EXPECT_GT(slots.Reserve(&error), 0);
  uint32_t cursor = 0;
  int number = 0;
  uint32_t note = 0;
  EXPECT_EQ(slots.ReleaseNext(&cursor, &number, &note), kValue);
  EXPECT_EQ(note, 5u);
  EXPECT_EQ(slots.ReleaseNext(&cursor, &number, &note), &other);
  EXPECT_EQ(note, 0u);
  EXPECT_EQ(slots.ReleaseNext(&cursor, &number, &note), nullptr);
}

TEST(HandleSlotsTest, GivenBackIsAsNeverAskedFor) {
  Tiny slots(1);
  Tiny::Error error;
  for (const bool churned : {false, true}) {
    for (int i = 0; i < 100 && churned; ++i) slots.Release(slots.Acquire(kValue, &error));
    const int number = slots.Reserve(&error);
    slots.Unreserve(number);
    for (int i = 0; i < 100; ++i) {
      const int again = slots.Reserve(&error);
      EXPECT_EQ(again, number);
      slots.Unreserve(again);
    }
    // In another order.
    const int first = slots.Reserve(&error);
    const int second = slots.Reserve(&error);
    EXPECT_EQ(first, number);
    slots.Unreserve(first);
    const int live = slots.Acquire(kValue, &error);
    slots.Unreserve(second);
    EXPECT_EQ(slots.Find(live), kValue);
    EXPECT_EQ(slots.Find(second), nullptr);
    EXPECT_EQ(slots.live_count(), 1u);
    slots.Release(live);
  }
}

TEST(HandleSlotsTest, ReservedCountsForTheLimit) {
  Tiny slots(0);
  Tiny::Error error;
  std::vector<int> numbers;
  for (uint32_t i = 0; i < Tiny::kLiveMax; ++i) {
    numbers.push_back(slots.Reserve(&error));
    ASSERT_GT(numbers.back(), 0);
  }
  EXPECT_EQ(slots.Reserve(&error), 0);
  EXPECT_EQ(error, Tiny::Error::kFull);
  EXPECT_EQ(slots.Acquire(kValue, &error), 0);
  slots.Unreserve(numbers[3]);
  EXPECT_GT(slots.Acquire(kValue, &error), 0);
  EXPECT_EQ(slots.Reserve(&error), 0);
  for (const int number : numbers) {
    if (number != numbers[3]) slots.Unreserve(number);
  }
  EXPECT_EQ(slots.live_count(), 1u);
}

// Numbers that are withheld are none in particular; the others go on as before.
TEST(HandleSlotsTest, WithheldCountsForTheLimit) {
  for (const int churn : {0, 40}) {
    Tiny slots(0);
    Tiny::Error error;
    // After many the queue is full.
    for (int i = 0; i < churn; ++i) slots.Release(slots.Acquire(kValue, &error));
    const int held = slots.Acquire(kValue, &error);
    const uint32_t withheld = slots.WithholdRest();
    EXPECT_EQ(withheld, Tiny::kLiveMax - 1);
    EXPECT_EQ(slots.WithholdRest(), 0u);
    EXPECT_EQ(slots.live_count(), 1u);
    EXPECT_EQ(slots.Prepare(), Tiny::Error::kFull);
    EXPECT_EQ(slots.Reserve(&error), 0);
    EXPECT_EQ(error, Tiny::Error::kFull);
    EXPECT_EQ(slots.Find(held), kValue);
    slots.Release(held);
    const int next = slots.Acquire(kValue, &error);
    EXPECT_GT(next, 0);
    EXPECT_NE(next, held);
    EXPECT_EQ(slots.Acquire(kValue, &error), 0);
    slots.GiveBack(withheld);
    for (uint32_t i = 1; i < Tiny::kLiveMax; ++i) EXPECT_GT(slots.Acquire(kValue, &error), 0);
    EXPECT_EQ(slots.Acquire(kValue, &error), 0);
    EXPECT_EQ(slots.live_count(), Tiny::kLiveMax);
  }
}

// Reserving and giving back among others does not bring a number back early.
TEST(HandleSlotsTest, ReservingKeepsTheDistance) {
  Tiny slots(2);
  Tiny::Error error;
  std::map<int, uint64_t> last;
  uint64_t given = 0;
  const auto seen = [&](int number) {
    const auto [it, fresh] = last.try_emplace(number, given);
    if (!fresh) {
      ASSERT_GE(given - it->second, Tiny::kReuseDistance) << number;
      it->second = given;
    }
    ++given;
  };
  std::vector<int> live;
  std::vector<int> reserved;
  std::mt19937 random(20'261);
  for (int i = 0; i < 20'000; ++i) {
    switch (random() % 5) {
      case 0:
        if (const int number = slots.Reserve(&error)) reserved.push_back(number);
        break;
      case 1:
        if (!reserved.empty()) {
          std::swap(reserved[random() % reserved.size()], reserved.back());
          slots.Unreserve(reserved.back());
          reserved.pop_back();
        }
        break;
      case 2:
        if (!reserved.empty()) {
          slots.Fill(reserved.back(), kValue, 0);
          seen(reserved.back());
          live.push_back(reserved.back());
          reserved.pop_back();
        }
        break;
      case 3:
        if (const int number = slots.Acquire(kValue, &error)) {
          seen(number);
          live.push_back(number);
        }
        break;
      default:
        if (!live.empty()) {
          std::swap(live[random() % live.size()], live.back());
          slots.Release(live.back());
          live.pop_back();
        }
    }
    ASSERT_EQ(slots.live_count(), live.size());
  }
}

// Whatever the order of opening and closing: no number comes back before kReuseDistance others.
template <typename Slots>
void CheckDistance(uint32_t seed, uint32_t live_limit, int steps) {
  std::mt19937 random(seed);
  Slots slots(seed);
  typename Slots::Error error;
  std::unordered_map<int, uint64_t> given;  // number, when
  std::vector<int> live;
  uint64_t count = 0;
  bool opening = true;
  for (int step = 0; step < steps; ++step) {
    if (live.empty()) opening = true;
    if (live.size() >= live_limit) opening = false;
    if (random() % 8 == 0) opening = !opening;
    if (live.empty() || (opening && live.size() < live_limit)) {
      const int number = slots.Acquire(kValue, &error);
      ASSERT_GT(number, 0);
      const auto found = given.find(number);
      if (found != given.end()) {
        ASSERT_GE(count - found->second, Slots::kReuseDistance) << "seed " << seed;
      }
      given[number] = count++;
      live.push_back(number);
    } else {
      // Oldest, newest or any: the adversary does not matter.
      const uint32_t kind = random() % 3;
      const size_t at = kind == 0 ? 0 : kind == 1 ? live.size() - 1 : random() % live.size();
      slots.Release(live[at]);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
}

TEST(HandleSlotsTest, NumbersComeBackLate) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    CheckDistance<Tiny>(seed, 1 + seed % Tiny::kLiveMax, 3000);
    CheckDistance<HandleSlots<8, 3, 40>>(seed, 1 + seed * 3, 20000);
  }
}

// What is freed before the queue first fills comes back early, once; the worst case.
TEST(HandleSlotsTest, EarlyFirstReuseIsCountedIn) {
  using Slots = HandleSlots<8, 3, 40>;
  Slots slots(0);
  Slots::Error error;
  std::vector<int> numbers;
  for (int i = 0; i < 40; ++i) numbers.push_back(slots.Acquire(kValue, &error));
  const int early = numbers.back();
  slots.Release(early);
  for (int i = 0; i < 39; ++i) slots.Release(numbers[static_cast<size_t>(i)]);
  uint64_t distance = 0;
  for (;;) {
    ++distance;
    const int number = slots.Acquire(kValue, &error);
    if (number == early) break;
    slots.Release(number);
  }
  EXPECT_GE(distance, Slots::kReuseDistance);
  EXPECT_LT(distance, Slots::kReuseDistance + 100);
}

// The real dimensions, one handle opened and closed again and again: the nearest repetition there
// can be is beyond 2^24.
TEST(HandleSlotsTest, RealDimensionsKeepTheDistance) {
  using Slots = HandleSlots<20, 11, 8200>;
  auto slots = std::make_unique<Slots>(77u);
  Slots::Error error;
  const int first = slots->Acquire(kValue, &error);
  slots->Release(first);
  uint32_t distance = 1;
  for (;; ++distance) {
    const int number = slots->Acquire(kValue, &error);
    if (number == first) break;
    slots->Release(number);
  }
  EXPECT_GE(distance, uint32_t{1} << 24);
}

TEST(HandleSlotsTest, RealDimensionsHoldAMillion) {
  using Slots = HandleSlots<20, 11, 8200>;
  auto slots = std::make_unique<Slots>(5u);
  Slots::Error error;
  uint32_t count = 0;
  while (slots->Acquire(kValue, &error) != 0) ++count;
  EXPECT_EQ(error, Slots::Error::kFull);
  EXPECT_EQ(count, Slots::kLiveMax);
}

}  // namespace
}  // namespace halfpipe
