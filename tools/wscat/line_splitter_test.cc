#include "tools/wscat/line_splitter.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// All lines of the pieces; "too long" ends them.
std::vector<std::string> Lines(const std::vector<absl::string_view>& pieces, size_t max = 5) {
  std::vector<std::string> lines;
  LineSplitter splitter(max);
  for (const absl::string_view piece : pieces) {
    if (!splitter.Add(piece)) {
      lines.push_back("too long");
      return lines;
    }
    while (std::optional<absl::string_view> line = splitter.Next()) {
      lines.push_back(std::string(*line));
    }
  }
  if (std::optional<absl::string_view> line = splitter.Last()) lines.push_back(std::string(*line));
  return lines;
}

TEST(LineSplitterTest, CutsAtLineFeeds) {
  EXPECT_THAT(Lines({}), IsEmpty());
  EXPECT_THAT(Lines({""}), IsEmpty());
  EXPECT_THAT(Lines({"a\nbc\n"}), ElementsAre("a", "bc"));
  EXPECT_THAT(Lines({"a\nbc"}), ElementsAre("a", "bc"));
  EXPECT_THAT(Lines({"\n\na\n"}), ElementsAre("", "", "a"));
  EXPECT_THAT(Lines({"a\r\n"}), ElementsAre("a\r"));
  EXPECT_THAT(Lines({absl::string_view("\0\n", 2)}), ElementsAre(std::string(1, '\0')));
}

// Wherever the input is cut, the lines are the same.
TEST(LineSplitterTest, EveryCutGivesTheSame) {
  const absl::string_view input = "ab\n\ncdefg\nh";
  for (size_t first = 0; first <= input.size(); ++first) {
    for (size_t second = first; second <= input.size(); ++second) {
      EXPECT_THAT(Lines({input.substr(0, first), input.substr(first, second - first),
                         input.substr(second)}),
                  ElementsAre("ab", "", "cdefg", "h"))
          << first << " " << second;
    }
  }
}

TEST(LineSplitterTest, BoundsALine) {
  EXPECT_THAT(Lines({"12345\n"}), ElementsAre("12345"));
  EXPECT_THAT(Lines({"12345"}), ElementsAre("12345"));
  EXPECT_THAT(Lines({"123456\n"}), ElementsAre("too long"));
  EXPECT_THAT(Lines({"123456"}), ElementsAre("too long"));
  EXPECT_THAT(Lines({"123", "456\n"}), ElementsAre("too long"));
  EXPECT_THAT(Lines({"123", "45\n12345\n", "12345"}), ElementsAre("12345", "12345", "12345"));
  EXPECT_THAT(Lines({"1\n", "2\n123456\n"}), ElementsAre("1", "too long"));
  EXPECT_THAT(Lines({"1", ""}, 1), ElementsAre("1"));
  EXPECT_THAT(Lines({"1", "2"}, 1), ElementsAre("too long"));
}

}  // namespace
}  // namespace halfpipe::tools
