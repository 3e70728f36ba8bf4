#include "bytestream/base/set_aside.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/heap_counter.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

absl::string_view AsChars(absl::Span<const uint8_t> bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string Kept(SetAside& aside) { return std::string(AsChars(aside.bytes())); }

TEST(SetAsideTest, EmptyHoldsNothing) {
  SetAside aside;
  EXPECT_TRUE(aside.empty());
  EXPECT_FALSE(aside.has_gaps());
  EXPECT_EQ(aside.message_bytes(), 0u);
  EXPECT_TRUE(aside.bytes().empty());
  EXPECT_TRUE(aside.Fits({}));
}

TEST(SetAsideTest, KeepsTheBeginningOfAList) {
  char text[] = "abcdefgh";
  const IoSpan list[] = {IoSpan(text, 3), IoSpan(text + 3, 0), IoSpan(text + 3, 5)};
  for (size_t count = 0; count <= 8; ++count) {
    SCOPED_TRACE(count);
    SetAside aside;
    ASSERT_TRUE(aside.Save(list, count));
    EXPECT_EQ(aside.empty(), count == 0);
    EXPECT_EQ(aside.message_bytes(), count);
    EXPECT_FALSE(aside.has_gaps());
    EXPECT_EQ(Kept(aside), std::string("abcdefgh").substr(0, count));
    // What is kept is a copy, and goes into a list of any shape.
    char first[1] = {'?'};
    char rest[8];
    std::memset(rest, '?', sizeof(rest));
    const IoSpan other[] = {IoSpan(first, 1), IoSpan(rest, sizeof(rest))};
    ASSERT_TRUE(aside.Fits(other));
    if (count > 0) aside.Restore(other);
    const std::string expected =
        std::string("abcdefgh").substr(0, count) + std::string(9 - count, '?');
    EXPECT_EQ(std::string(first, 1) + std::string(rest, 8), expected);
    EXPECT_TRUE(aside.empty());
  }
}

TEST(SetAsideTest, GapsKeepTheirPlace) {
  char text[] = "abXXcdXe";
  const IoSpan list[] = {IoSpan(text, 2), IoSpan(nullptr, 2), IoSpan(text + 4, 2),
                         IoSpan(nullptr, 1), IoSpan(text + 7, 1)};
  for (size_t count = 1; count <= 8; ++count) {
    SCOPED_TRACE(count);
    SetAside aside;
    ASSERT_TRUE(aside.Save(list, count));
    EXPECT_EQ(aside.message_bytes(), count);
    EXPECT_EQ(aside.has_gaps(), count > 2);
    // The same list, its pieces elsewhere.
    char to[] = "????????";
    const IoSpan same[] = {IoSpan(to, 2), IoSpan(nullptr, 2), IoSpan(to + 4, 2), IoSpan(nullptr, 1),
                           IoSpan(to + 7, 1)};
    // A list that wants what was skipped, and one that skips it all.
    const IoSpan whole[] = {IoSpan(to, 8)};
    const IoSpan nothing[] = {IoSpan(nullptr, 8)};
    EXPECT_EQ(aside.Fits(whole), count <= 2);
    EXPECT_TRUE(aside.Fits(nothing));
    ASSERT_TRUE(aside.Fits(same));
    aside.Restore(same);
    std::string expected = "ab??cd?e";
    for (size_t i = count; i < expected.size(); ++i) expected[i] = '?';
    EXPECT_EQ(std::string(to, 8), expected);
    EXPECT_TRUE(aside.empty());
    EXPECT_FALSE(aside.has_gaps());
  }
}

TEST(SetAsideTest, RestoreIntoAListThatSkipsMore) {
  char text[] = "abcd";
  const IoSpan list[] = {IoSpan(text, 1), IoSpan(nullptr, 1), IoSpan(text + 2, 2)};
  SetAside aside;
  ASSERT_TRUE(aside.Save(list, 4));
  char last = '?';
  const IoSpan other[] = {IoSpan(nullptr, 3), IoSpan(&last, 1)};
  ASSERT_TRUE(aside.Fits(other));
  aside.Restore(other);
  EXPECT_EQ(last, 'd');
}

TEST(SetAsideTest, DiscardedBytesFitOnlyWhereTheyAreSkipped) {
  SetAside aside;
  aside.SaveDiscarded(uint64_t{1} << 40);
  EXPECT_EQ(aside.message_bytes(), uint64_t{1} << 40);
  EXPECT_TRUE(aside.has_gaps());
  EXPECT_TRUE(aside.bytes().empty());
  char byte;
  const IoSpan skipping[] = {IoSpan(nullptr, SIZE_MAX)};
  const IoSpan reading[] = {IoSpan(&byte, 1), IoSpan(nullptr, SIZE_MAX)};
  const IoSpan short_one[] = {IoSpan(nullptr, 1 << 20)};
  EXPECT_TRUE(aside.Fits(skipping));
  EXPECT_FALSE(aside.Fits(reading));
  EXPECT_FALSE(aside.Fits(short_one));
  aside.Clear();
  EXPECT_TRUE(aside.empty());
  EXPECT_FALSE(aside.has_gaps());
}

// Only what is new is taken from the list, whose memory may have become something else meanwhile.
TEST(SetAsideTest, SaveAddsToWhatIsThere) {
  char text[] = "abcdef";
  const IoSpan list[] = {IoSpan(text, 2), IoSpan(text + 2, 4)};
  SetAside aside;
  ASSERT_TRUE(aside.Save(list, 1));
  ASSERT_TRUE(aside.Save(list, 1));
  text[0] = '?';
  ASSERT_TRUE(aside.Save(list, 4));
  std::memset(text, '?', 4);
  ASSERT_TRUE(aside.Save(list, 6));
  EXPECT_EQ(Kept(aside), "abcdef");
  EXPECT_FALSE(aside.has_gaps());
  aside.Restore(list);
  EXPECT_STREQ(text, "abcdef");
}

// Each list skips and keeps what it likes.
TEST(SetAsideTest, SaveFromListsOfDifferentShapes) {
  char text[] = "abcdefgh";
  char other[] = "????efgh";
  SetAside aside;
  const IoSpan whole[] = {IoSpan(text, 8)};
  ASSERT_TRUE(aside.Save(whole, 4));
  // Has less memory than is kept already.
  const IoSpan skips[] = {IoSpan(nullptr, 5), IoSpan(other + 5, 2), IoSpan(nullptr, 1)};
  ASSERT_TRUE(aside.Fits(skips));
  ASSERT_TRUE(aside.Save(skips, 6));
  EXPECT_EQ(Kept(aside), "abcdf");
  ASSERT_TRUE(aside.Save(skips, 8));
  EXPECT_EQ(Kept(aside), "abcdfg");
  EXPECT_EQ(aside.message_bytes(), 8u);
  EXPECT_FALSE(aside.Fits(whole));
  char to[] = "????????";
  const IoSpan fitting[] = {IoSpan(to, 4), IoSpan(nullptr, 1), IoSpan(to + 5, 2),
                            IoSpan(nullptr, 1)};
  ASSERT_TRUE(aside.Fits(fitting));
  aside.Restore(fitting);
  EXPECT_STREQ(to, "abcd?fg?");
}

// However often a receive is interrupted, memory is asked for as often as its size doubles.
TEST(SetAsideTest, ManySavesAreLinear) {
  constexpr size_t kBytes = 100'000;
  std::string memory(kBytes, '?');
  SetAside aside;
  const HeapCounter heap;
  for (size_t i = 0; i < kBytes; ++i) {
    memory[i] = static_cast<char>('a' + i % 26);
    const IoSpan list(memory.data(), memory.size());
    ASSERT_TRUE(aside.Save(absl::MakeConstSpan(&list, 1), i + 1));
    memory[i] = '?';
  }
  EXPECT_LE(heap.requests(), 20u);
  EXPECT_LE(heap.peak_bytes(), 2 * kBytes + 1000);
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(aside.bytes()[i], 'a' + i % 26) << i;
}

TEST(SetAsideTest, KeepsNothingWithoutMemory) {
  char text[] = "abcdef";
  const IoSpan list[] = {IoSpan(text, 2), IoSpan(nullptr, 2), IoSpan(text + 4, 2)};
  const int requests = SweepAllocations([&](AllocationFault& fault) {
    SetAside aside;
    bool kept = true;
    for (size_t count = 1; kept && count <= 6; ++count) kept = aside.Save(list, count);
    EXPECT_EQ(kept, !fault.hit());
    EXPECT_EQ(aside.message_bytes(), kept ? 6u : 0u);
    EXPECT_EQ(Kept(aside), kept ? "abef" : "");
  });
  EXPECT_GE(requests, 3);  // the first byte, more of them, and where the gap is
}

TEST(SetAsideTest, RoomGrowsWithWhatHasArrived) {
  constexpr uint64_t kAnnounced = uint64_t{1} << 40;
  SetAside aside;
  std::string expected;
  size_t largest = 0;
  while (expected.size() < 100'000) {
    const absl::Span<uint8_t> room = aside.Room(kAnnounced, UINT64_MAX);
    ASSERT_FALSE(room.empty());
    // Never more than as much again as is there, but for the first piece.
    EXPECT_LE(room.size(), expected.size() < 4096 ? size_t{4096} : expected.size());
    largest = room.size() > largest ? room.size() : largest;
    const size_t count = room.size() < 777 ? room.size() : 777;
    const std::string text(count, static_cast<char>('a' + expected.size() % 26));
    std::memcpy(room.data(), text.data(), count);
    aside.Commit(count);
    expected += text;
  }
  EXPECT_GT(largest, 30'000u);
  EXPECT_TRUE(Kept(aside) == expected);
  EXPECT_EQ(aside.message_bytes(), expected.size());
}

TEST(SetAsideTest, RoomIsBoundedByCountAndByTheMessagesBound) {
  {
    SetAside aside;
    EXPECT_EQ(aside.Room(10, 1000).size(), 10u);
    aside.Commit(10);
    EXPECT_EQ(aside.Room(5000, 1000).size(), 990u);
    aside.Commit(990);
    EXPECT_TRUE(aside.Room(1, 1000).empty());
  }
  for (const uint64_t bound : {4095u, 4096u, 4097u, 5000u}) {
    SCOPED_TRACE(bound);
    SetAside aside;
    while (!aside.Room(SIZE_MAX, bound).empty()) aside.Commit(aside.Room(SIZE_MAX, bound).size());
    EXPECT_EQ(aside.message_bytes(), bound);
  }
}

// A receive that was interrupted goes on as a view.
TEST(SetAsideTest, RoomBehindWhatWasSaved) {
  char text[] = "abc";
  const IoSpan list[] = {IoSpan(text, 3)};
  SetAside aside;
  ASSERT_TRUE(aside.Save(list, 3));
  const absl::Span<uint8_t> room = aside.Room(3, 100);
  ASSERT_EQ(room.size(), 3u);
  std::memcpy(room.data(), "def", 3);
  aside.Commit(3);
  EXPECT_EQ(Kept(aside), "abcdef");
}

// What was dropped is nothing, so that a message may still be put together from its beginning.
TEST(SetAsideTest, NothingDiscardedLeavesNoGap) {
  SetAside aside;
  aside.SaveDiscarded(0);
  EXPECT_TRUE(aside.empty());
  EXPECT_FALSE(aside.has_gaps());
  const absl::Span<uint8_t> room = aside.Room(3, 100);
  ASSERT_EQ(room.size(), 3u);
  std::memcpy(room.data(), "abc", 3);
  aside.Commit(3);
  char memory[3] = {};
  const IoSpan whole(memory, sizeof(memory));
  ASSERT_TRUE(aside.Fits(absl::MakeConstSpan(&whole, 1)));
  aside.Restore(absl::MakeConstSpan(&whole, 1));
  EXPECT_EQ(std::string(memory, sizeof(memory)), "abc");
}

}  // namespace
}  // namespace halfpipe
