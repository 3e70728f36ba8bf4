#include "http/core/header_list.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

std::vector<std::string> MembersOf(const HeaderList& fields, absl::string_view name) {
  std::vector<std::string> members;
  for (absl::string_view member : fields.Members(name)) members.push_back(std::string(member));
  return members;
}

std::vector<std::string> Split(absl::string_view value) {
  std::vector<std::string> members;
  for (;;) {
    const absl::string_view member = NextListMember(&value);
    if (member.empty()) return members;
    members.push_back(std::string(member));
  }
}

TEST(NextListMemberTest, Table) {
  const struct {
    absl::string_view value;
    std::vector<std::string> members;
  } kRows[] = {
      {"", {}},
      {"a", {"a"}},
      {"a,b", {"a", "b"}},
      {" a\t, \tb ", {"a", "b"}},
      // Empty members are ignored (RFC 9110 section 5.6.1.2).
      {",", {}},
      {" , ,a,, b,", {"a", "b"}},
      {"a b, c", {"a b", "c"}},
      // A quoted comma does not separate, nor does one behind an escaped quote.
      {"x=\"1,2\", y", {"x=\"1,2\"", "y"}},
      {"x=\"1\\\",2\", y", {"x=\"1\\\",2\"", "y"}},
      {"x=\"1\\\\\",2", {"x=\"1\\\\\"", "2"}},
      {"\"\",b", {"\"\"", "b"}},
      // Outside quotes a backslash is a byte like others.
      {"a\\,b", {"a\\", "b"}},
      // A quoted string that never ends takes in the rest.
      {"a, \"b, c", {"a", "\"b, c"}},
      {"\"a\\", {"\"a\\"}},
  };
  for (const auto& row : kRows) EXPECT_EQ(Split(row.value), row.members) << row.value;
}

TEST(HeaderListTest, EmptyListHasNothing) {
  const HeaderList fields;
  EXPECT_TRUE(fields.empty());
  EXPECT_TRUE(fields.begin() == fields.end());
  EXPECT_EQ(fields.Find("a"), std::nullopt);
  EXPECT_EQ(fields.FindOnly("a"), std::nullopt);
  EXPECT_EQ(fields.Count("a"), 0u);
  EXPECT_FALSE(fields.Has("a"));
  EXPECT_FALSE(fields.HasToken("a", "b"));
  EXPECT_TRUE(MembersOf(fields, "a").empty());
}

TEST(HeaderListTest, KeepsOrderAndTrimsValues) {
  const HeaderList fields("Host: h:1\r\nEmpty:\r\nX:\t a : b \t\r\nHost:2\r\n");
  std::vector<std::pair<std::string, std::string>> seen;
  for (const Field& field : fields) {
    seen.emplace_back(std::string(field.name), std::string(field.value));
  }
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"Host", "h:1"}, {"Empty", ""}, {"X", "a : b"}, {"Host", "2"}};
  EXPECT_EQ(seen, expected);
}

TEST(HeaderListTest, FindsWithoutRegardToCase) {
  const HeaderList fields("Host: a\r\nX-Y:\r\nhOST: b\r\n");
  EXPECT_EQ(fields.Find("host"), absl::string_view("a"));
  EXPECT_EQ(fields.FindOnly("host"), std::nullopt);
  EXPECT_EQ(fields.Count("HOST"), 2u);
  EXPECT_EQ(fields.Find("x-y"), absl::string_view(""));
  EXPECT_EQ(fields.FindOnly("x-y"), absl::string_view(""));
  EXPECT_TRUE(fields.Has("X-y"));
  EXPECT_FALSE(fields.Has("X"));
  EXPECT_FALSE(fields.Has("X-Y:"));
}

TEST(HeaderListTest, MembersOfSeveralFieldsAreOneList) {
  const HeaderList fields(
      "Connection: keep-alive, Upgrade\r\nOther: no\r\nconnection:\r\nCONNECTION: , ,x,\r\n");
  EXPECT_EQ(MembersOf(fields, "Connection"),
            (std::vector<std::string>{"keep-alive", "Upgrade", "x"}));
  EXPECT_TRUE(MembersOf(fields, "None").empty());
}

TEST(HeaderListTest, HasTokenComparesWholeMembers) {
  const HeaderList fields("Connection: keep-alive, Upgrade\r\nX: upgraded, not upgrade\r\n");
  EXPECT_TRUE(fields.HasToken("connection", "upgrade"));
  EXPECT_TRUE(fields.HasToken("connection", "KEEP-ALIVE"));
  EXPECT_FALSE(fields.HasToken("connection", "keep"));
  EXPECT_FALSE(fields.HasToken("X", "upgrade"));
  EXPECT_FALSE(fields.HasToken("X", ""));
}

// Text that no parser accepted gives meaningless fields, but only bytes of that text.
TEST(HeaderListTest, MalformedSectionsStayInBounds) {
  const struct {
    absl::string_view section;
    size_t count;
  } kRows[] = {{"no colon", 1}, {":", 1},    {"\n", 1},
               {"\r\n\r\n", 2}, {"a: b", 1}, {"a\n b\r\n", 2}};
  for (const auto& row : kRows) {
    const std::string section(row.section);
    size_t count = 0;
    for (const Field& field : HeaderList(section)) {
      EXPECT_LE(field.name.size() + field.value.size(), section.size());
      ++count;
    }
    EXPECT_EQ(count, row.count) << row.section;
  }
}

// Each byte is looked at once, and white space once more.
TEST(NextListMemberTest, HundredThousandMembersAreReadOnce) {
  for (const char* element : {"a,", ",", " ,", "\"a,b\",", "\"\\\"\",", "long-member ;q=1 ,"}) {
    SCOPED_TRACE(element);
    std::string list;
    for (int i = 0; i < 100'000; ++i) list += element;
    absl::string_view rest = list;
    size_t examined = 0;
    int count = 0;
    while (!NextListMember(&rest, &examined).empty()) ++count;
    EXPECT_EQ(count, element[0] == ',' || element[0] == ' ' ? 0 : 100'000);
    EXPECT_GE(examined, list.size());
    EXPECT_LE(examined, 2 * list.size());
  }
  // One that never ends.
  const std::string quoted = "\"" + std::string(100'000, ',');
  absl::string_view rest = quoted;
  size_t examined = 0;
  EXPECT_EQ(NextListMember(&rest, &examined).size(), quoted.size());
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(examined, quoted.size());
}

TEST(HeaderListTest, HundredThousandMembersInOneField) {
  std::string section = "Connection: ";
  for (int i = 0; i < 100'000; ++i) section += "a, ";
  section += "upgrade\r\nConnection: b\r\n";
  const HeaderList fields(section);
  EXPECT_TRUE(fields.HasToken("connection", "UPGRADE"));
  EXPECT_TRUE(fields.HasToken("connection", "b"));
  EXPECT_FALSE(fields.HasToken("connection", "c"));
}

}  // namespace
}  // namespace halfpipe::http
