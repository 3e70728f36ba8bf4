#include "bytestream/framing/suffix_scanner.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

absl::Span<const uint8_t> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Where delimiters end, counted from the beginning of `text`, which is scanned in pieces of `step`.
std::vector<size_t> Ends(absl::string_view suffix, absl::string_view text, size_t step) {
  SuffixScanner scanner(AsBytes(suffix));
  std::vector<size_t> ends;
  for (size_t at = 0; at < text.size();) {
    const SuffixScanner::Result result = scanner.Scan(AsBytes(text.substr(at, step)));
    at += result.scanned;
    if (result.found) {
      EXPECT_EQ(scanner.matched(), 0u);
      ends.push_back(at);
    } else {
      EXPECT_LT(scanner.matched(), suffix.size());
    }
  }
  return ends;
}

TEST(SuffixScannerTest, FindsDelimitersHoweverTheyAreCut) {
  for (size_t step = 1; step <= 20; ++step) {
    EXPECT_EQ(Ends("\r\n", "ab\r\n\r\ncd\r\n", step), (std::vector<size_t>{4, 6, 10}));
    EXPECT_EQ(Ends("\r\n", "a\r\r\n\n", step), (std::vector<size_t>{4}));
    EXPECT_EQ(Ends("aab", "aaab", step), (std::vector<size_t>{4}));
    EXPECT_EQ(Ends("abab!", "ababab!abab!", step), (std::vector<size_t>{7, 12}));
    EXPECT_EQ(Ends("aa", "aaaaa", step), (std::vector<size_t>{2, 4}));
    EXPECT_EQ(Ends("x", "xx.x", step), (std::vector<size_t>{1, 2, 4}));
    EXPECT_EQ(Ends("xyz", "xyxyxy", step), std::vector<size_t>());
  }
}

TEST(SuffixScannerTest, MatchedCountsTheBeginningOfADelimiter) {
  SuffixScanner scanner(AsBytes("aabaa!"));
  EXPECT_FALSE(scanner.Scan(AsBytes("..aabaa")).found);
  EXPECT_EQ(scanner.matched(), 5u);
  EXPECT_FALSE(scanner.Scan(AsBytes("b")).found);  // "aab" begins anew inside
  EXPECT_EQ(scanner.matched(), 3u);
  EXPECT_FALSE(scanner.Scan(AsBytes("?")).found);
  EXPECT_EQ(scanner.matched(), 0u);
  EXPECT_FALSE(scanner.Scan(AsBytes("aa")).found);
  scanner.Reset();
  EXPECT_EQ(scanner.matched(), 0u);
}

TEST(SuffixScannerTest, LongestDelimiter) {
  const std::string suffix(kSuffixBytesMax, 'z');
  const std::string text = std::string(kSuffixBytesMax - 1, 'z') + "." + suffix;
  EXPECT_EQ(Ends(suffix, text, 7), (std::vector<size_t>{2 * kSuffixBytesMax}));
}

bool Delimits(absl::string_view suffix, absl::string_view message) {
  const IoSlice slice(message);
  return SuffixScanner(AsBytes(suffix)).Delimits(absl::MakeConstSpan(&slice, 1));
}

TEST(SuffixScannerTest, MessagesThatCanBeSent) {
  EXPECT_TRUE(Delimits("\r\n", ""));
  EXPECT_TRUE(Delimits("\r\n", "abc"));
  EXPECT_TRUE(Delimits("\r\n", "abc\r"));  // the first CR is the message's
  EXPECT_TRUE(Delimits("\r\n", "\n\r"));
  EXPECT_FALSE(Delimits("\r\n", "a\r\nb"));
  EXPECT_FALSE(Delimits("\r\n", "\r\n"));
  EXPECT_FALSE(Delimits("aa", "xa"));  // "xaaa" would be cut behind the second a
  EXPECT_TRUE(Delimits("aab", "aa"));
  EXPECT_FALSE(Delimits("aba", "ab"));
}

TEST(SuffixScannerTest, ADelimiterInSeveralSlices) {
  const IoSlice slices[] = {IoSlice("one\r"), IoSlice(""), IoSlice(nullptr, 0), IoSlice("\ntwo")};
  const SuffixScanner scanner(AsBytes("\r\n"));
  EXPECT_FALSE(scanner.Delimits(slices));
  EXPECT_TRUE(scanner.Delimits(absl::MakeConstSpan(slices).first(3)));
}

TEST(SuffixScannerTest, AgreesWithASearch) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string suffix(1 + random() % 6, 'a');
    std::string text(random() % 40, 'a');
    for (char& c : suffix) c = static_cast<char>('a' + random() % 2);
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    std::vector<size_t> expected;
    for (size_t at = text.find(suffix); at != std::string::npos; at = text.find(suffix, at)) {
      at += suffix.size();
      expected.push_back(at);
    }
    ASSERT_EQ(Ends(suffix, text, 1 + random() % 9), expected) << suffix << " in " << text;
    ASSERT_EQ(Delimits(suffix, text), (text + suffix).find(suffix) == text.size())
        << suffix << " behind " << text;
  }
}

}  // namespace
}  // namespace halfpipe
