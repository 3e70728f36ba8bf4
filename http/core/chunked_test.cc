#include "http/core/chunked.h"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

struct Outcome {
  ChunkedStatus status = ChunkedStatus::kNeedMore;
  std::string body;
  std::string error;
  size_t consumed = 0;
  size_t examined = 0;

  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.status == b.status && a.body == b.body && a.error == b.error &&
           a.consumed == b.consumed;
  }
};

// Reads `text` as it comes in pieces that end at `ends`.
Outcome ReadCut(absl::string_view text, const std::vector<size_t>& ends,
                const ChunkedLimits& limits = {}) {
  ChunkedReader reader(limits);
  Outcome outcome;
  size_t need = 1;
  for (const size_t end : ends) {
    for (;;) {
      const absl::string_view buffered = text.substr(outcome.consumed, end - outcome.consumed);
      if (buffered.size() < need) break;
      const ChunkedStep step = reader.Read(buffered);
      outcome.status = step.status;
      outcome.body.append(step.data.data(), step.data.size());
      outcome.error = std::string(step.error);
      outcome.consumed += step.consumed;
      outcome.examined = reader.bytes_examined();
      need = 1;
      if (step.status == ChunkedStatus::kNeedMore) {
        EXPECT_GT(step.min_bytes, buffered.size());
        need = step.min_bytes;
      } else if (step.status == ChunkedStatus::kDone || step.status == ChunkedStatus::kInvalid) {
        return outcome;
      }
    }
  }
  outcome.status = ChunkedStatus::kNeedMore;
  return outcome;
}

std::vector<size_t> EndsEvery(size_t size, size_t step) {
  std::vector<size_t> ends;
  for (size_t end = step; end < size; end += step) ends.push_back(end);
  ends.push_back(size);
  return ends;
}

// The same outcome whole, byte by byte and with seeded cuts.
Outcome Read(absl::string_view text, const ChunkedLimits& limits = {}) {
  const Outcome whole = ReadCut(text, {text.size()}, limits);
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}}) {
    EXPECT_EQ(ReadCut(text, EndsEvery(text.size(), step), limits), whole)
        << text.substr(0, 200) << " by " << step;
  }
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<size_t> ends = {text.size()};
    for (int i = 0; i < 5; ++i) ends.push_back(1 + random() % text.size());
    std::sort(ends.begin(), ends.end());
    EXPECT_EQ(ReadCut(text, ends, limits), whole) << text.substr(0, 200) << " seed " << seed;
  }
  return whole;
}

