#include "bytestream/base/io_slice.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::string Text(const IoSlice& slice) {
  return std::string(reinterpret_cast<const char*>(slice.data), slice.size);
}

TEST(IoSliceTest, TotalSizeAddsUp) {
  const IoSlice slices[] = {IoSlice("abc"), IoSlice(), IoSlice("de")};
  EXPECT_EQ(TotalSize(absl::MakeConstSpan(slices)), 5u);
  EXPECT_EQ(TotalSize(absl::Span<const IoSlice>()), 0u);
}

TEST(IoSliceTest, TotalSizeSaturates) {
  const IoSpan slices[] = {IoSpan(nullptr, SIZE_MAX - 1), IoSpan(nullptr, 1)};
  EXPECT_EQ(TotalSize(absl::MakeConstSpan(slices)), SIZE_MAX);
  const IoSpan more[] = {IoSpan(nullptr, SIZE_MAX - 1), IoSpan(nullptr, 2)};
  EXPECT_EQ(TotalSize(absl::MakeConstSpan(more)), SIZE_MAX);
}

TEST(SliceCursorTest, NothingToWalkOver) {
  EXPECT_TRUE(SliceCursor<IoSlice>(absl::Span<const IoSlice>()).done());
  const IoSlice empty[] = {IoSlice(), IoSlice("")};
  const SliceCursor<IoSlice> cursor(absl::MakeConstSpan(empty));
  EXPECT_TRUE(cursor.done());
  EXPECT_EQ(cursor.Remaining(), 0u);
  EXPECT_EQ(cursor.Piece(0).size, 0u);
}

TEST(SliceCursorTest, WalksOverPieces) {
  const IoSlice slices[] = {IoSlice(), IoSlice("abc"), IoSlice(), IoSlice("de"), IoSlice()};
  SliceCursor<IoSlice> cursor{absl::MakeConstSpan(slices)};
  EXPECT_EQ(Text(cursor.Front()), "abc");
  EXPECT_EQ(cursor.Remaining(), 5u);
  cursor.Advance(0);
  EXPECT_EQ(Text(cursor.Front()), "abc");
  cursor.Advance(1);
  EXPECT_EQ(Text(cursor.Front()), "bc");
  EXPECT_EQ(Text(cursor.Piece(0)), "bc");
  EXPECT_EQ(cursor.Piece(1).size, 0u);
  EXPECT_EQ(Text(cursor.Piece(2)), "de");
  EXPECT_EQ(cursor.Piece(9).size, 0u);
  cursor.Advance(2);
  EXPECT_EQ(Text(cursor.Front()), "de");
  EXPECT_EQ(cursor.Remaining(), 2u);
  cursor.Advance(2);
  EXPECT_TRUE(cursor.done());
  EXPECT_EQ(cursor.Remaining(), 0u);
}

TEST(SliceCursorTest, SkippedPiecesKeepTheirNullPointer) {
  const IoSpan slices[] = {IoSpan(nullptr, 10)};
  SliceCursor<IoSpan> cursor{absl::MakeConstSpan(slices)};
  cursor.Advance(4);
  EXPECT_EQ(cursor.Front().data, nullptr);
  EXPECT_EQ(cursor.Front().size, 6u);
}

TEST(SliceCursorTest, RemainingSaturates) {
  const IoSpan slices[] = {IoSpan(nullptr, SIZE_MAX), IoSpan(nullptr, SIZE_MAX)};
  SliceCursor<IoSpan> cursor{absl::MakeConstSpan(slices)};
  EXPECT_EQ(cursor.Remaining(), SIZE_MAX);
  cursor.Advance(5);
  EXPECT_EQ(cursor.Remaining(), SIZE_MAX);
}

// Any way of cutting the walk up sees the same bytes.
TEST(SliceCursorTest, RandomCutsSeeAllBytesOnce) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string whole(random() % 40, '\0');
    for (char& c : whole) c = static_cast<char>(random());
    std::vector<IoSlice> slices;
    for (size_t at = 0; at < whole.size();) {
      const size_t size = std::min<size_t>(random() % 6, whole.size() - at);
      slices.emplace_back(whole.data() + at, size);
      at += size;
    }
    if (random() % 2 == 0) slices.emplace_back();
    SliceCursor<IoSlice> cursor{absl::MakeConstSpan(slices)};
    std::string seen;
    while (!cursor.done()) {
      ASSERT_EQ(cursor.Remaining(), whole.size() - seen.size());
      ASSERT_GT(cursor.Front().size, 0u);
      size_t step = std::min<size_t>(1 + random() % 9, cursor.Remaining());
      const size_t advance = step;
      for (size_t i = 0; step > 0; ++i) {
        const std::string piece = Text(cursor.Piece(i)).substr(0, step);
        seen += piece;
        step -= piece.size();
      }
      cursor.Advance(advance);
    }
    EXPECT_EQ(seen, whole);
  }
}

}  // namespace
}  // namespace halfpipe
