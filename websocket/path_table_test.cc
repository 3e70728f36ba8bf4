#include "websocket/path_table.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

// What belongs to `resource`, "-" for nothing.
std::string Find(const PathTable<std::string>& table, absl::string_view resource) {
  const std::string* const value = table.Find(resource);
  return value == nullptr ? "-" : *value;
}

TEST(PathTableTest, NothingInIt) {
  const PathTable<std::string> table;
  for (const char* resource : {"", "/", "/a?b"}) EXPECT_EQ(Find(table, resource), "-");
  EXPECT_FALSE(
      table.FirstNot([](absl::string_view, const std::string&) { return false; }).has_value());
}

TEST(PathTableTest, AnExactPathIsThatAlone) {
  PathTable<std::string> table;
  table.AddExact("/chat", "chat");
  table.AddExact("/", "root");
  EXPECT_EQ(Find(table, "/chat"), "chat");
  EXPECT_EQ(Find(table, "/"), "root");
  for (const char* other : {"", "/cha", "/chats", "/chat/", "//chat", "chat", "/Chat", "*"}) {
    EXPECT_EQ(Find(table, other), "-") << other;
  }
}

TEST(PathTableTest, TheQueryIsNoPartOfThePath) {
  PathTable<std::string> table;
  table.AddExact("/chat", "chat");
  table.AddExact("/", "root");
  table.AddPrefix("/files/", "files");
  for (const char* query : {"?", "?x", "?x=1?y", "?/files/", "?#"}) {
    EXPECT_EQ(Find(table, std::string("/chat") + query), "chat") << query;
    EXPECT_EQ(Find(table, std::string("/files/a") + query), "files") << query;
    EXPECT_EQ(Find(table, std::string("/") + query), "root") << query;
  }
  EXPECT_EQ(Find(table, "?/chat"), "-");
  EXPECT_EQ(Find(table, "/files?/"), "-") << "the path ends before the slash";
}

// Nothing is decoded or resolved: what two texts mean is not guessed.
TEST(PathTableTest, PathsAreComparedByteByByte) {
  PathTable<std::string> table;
  table.AddExact("/a b", "blank");
  table.AddExact("/a%20b", "escaped");
  table.AddExact("/a%2fb", "lower");
  table.AddPrefix("/secret/", "secret");
  EXPECT_EQ(Find(table, "/a b"), "blank");
  EXPECT_EQ(Find(table, "/a%20b"), "escaped");
  EXPECT_EQ(Find(table, "/a%2fb"), "lower");
  for (const char* other :
       {"/a%2Fb", "/a/b", "/a+b", "/./secret/", "/x/../secret/", "/%73ecret/"}) {
    EXPECT_EQ(Find(table, other), "-") << other;
  }
  EXPECT_EQ(Find(table, "/secret/../open"), "secret");
  // A NUL is a byte as any other.
  const std::string with_nul("/a\0b", 4);
  table.AddExact(with_nul, "nul");
  EXPECT_EQ(Find(table, with_nul), "nul");
  EXPECT_EQ(Find(table, "/a"), "-");
}

TEST(PathTableTest, PrefixesOfBytesNotOfParts) {
  PathTable<std::string> table;
  table.AddPrefix("/a", "a");
  for (const char* resource : {"/a", "/ab", "/a/", "/a/b", "/a?b"}) {
    EXPECT_EQ(Find(table, resource), "a") << resource;
  }
  for (const char* resource : {"", "/", "/b/a", "/A"}) EXPECT_EQ(Find(table, resource), "-");
  table.AddPrefix("", "all");
  for (const char* resource : {"", "/", "*", "/b/a"}) EXPECT_EQ(Find(table, resource), "all");
  EXPECT_EQ(Find(table, "/ab"), "a");
}

// In whichever order they are added.
TEST(PathTableTest, ExactThenTheLongestPrefix) {
  const std::vector<std::string> kPrefixes = {"/", "/a", "/a/", "/a/b/"};
  for (const bool longest_first : {false, true}) {
    PathTable<std::string> table;
    if (longest_first) {
      for (auto it = kPrefixes.rbegin(); it != kPrefixes.rend(); ++it) table.AddPrefix(*it, *it);
    } else {
      for (const std::string& prefix : kPrefixes) table.AddPrefix(prefix, prefix);
    }
    table.AddExact("/a/", "exact");
    EXPECT_EQ(Find(table, "/"), "/");
    EXPECT_EQ(Find(table, "/b"), "/");
    EXPECT_EQ(Find(table, "/a"), "/a");
    EXPECT_EQ(Find(table, "/ab"), "/a");
    EXPECT_EQ(Find(table, "/a/"), "exact");
    EXPECT_EQ(Find(table, "/a/?"), "exact");
    EXPECT_EQ(Find(table, "/a/x"), "/a/");
    EXPECT_EQ(Find(table, "/a/b"), "/a/");
    EXPECT_EQ(Find(table, "/a/b/c"), "/a/b/");
  }
}

TEST(PathTableTest, WhatWasAddedFirstOfTheSame) {
  PathTable<std::string> table;
  for (const char* value : {"first", "second"}) {
    table.AddExact("/a", value);
    table.AddPrefix("/b", value);
  }
  // Others in between do not change that.
  table.AddPrefix("/c/long", "c");
  table.AddPrefix("/b", "third");
  EXPECT_EQ(Find(table, "/a"), "first");
  EXPECT_EQ(Find(table, "/bc"), "first");
}

TEST(PathTableTest, FirstNotLooksAtEach) {
  PathTable<int> table;
  table.AddExact("/a", 1);
  table.AddExact("/b", 2);
  table.AddPrefix("/", 3);
  EXPECT_FALSE(table.FirstNot([](absl::string_view, int value) { return value < 4; }).has_value());
  const char* const kPaths[] = {"/a", "/b", "/"};
  for (const int bad : {1, 2, 3}) {
    const auto first = table.FirstNot([&](absl::string_view path, int value) {
      EXPECT_EQ(path, kPaths[value - 1]);
      return value != bad;
    });
    EXPECT_EQ(first, kPaths[bad - 1]);
  }
}

// Values need not be copied, and may be what only moves.
TEST(PathTableTest, ValuesAreMoved) {
  PathTable<std::unique_ptr<int>> table;
  for (int i = 0; i < 20; ++i) table.AddPrefix(std::string(i, '/'), std::make_unique<int>(i));
  EXPECT_EQ(**table.Find("/////"), 5);
  EXPECT_EQ(**table.Find(std::string(100, '/')), 19);
}

}  // namespace
}  // namespace halfpipe::websocket
