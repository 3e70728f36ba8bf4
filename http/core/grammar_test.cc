#include "http/core/grammar.h"

#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

// Each class against its definition, written out for all 256 bytes.
TEST(GrammarTest, ClassesAreThoseOfTheRfcs) {
  const std::string alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const std::string token = alnum + "!#$%&'*+-.^_`|~";
  const std::string reg_name = alnum + "-._~" + "!$&'()*+,;=";
  const std::string uri = reg_name + ":@" + "/?";
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const auto in = [&](const std::string& set) { return set.find(c) != std::string::npos; };
    EXPECT_EQ(IsInClass(c, kTokenChar), in(token)) << i;
    EXPECT_EQ(IsInClass(c, kRegNameChar), in(reg_name)) << i;
    EXPECT_EQ(IsInClass(c, kUriChar), in(uri)) << i;
    EXPECT_EQ(IsInClass(c, kDigit), in("0123456789")) << i;
    EXPECT_EQ(IsInClass(c, kHexDigit), in("0123456789abcdefABCDEF")) << i;
    EXPECT_EQ(IsInClass(c, kFieldValueChar), i == 9 || (i >= 0x20 && i != 0x7f)) << i;
    EXPECT_EQ(IsInClass(c, kTargetChar), i >= 0x21 && i <= 0x7e && !in("\"#<>")) << i;
  }
}

TEST(GrammarTest, SpanOfClassStopsAtTheFirstOther) {
  EXPECT_EQ(SpanOfClass("", kDigit), 0u);
  EXPECT_EQ(SpanOfClass("12a3", kDigit), 2u);
  EXPECT_EQ(SpanOfClass("123", kDigit), 3u);
  EXPECT_EQ(SpanOfClass("1a-", kDigit | kTokenChar), 3u);
  EXPECT_TRUE(IsAllOfClass("", kDigit));
  EXPECT_FALSE(IsAllOfClass("1 ", kDigit));
}

TEST(GrammarTest, TrimOwsTakesSpacesAndTabsOff) {
  EXPECT_EQ(TrimOws(""), "");
  EXPECT_EQ(TrimOws(" \t "), "");
  EXPECT_EQ(TrimOws("\t a b\t c \t"), "a b\t c");
  EXPECT_EQ(TrimOws("\va\r"), "\va\r");
}

TEST(GrammarTest, WholeStrings) {
  EXPECT_TRUE(IsValidMethod("GET"));
  EXPECT_FALSE(IsValidMethod(""));
  EXPECT_FALSE(IsValidMethod("G T"));
  EXPECT_TRUE(IsValidFieldName("X-1_~"));
  EXPECT_FALSE(IsValidFieldName("a:"));
  EXPECT_TRUE(IsValidFieldValue(""));
  EXPECT_TRUE(IsValidFieldValue("a\tb\xc3\xa9"));
  EXPECT_TRUE(IsValidReason("Not Found"));
  EXPECT_TRUE(IsValidTarget("/a?b=[|]^{}"));
  EXPECT_FALSE(IsValidTarget(""));
  EXPECT_FALSE(IsValidTarget("/a b"));
  EXPECT_FALSE(IsValidTarget("/\xc3\xa9"));
  for (const char bad : {'\r', '\n', '\0', '\x7f', '\x01'}) {
    const std::string text = std::string("a") + bad + "b";
    EXPECT_FALSE(IsValidMethod(text));
    EXPECT_FALSE(IsValidFieldName(text));
    EXPECT_FALSE(IsValidFieldValue(text));
    EXPECT_FALSE(IsValidReason(text));
    EXPECT_FALSE(IsValidTarget(text));
  }
  EXPECT_FALSE(IsValidStatus(99));
  EXPECT_TRUE(IsValidStatus(100));
  EXPECT_TRUE(IsValidStatus(599));
  EXPECT_FALSE(IsValidStatus(600));
}

TEST(GrammarTest, AsTextKeepsEveryByte) {
  const uint8_t bytes[] = {0x47, 0x00, 0xff};
  EXPECT_EQ(AsText(bytes), absl::string_view("G\0\xff", 3));
}

}  // namespace
}  // namespace halfpipe::http
