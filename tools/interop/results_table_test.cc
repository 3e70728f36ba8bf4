#include "tools/interop/results_table.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const Result kFirst = {"ws", "1.2", "client", "wsecho", "no", "text, ping", "passed"};
const Result kSecond = {"ws", "1.2", "server", "wscat", "asked for", "text", "passed: x=9"};

constexpr char kReadme[] =
    "# Title\n\n<!-- results of a_test -->\n<!-- end -->\n\nbetween\n"
    "<!-- results of b_test -->\n\n<!-- end -->\nbelow\n";

TEST(ResultsTableTest, HasARowForEachResult) {
  EXPECT_EQ(FormatResults({kFirst, kSecond}),
            "| peer | version | is | ours | compression | what | result |\n"
            "|---|---|---|---|---|---|---|\n"
            "| ws | 1.2 | client | wsecho | no | text, ping | passed |\n"
            "| ws | 1.2 | server | wscat | asked for | text | passed: x=9 |\n");
}

TEST(ResultsTableTest, PutsATableInItsPlaceAndFindsItsKeys) {
  std::string readme = WithTable(kReadme, "a_test", FormatResults({kFirst, kSecond}));
  readme = WithTable(readme, "b_test", FormatResults({kSecond}));
  EXPECT_THAT(KeysIn(readme, "a_test"), ElementsAre(KeyOf(kFirst), KeyOf(kSecond)));
  EXPECT_THAT(KeysIn(readme, "b_test"), ElementsAre(KeyOf(kSecond)));
  EXPECT_THAT(readme, StartsWith("# Title\n\n<!-- results of a_test -->\n\n| peer |"));
  EXPECT_THAT(readme, HasSubstr(" |\n\n<!-- end -->\n\nbetween\n<!-- results of b_test -->\n\n|"));
  EXPECT_THAT(readme, EndsWith(" |\n\n<!-- end -->\nbelow\n"));
}

TEST(ResultsTableTest, ASecondWritingLeavesNothingOfTheFirst) {
  const std::string once = WithTable(kReadme, "a_test", FormatResults({kFirst, kSecond}));
  EXPECT_EQ(WithTable(WithTable(kReadme, "a_test", FormatResults({kSecond})), "a_test",
                      FormatResults({kFirst, kSecond})),
            once);
}

TEST(ResultsTableTest, VersionAndOutcomeAreNotInTheKey) {
  Result other = kFirst;
  other.version = "3";
  other.outcome = "passed: y";
  EXPECT_EQ(KeyOf(other), KeyOf(kFirst));
  other.what = "text";
  EXPECT_NE(KeyOf(other), KeyOf(kFirst));
}

TEST(ResultsTableTest, NoPlaceNoTable) {
  for (const char* readme :
       {"", "nothing\n", "<!-- results of a_test -->\n", "<!-- end -->\n<!-- results of a_test"}) {
    EXPECT_THAT(KeysIn(readme, "a_test"), IsEmpty()) << readme;
    EXPECT_EQ(WithTable(readme, "a_test", "table"), readme);
  }
  EXPECT_THAT(KeysIn(kReadme, "c_test"), IsEmpty());
}

TEST(ResultsTableTest, ABrokenRowIsAKeyThatNoResultHas) {
  const std::string readme = WithTable(kReadme, "a_test",
                                       "| peer | is |\n|---|---|\n"
                                       "| ws | 1.2 | client | wsecho | no | passed |\n");
  EXPECT_THAT(KeysIn(readme, "a_test"),
              ElementsAre(ElementsAre("ws", "1.2", "client", "wsecho", "no", "passed")));
}

}  // namespace
}  // namespace halfpipe::tools
