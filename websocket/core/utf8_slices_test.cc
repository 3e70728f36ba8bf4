#include "websocket/core/utf8_slices.h"

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "gtest/gtest.h"
#include "websocket/core/utf8.h"

namespace halfpipe::websocket {
namespace {

// The list is one text, wherever it is cut, and empty pieces are nothing.
TEST(Utf8SlicesTest, CharactersMayBeCut) {
  const IoSlice cut[] = {IoSlice("\xE2", 1), IoSlice(), IoSlice("\x82", 1), IoSlice("\xAC!", 2)};
  Utf8Validator text;
  EXPECT_TRUE(ValidateSlices(cut, &text));
  EXPECT_TRUE(text.Finish());
}

TEST(Utf8SlicesTest, TheEndMayBeMissingBetweenLists) {
  const IoSlice begin[] = {IoSlice("x", 1), IoSlice("\xE2\x82", 2)};
  const IoSlice end[] = {IoSlice("\xAC", 1)};
  Utf8Validator text;
  EXPECT_TRUE(ValidateSlices(begin, &text));
  EXPECT_FALSE(text.Finish());
  EXPECT_TRUE(ValidateSlices(end, &text));
  EXPECT_TRUE(text.Finish());
}

TEST(Utf8SlicesTest, AnyPieceMayBeRefused) {
  for (int bad = 0; bad < 3; ++bad) {
    IoSlice list[] = {IoSlice("a", 1), IoSlice("b", 1), IoSlice("c", 1)};
    list[bad] = IoSlice("\xFF", 1);
    Utf8Validator text;
    EXPECT_FALSE(ValidateSlices(list, &text));
  }
  Utf8Validator text;
  EXPECT_TRUE(ValidateSlices({}, &text));
}

}  // namespace
}  // namespace halfpipe::websocket
