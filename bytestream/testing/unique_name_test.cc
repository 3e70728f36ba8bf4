#include "bytestream/testing/unique_name.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(UniqueNameTest, NoTwoAreAlike) {
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = UniqueName("@test/");
    EXPECT_THAT(name, testing::MatchesRegex("@test/[0-9a-f]+"));
    EXPECT_EQ(name.size(), 6u + 16u);
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 1000u);
}

}  // namespace
}  // namespace halfpipe
