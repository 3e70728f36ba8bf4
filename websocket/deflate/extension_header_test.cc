#include "websocket/deflate/extension_header.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

using Item = ExtensionReader::Item;

// All items as text: "a;p=v;q,b" or "!" and the rule that was broken.
std::string Read(const std::vector<absl::string_view>& values) {
  ExtensionReader reader(values);
  std::string all;
  for (;;) {
    switch (reader.Next()) {
      case Item::kExtension:
        absl::StrAppend(&all, all.empty() ? "" : ",", reader.name());
        break;
      case Item::kParam:
        absl::StrAppend(&all, ";", reader.name());
        if (reader.has_value()) absl::StrAppend(&all, "=", reader.value());
        break;
      case Item::kEnd:
        EXPECT_EQ(reader.Next(), Item::kEnd);
        return all;
      case Item::kMalformed:
        EXPECT_EQ(reader.Next(), Item::kMalformed);
        return absl::StrCat("!", reader.what());
    }
  }
}

bool IsMalformed(absl::string_view value) { return Read({value}).substr(0, 1) == "!"; }

std::string Repeat(absl::string_view text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&all, text);
  return all;
}

TEST(ExtensionHeaderTest, TheRfcsExamples) {
  // RFC 6455 section 9.1.
  EXPECT_EQ(Read({"foo"}), "foo");
  EXPECT_EQ(Read({"bar; baz=2"}), "bar;baz=2");
  EXPECT_EQ(Read({"foo, bar; baz=2"}), "foo,bar;baz=2");
  EXPECT_EQ(Read({"foo", "bar; baz=2"}), "foo,bar;baz=2");
  EXPECT_EQ(Read({"deflate-stream"}), "deflate-stream");
  EXPECT_EQ(Read({"mux; max-channels=4; flow-control, deflate-stream"}),
            "mux;max-channels=4;flow-control,deflate-stream");
  EXPECT_EQ(Read({"private-extension"}), "private-extension");
}

TEST(ExtensionHeaderTest, WhiteSpaceAndEmptyMembers) {
  EXPECT_EQ(Read({" \ta ; b = c\t,, ,d"}), "a;b=c,d");
  EXPECT_EQ(Read({",a"}), "a");
  EXPECT_EQ(Read({"a,"}), "a");
  EXPECT_EQ(Read({"", "a", ""}), "a");
}

TEST(ExtensionHeaderTest, QuotedValues) {
  EXPECT_EQ(Read({"a;b=\"c\";d"}), "a;b=c;d");
  EXPECT_EQ(Read({"a;b=\"\\c\\d\"; e=\"f\\g\""}), "a;b=cd;e=fg");
  // What they say has to be a token.
  for (const char* bad : {"a;b=\"\"", "a;b=\"c d\"", "a;b=\"c,d\"", "a;b=\"\\\"\"", "a;b=\"c\\\\\"",
                          "a;b=\"c\xff\"", "a;b=\"\\ \""}) {
    EXPECT_TRUE(IsMalformed(bad)) << bad;
  }
  for (const char* open : {"a;b=\"", "a;b=\"c", "a;b=\"c\\\"", "a;b=\"c\\", "a;b=\"c, d"}) {
    EXPECT_TRUE(IsMalformed(open)) << open;
  }
}

TEST(ExtensionHeaderTest, RefusesWhatIsNotOfTheGrammar) {
  for (const char* bad : {"",         " ",          ",",      ";",        "=",          "a;",
                          "a;;b",     "a;b=",       "a;b==c", "a;=c",     "a b",        "a=b",
                          "a;b c",    "a;b=c d",    "\"a\"",  "a;\"b\"",  "a;b=\"c\"d", "a/b",
                          "a;b/c",    "a;b=c/d",    "a\x7f",  "a;b=\x01", "a(c)",       "a;b=[c]",
                          "\xc3\xa9", "a;b=c\"d\"", ";a",     "a,;b",     "a,=",        "a;b,;c"}) {
    EXPECT_TRUE(IsMalformed(bad)) << bad;
  }
  EXPECT_TRUE(IsMalformed(absl::string_view("a\0", 2)));
  EXPECT_EQ(Read({}), "!Sec-WebSocket-Extensions is empty");
  // An element does not go on in the next line.
  EXPECT_EQ(Read({"a", ";b"}).substr(0, 1), "!");
}

TEST(ExtensionHeaderTest, LimitsAtMinusOneZeroAndPlusOne) {
  for (const size_t count : {kMaxExtensions - 1, kMaxExtensions}) {
    EXPECT_FALSE(IsMalformed(Repeat("a,", count)));
  }
  EXPECT_TRUE(IsMalformed(Repeat("a,", kMaxExtensions + 1)));
  // Over all lines.
  EXPECT_EQ(Read({Repeat("a,", kMaxExtensions), "b"}),
            "!Sec-WebSocket-Extensions has too many members");

  for (const size_t count : {kMaxExtensionParams - 1, kMaxExtensionParams}) {
    const std::string extension = "a" + Repeat(";b=c", count);
    EXPECT_FALSE(IsMalformed(extension + "," + extension));
  }
  EXPECT_EQ(Read({"a" + Repeat(";b", kMaxExtensionParams + 1)}),
            "!Sec-WebSocket-Extensions has too many parameters");

  for (const size_t size : {kMaxExtensionBytes - 1, kMaxExtensionBytes}) {
    EXPECT_EQ(Read({std::string(size, 'a')}).size(), size);
    EXPECT_FALSE(IsMalformed("a" + Repeat(",", size - 1)));
  }
  EXPECT_EQ(Read({std::string(kMaxExtensionBytes, 'a'), "b"}),
            "!Sec-WebSocket-Extensions is too long");
  EXPECT_TRUE(IsMalformed("a;b=\"" + std::string(kMaxExtensionBytes, 'c') + "\""));

  std::vector<absl::string_view> lines(kMaxExtensionFields, "a");
  EXPECT_NE(Read(lines).substr(0, 1), "!");
  lines.push_back("a");
  EXPECT_EQ(Read(lines), "!too many Sec-WebSocket-Extensions fields");
}

TEST(ExtensionHeaderTest, Tokens) {
  EXPECT_TRUE(IsExtensionToken("azAZ09!#$%&'*+-.^_`|~"));
  EXPECT_FALSE(IsExtensionToken(""));
  for (int c = 0; c < 256; ++c) {
    const char text[] = {'a', static_cast<char>(c)};
    const bool visible = c > 0x20 && c < 0x7f;
    EXPECT_EQ(IsExtensionToken(absl::string_view(text, 2)),
              visible && absl::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) ==
                             absl::string_view::npos)
        << c;
  }
}

}  // namespace
}  // namespace halfpipe::websocket