// RFC 9112 section 7.1.
TEST(ChunkedTest, ContentAndItsEnd) {
  const struct {
    const char* text;
    const char* body;
  } kRows[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
      {"00005\r\nhello\r\n000\r\n\r\n", "hello"},
      {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
      {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"},
      {"5 ; a = \"x\\\"; y\" ;b\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n0\r\nTrailer: 1\r\nOther:\r\n\r\n", "hello"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.text);
    const Outcome outcome = Read(absl::StrCat(row.text, "behind"));
    EXPECT_EQ(outcome.status, ChunkedStatus::kDone) << outcome.error;
    EXPECT_EQ(outcome.body, row.body);
    EXPECT_EQ(outcome.consumed, absl::string_view(row.text).size());
    // Nothing less is the whole.
    for (size_t size = 1; size < outcome.consumed; ++size) {
      EXPECT_EQ(Read(absl::string_view(row.text).substr(0, size)).status, ChunkedStatus::kNeedMore)
          << size;
    }
  }
}

TEST(ChunkedTest, MalformedIsInvalid) {
  const std::string nul("5;a\0\r\n", 6);
  for (const std::string& text : std::vector<std::string>{"\r\n",
                                                          "g\r\n",
                                                          " 5\r\n",
                                                          "+5\r\n",
                                                          "-5\r\n",
                                                          "0x5\r\n",
                                                          "5 5\r\n",
                                                          "5 \r\n",
                                                          "5\n",
                                                          "5\rhello\n",
                                                          "5\r\rhello\n",
                                                          ";a\r\n",
                                                          "5;\r\n",
                                                          "5;=b\r\n",
                                                          "5;a=\r\n",
                                                          "5;a=\"b\r\n",
                                                          "5;a=\"b\\\r\n",
                                                          "5;a b\r\n",
                                                          "5;a=b c\r\n",
                                                          "5a;;b\r\n",
                                                          nul,
                                                          "5\r\nhello0\r\n",
                                                          "5\r\nhello\n0\r\n",
                                                          "5\r\nhello\r0\r\n",
                                                          "5\r\nhello!\r\n",
                                                          "8000000000000000\r\n",
                                                          "ffffffffffffffff\r\n",
                                                          "10000000000000000\r\n",
                                                          "00000000000000005\r\nhello",
                                                          "0\r\nnocolon\r\n",
                                                          "0\r\n A: 1\r\n",
                                                          "0\r\nA : 1\r\n",
                                                          "0\r\nA: 1\n\r\n",
                                                          "0\r\n: 1\r\n",
                                                          "0\r\nA: \x01\r\n"}) {
    SCOPED_TRACE(text);
    const Outcome outcome = Read(text);
    EXPECT_EQ(outcome.status, ChunkedStatus::kInvalid);
    EXPECT_FALSE(outcome.error.empty());
  }
  // Final.
  ChunkedReader reader;
  EXPECT_EQ(reader.Read("g\r\n").status, ChunkedStatus::kInvalid);
  EXPECT_EQ(reader.Read("0\r\n\r\n").status, ChunkedStatus::kInvalid);
}

TEST(ChunkedTest, LargestSizeIsAnnouncedAndNotBelieved) {
  ChunkedReader reader;
  EXPECT_EQ(reader.Read("7fffffffffffffff\r\n").status, ChunkedStatus::kSkipped);
  const ChunkedStep step = reader.Read("some");
  EXPECT_EQ(step.status, ChunkedStatus::kData);
  EXPECT_EQ(step.data, "some");
}

TEST(ChunkedTest, LimitsAtMinusOneZeroPlusOne) {
  ChunkedLimits limits;
  limits.size_line_bytes_max = 20;
  limits.trailer_bytes_max = 20;
  limits.trailer_count_max = 2;
  for (const int above : {-1, 0, 1}) {
    SCOPED_TRACE(above);
    const ChunkedStatus expected = above == 1 ? ChunkedStatus::kInvalid : ChunkedStatus::kDone;
    const std::string extension(static_cast<size_t>(18 + above), 'x');
    EXPECT_EQ(Read(absl::StrCat("0;", extension, "\r\n\r\n"), limits).status, expected);
    // "A:" and CRLF are 4 bytes; the other field is 5.
    const std::string value(static_cast<size_t>(11 + above), 'x');
    EXPECT_EQ(Read(absl::StrCat("0\r\nB:1\r\nA:", value, "\r\n\r\n"), limits).status, expected);
    std::string trailers;
    for (int i = 0; i < 2 + above; ++i) trailers += "A:\r\n";
    EXPECT_EQ(Read(absl::StrCat("0\r\n", trailers, "\r\n"), limits).status, expected);
  }
}

// Each byte of a line is looked at once, however it comes.
TEST(ChunkedTest, ByteByByteIsLinear) {
  std::string text;
  for (int i = 0; i < 400; ++i) absl::StrAppend(&text, "1;", std::string(160, 'x'), "\r\nz\r\n");
  ASSERT_GE(text.size(), size_t{64} << 10);
  absl::StrAppend(&text, "0\r\n\r\n");
  const Outcome outcome = ReadCut(text, EndsEvery(text.size(), 1));
  EXPECT_EQ(outcome.status, ChunkedStatus::kDone);
  EXPECT_EQ(outcome.body, std::string(400, 'z'));
  EXPECT_LE(outcome.examined, text.size());
}

}  // namespace
}  // namespace halfpipe::http
