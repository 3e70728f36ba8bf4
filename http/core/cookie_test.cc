#include "http/core/cookie.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"

namespace halfpipe::http {
namespace {

std::string Read(absl::string_view section) {
  CookieReader reader{HeaderList(section)};
  std::string all;
  while (const std::optional<Cookie> cookie = reader.Next()) {
    absl::StrAppend(&all, "[", cookie->name, "|", cookie->value, "]");
  }
  EXPECT_FALSE(reader.Next().has_value());
  return all;
}

TEST(CookieTest, Written) {
  EXPECT_EQ(CookieFieldValue({}), "");
  const Cookie cookies[] = {
      {"SID", "31d4d96e407aad42"}, {"lang", "en-US"}, {"e", ""}, {"q", "\"x\""}};
  EXPECT_EQ(CookieFieldValue(cookies), "SID=31d4d96e407aad42; lang=en-US; e=; q=\"x\"");
}

TEST(CookieTest, NothingIsInjected) {
  for (int byte = 0; byte < 256; ++byte) {
    SCOPED_TRACE(byte);
    const std::string part = {'a', static_cast<char>(byte), 'b'};
    const bool octet =
        byte > 0x20 && byte < 0x7f && byte != '"' && byte != ',' && byte != ';' && byte != '\\';
    const Cookie of_value[] = {{"n", part}};
    EXPECT_EQ(CookieFieldValue(of_value).has_value(), octet);
    const Cookie of_name[] = {{part, "v"}};
    EXPECT_EQ(CookieFieldValue(of_name).has_value(), IsValidToken(part));
  }
  for (const Cookie& bad :
       {Cookie{"", "v"}, Cookie{"a=b", "v"}, Cookie{"a", "1; evil=2"}, Cookie{"a", "1\r\nEvil: 2"},
        Cookie{"a", "\""}, Cookie{"a", "\"b"}, Cookie{"a", "b\""}, Cookie{"a", "\"b\"c\""}}) {
    EXPECT_EQ(CookieFieldValue({&bad, 1}), std::nullopt) << bad.name << "=" << bad.value;
  }
}

TEST(CookieTest, Read) {
  EXPECT_EQ(Read(""), "");
  EXPECT_EQ(Read("Host: h\r\n"), "");
  EXPECT_EQ(Read("Cookie:\r\n"), "");
  EXPECT_EQ(Read("Cookie: a=1\r\n"), "[a|1]");
  EXPECT_EQ(Read("A: x=y\r\ncookie: a=1; b=2\r\nB: x=y\r\nCOOKIE: c=3\r\n"), "[a|1][b|2][c|3]");
  EXPECT_EQ(Read("Cookie: a=1;b=2;  c=3 ; d = 4 \r\n"), "[a|1][b|2][c|3][d|4]");
  EXPECT_EQ(Read("Cookie: a=b=c; d=\"x y\"; e={\"j\":[1,2]}\r\n"),
            "[a|b=c][d|\"x y\"][e|{\"j\":[1,2]}]");
  // One strange cookie hides no other.
  EXPECT_EQ(Read("Cookie: ;; bare; =v; a b=c; a=1;\r\n"), "[a|1]");
  EXPECT_EQ(Read("Cookie: a=1; a=2\r\n"), "[a|1][a|2]");
}

TEST(CookieTest, FoundByName) {
  const HeaderList fields("Cookie: a=1; b=2; b=3; A=4\r\nCookie: c=\r\n");
  EXPECT_EQ(FindCookie(fields, "a"), "1");
  EXPECT_EQ(FindCookie(fields, "A"), "4");
  EXPECT_EQ(FindCookie(fields, "c"), "");
  EXPECT_EQ(FindCookie(fields, "b"), std::nullopt);
  EXPECT_EQ(FindCookie(fields, "d"), std::nullopt);
}

// What is written is read.
TEST(CookieTest, RoundTrip) {
  const Cookie cookies[] = {{"a", "1"}, {"b", ""}, {"c", "\"q\""}, {"d", "x=y"}};
  const std::string section = absl::StrCat("Cookie: ", *CookieFieldValue(cookies), "\r\n");
  EXPECT_EQ(Read(section), "[a|1][b|][c|\"q\"][d|x=y]");
}

TEST(CookieTest, HundredThousandAreReadOnce) {
  for (const char* element : {"a=1; ", ";", "a=; ", "====;", "bare; "}) {
    SCOPED_TRACE(element);
    std::string section = "Cookie: ";
    for (int i = 0; i < 100'000; ++i) section += element;
    section += "\r\n";
    CookieReader reader{HeaderList(section)};
    int count = 0;
    while (reader.Next().has_value()) ++count;
    EXPECT_EQ(count, element[0] == 'a' ? 100'000 : 0);
    EXPECT_LE(reader.bytes_examined(), section.size());
    EXPECT_GT(reader.bytes_examined(), 99'000u);
  }
}

}  // namespace
}  // namespace halfpipe::http
