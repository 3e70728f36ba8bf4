#include "tools/wscat/escape.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

TEST(EscapeTest, KeepsText) {
  EXPECT_EQ(EscapeForTerminal(""), "");
  EXPECT_EQ(EscapeForTerminal("Hello, world! ~"), "Hello, world! ~");
  // U+00A0, U+00E9, U+2027, U+202F, U+20AC, U+FFFD, U+10FFFF.
  const char text[] =
      "\xc2\xa0\xc3\xa9\xe2\x80\xa7\xe2\x80\xaf\xe2\x82\xac\xef\xbf\xbd\xf4\x8f\xbf\xbf";
  EXPECT_EQ(EscapeForTerminal(text), text);
}

TEST(EscapeTest, ControlCharacters) {
  EXPECT_EQ(EscapeForTerminal("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(EscapeForTerminal("\x1b[2J\x07"), "\\x1b[2J\\x07");
  EXPECT_EQ(EscapeForTerminal(absl::string_view("\0\x1f\x20\x7e\x7f", 5)), "\\x00\\x1f ~\\x7f");
  // U+0080, U+009B (which terminals take for ESC [), U+009F.
  EXPECT_EQ(EscapeForTerminal("\xc2\x80\xc2\x9b\xc2\x9f"), "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f");
}

TEST(EscapeTest, DirectionAndSeparators) {
  EXPECT_EQ(EscapeForTerminal("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(EscapeForTerminal("\xe2\x80\xae"), "\\xe2\\x80\\xae");
  EXPECT_EQ(EscapeForTerminal("\xe2\x81\xa6\xe2\x81\xa9"), "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
  EXPECT_EQ(EscapeForTerminal("\xe2\x81\xa5\xe2\x81\xaa"), "\xe2\x81\xa5\xe2\x81\xaa");
}

TEST(EscapeTest, BytesThatAreNotUtf8) {
  EXPECT_EQ(EscapeForTerminal("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(EscapeForTerminal("\x80"), "\\x80");
  EXPECT_EQ(EscapeForTerminal("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(EscapeForTerminal("\xc3z"), "\\xc3z");
  EXPECT_EQ(EscapeForTerminal("\xc0\xafz"), "\\xc0\\xafz");
  EXPECT_EQ(EscapeForTerminal("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(EscapeForTerminal("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(EscapeTest, NoTwoInputsLookTheSame) {
  EXPECT_EQ(EscapeForTerminal("\\n"), "\\\\n");
  EXPECT_EQ(EscapeForTerminal("\\\n"), "\\\\\\n");
}

}  // namespace
}  // namespace halfpipe::tools
