#include "bytestream/iolist_convert.h"

#include <cerrno>
#include <cstddef>
#include <vector>

#include "bytestream/base/io_slice.h"
#include "bytestream/iolist.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

char memory[64];

// `count` pieces of one byte each, linked.
std::vector<dill_iolist> Chain(size_t count) {
  std::vector<dill_iolist> list(count);
  for (size_t i = 0; i < count; ++i) {
    list[i] = {&memory[i % 64], 1, i + 1 < count ? &list[i + 1] : nullptr, 0};
  }
  return list;
}

void ExpectUnmarked(const std::vector<dill_iolist>& list) {
  for (const dill_iolist& piece : list) EXPECT_EQ(piece.iol_rsvd, 0);
}

TEST(IolistConvertTest, KeepsOrderAtEveryLength) {
  constexpr size_t kInline = IolistSlices<IoSlice>::kInlineCount;
  for (size_t count = 1; count <= 2 * kInline + 1; ++count) {
    std::vector<dill_iolist> list = Chain(count);
    for (size_t i = 0; i < count; ++i) list[i].iol_len = i + 1;
    IolistSlices<IoSpan> spans;
    ASSERT_EQ(spans.Convert(&list.front(), &list.back()), 0);
    ASSERT_EQ(spans.slices().size(), count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(static_cast<void*>(spans.slices()[i].data), list[i].iol_base);
      EXPECT_EQ(spans.slices()[i].size, i + 1);
    }
    ExpectUnmarked(list);
  }
}

TEST(IolistConvertTest, NullEndsAreInvalid) {
  std::vector<dill_iolist> list = Chain(2);
  size_t count = 9;
  EXPECT_EQ(CheckIolist(nullptr, &list[1], &count), EINVAL);
  EXPECT_EQ(CheckIolist(&list[0], nullptr, &count), EINVAL);
  EXPECT_EQ(CheckIolist(nullptr, nullptr, &count), EINVAL);
  EXPECT_EQ(count, 0u);
}

TEST(IolistConvertTest, LastMustBeTheEnd) {
  std::vector<dill_iolist> list = Chain(5);
  size_t count = 0;
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(CheckIolist(&list[0], &list[i], &count), EINVAL) << i;
  dill_iolist elsewhere = {memory, 1, nullptr, 0};
  EXPECT_EQ(CheckIolist(&list[0], &elsewhere, &count), EINVAL);
  ExpectUnmarked(list);
  EXPECT_EQ(CheckIolist(&list[0], &list[4], &count), 0);
  EXPECT_EQ(count, 5u);
}

// Every way a list of up to 20 pieces can run in a circle.
TEST(IolistConvertTest, CirclesAreInvalid) {
  dill_iolist elsewhere = {memory, 1, nullptr, 0};
  for (size_t count = 1; count <= 20; ++count) {
    for (size_t back = 0; back < count; ++back) {
      std::vector<dill_iolist> list = Chain(count);
      list.back().iol_next = &list[back];
      size_t pieces = 0;
      EXPECT_EQ(CheckIolist(&list.front(), &list.back(), &pieces), EINVAL);
      EXPECT_EQ(CheckIolist(&list.front(), &elsewhere, &pieces), EINVAL) << count << "," << back;
      ExpectUnmarked(list);
    }
  }
}

TEST(IolistConvertTest, ReservedFieldIsCleared) {
  std::vector<dill_iolist> list = Chain(3);
  list[1].iol_rsvd = 7;
  size_t count = 0;
  EXPECT_EQ(CheckIolist(&list[0], &list[2], &count), 0);
  ExpectUnmarked(list);
}

TEST(IolistConvertTest, NullBaseSkipsInputAndIsInvalidForOutput) {
  dill_iolist empty = {nullptr, 0, nullptr, 0};
  dill_iolist skip = {nullptr, 5, &empty, 0};
  IolistSlices<IoSpan> spans;
  EXPECT_EQ(spans.Convert(&skip, &empty), 0);
  EXPECT_EQ(spans.slices()[0].data, nullptr);
  EXPECT_EQ(spans.slices()[0].size, 5u);
  IolistSlices<IoSlice> slices;
  EXPECT_EQ(slices.Convert(&skip, &empty), EINVAL);
  IolistSlices<IoSlice> nothing;
  EXPECT_EQ(nothing.Convert(&empty, &empty), 0);
}

}  // namespace
}  // namespace halfpipe
