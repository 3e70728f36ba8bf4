#include "websocket/core/utf8.h"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/utf8_reference.h"

namespace halfpipe::websocket {
namespace {

// Bytes at the edges of every row of the table, and some inside.
constexpr int kEdges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                          0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                          0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};

// The number of bytes after which the validator says no, fed one by one; SIZE_MAX for never.
size_t BytesToTell(const std::string& text) {
  Utf8Validator validator;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!validator.Validate(AsBytes(text).subspan(i, 1))) return i + 1;
  }
  return SIZE_MAX;
}

// Whole, byte by byte, and cut in two at every place.
void ExpectAgreesWithReference(const std::string& text) {
  const Utf8Judgement expected = JudgeUtf8Slowly(AsBytes(text));
  const bool well_formed = expected.bytes_to_tell == SIZE_MAX;
  ASSERT_EQ(BytesToTell(text), expected.bytes_to_tell) << absl::CHexEscape(text);
  ASSERT_EQ(IsUtf8(text), well_formed && expected.complete) << absl::CHexEscape(text);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Validator validator;
    const bool first = validator.Validate(AsBytes(text).first(cut));
    ASSERT_EQ(first, cut < expected.bytes_to_tell) << absl::CHexEscape(text) << " " << cut;
    const bool second = validator.Validate(AsBytes(text).subspan(cut));
    ASSERT_EQ(second, well_formed) << absl::CHexEscape(text) << " " << cut;
    ASSERT_EQ(validator.Finish(), well_formed && expected.complete) << absl::CHexEscape(text);
  }
}

TEST(Utf8Test, EmptyTextIsWellFormed) {
  EXPECT_TRUE(IsUtf8(""));
  ExpectAgreesWithReference("");
}

TEST(Utf8Test, AllSequencesOfOneAndTwoBytes) {
  for (int a = 0; a < 256; ++a) {
    ExpectAgreesWithReference(Bytes({a}));
    for (int b = 0; b < 256; ++b) ExpectAgreesWithReference(Bytes({a, b}));
  }
}

TEST(Utf8Test, SequencesOfThreeBytesAtEveryEdge) {
  for (int a = 0xC0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      for (int c : kEdges) ExpectAgreesWithReference(Bytes({a, b, c}));
    }
  }
}

TEST(Utf8Test, SequencesOfFourBytesAtEveryEdge) {
  for (int a = 0xE0; a < 256; ++a) {
    for (int b : kEdges) {
      for (int c : kEdges) {
        for (int d : {0x41, 0x7F, 0x80, 0xBF, 0xC0}) {
          ExpectAgreesWithReference(Bytes({a, b, c, d}));
        }
      }
    }
  }
}

// What must not pass, by name. Each is told at the first byte that decides it.
// Fails if StateAfterLead() gives kTwo for 0xED, or kThree for 0xF4, or kOne for 0xC0.
TEST(Utf8Test, IllFormedTextIsRefusedAtItsFirstWrongByte) {
  const struct {
    const char* name;
    std::string text;
    size_t bytes_to_tell;
  } kCases[] = {
      {"lone continuation", Bytes({0x80}), 1},
      {"overlong slash, two bytes", Bytes({0xC0, 0xAF}), 1},
      {"overlong NUL, two bytes", Bytes({0xC1, 0xBF}), 1},
      {"overlong, three bytes", Bytes({0xE0, 0x9F, 0xBF}), 2},
      {"overlong, four bytes", Bytes({0xF0, 0x8F, 0xBF, 0xBF}), 2},
      {"first surrogate", Bytes({0xED, 0xA0, 0x80}), 2},
      {"last surrogate", Bytes({0xED, 0xBF, 0xBF}), 2},
      {"U+110000", Bytes({0xF4, 0x90, 0x80, 0x80}), 2},
      {"U+140000", Bytes({0xF5, 0x80, 0x80, 0x80}), 1},
      {"five bytes", Bytes({0xF8, 0x88, 0x80, 0x80, 0x80}), 1},
      {"six bytes", Bytes({0xFC, 0x84, 0x80, 0x80, 0x80, 0x80}), 1},
      {"FE", Bytes({0xFE}), 1},
      {"FF", Bytes({0xFF}), 1},
      {"lead after lead", Bytes({0xE2, 0x82, 0xE2}), 3},
      {"ASCII inside a sequence", Bytes({0xE2, 0x41}), 2},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(BytesToTell("ok " + c.text), 3 + c.bytes_to_tell) << c.name;
    EXPECT_FALSE(IsUtf8(c.text)) << c.name;
    EXPECT_FALSE(IsUtf8(std::string(64, 'x') + c.text + std::string(64, 'x'))) << c.name;
  }
}

TEST(Utf8Test, TheEdgesOfUnicodePass) {
  for (const std::string& text :
       {Bytes({0x7F}), Bytes({0xC2, 0x80}), Bytes({0xDF, 0xBF}), Bytes({0xE0, 0xA0, 0x80}),
        Bytes({0xED, 0x9F, 0xBF}), Bytes({0xEE, 0x80, 0x80}), Bytes({0xEF, 0xBF, 0xBF}),
        Bytes({0xF0, 0x90, 0x80, 0x80}), Bytes({0xF4, 0x8F, 0xBF, 0xBF})}) {
    EXPECT_TRUE(IsUtf8(text)) << absl::CHexEscape(text);
  }
}

// A text that stops inside a character is not refused before it is at its end.
TEST(Utf8Test, AnIncompleteCharacterIsForFinish) {
  const std::string euro = "\xe2\x82\xac";
  for (size_t size = 1; size < euro.size(); ++size) {
    Utf8Validator validator;
    EXPECT_TRUE(validator.Validate(AsBytes(euro).first(size)));
    EXPECT_FALSE(validator.Finish());
    EXPECT_TRUE(validator.Validate(AsBytes(euro).subspan(size)));
    EXPECT_TRUE(validator.Finish());
  }
}

TEST(Utf8Test, ARefusalLastsUntilReset) {
  Utf8Validator validator;
  EXPECT_FALSE(validator.Validate(AsBytes("\xff")));
  EXPECT_FALSE(validator.Validate(AsBytes(std::string(100, 'x'))));
  EXPECT_FALSE(validator.Validate({}));
  EXPECT_FALSE(validator.Finish());
  validator.Reset();
  EXPECT_TRUE(validator.Validate(AsBytes("x")));
  EXPECT_TRUE(validator.Finish());
}

// Each kind of character, right and wrong, at each place relative to the blocks of the fast path.
TEST(Utf8Test, EveryPlaceInABlock) {
  const std::string kPieces[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                 "\xff",     "\xed\xa0\x80", "\xe2\x82"};
  for (const std::string& piece : kPieces) {
    for (size_t before = 0; before < 100; ++before) {
      for (size_t after = 0; after < 65; ++after) {
        const std::string text = std::string(before, 'a') + piece + std::string(after, 'b');
        const Utf8Judgement expected = JudgeUtf8Slowly(AsBytes(text));
        ASSERT_EQ(IsUtf8(text), expected.bytes_to_tell == SIZE_MAX && expected.complete)
            << absl::CHexEscape(piece) << " " << before << " " << after;
      }
    }
  }
}

TEST(Utf8Test, RandomTextInRandomPieces) {
  const std::string kAlphabet[] = {
      "a", "z", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", std::string(40, 'q')};
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    std::string text;
    while (text.size() < 500) text += kAlphabet[random() % 6];
    if (random() % 2 == 0) text[random() % text.size()] = static_cast<char>(random());
    const Utf8Judgement expected = JudgeUtf8Slowly(AsBytes(text));
    Utf8Validator validator;
    for (size_t done = 0; done < text.size();) {
      const size_t size = std::min<size_t>(random() % 90, text.size() - done);
      const bool ok = validator.Validate(AsBytes(text).subspan(done, size));
      done += size;
      ASSERT_EQ(ok, done < expected.bytes_to_tell) << "seed " << seed;
    }
    ASSERT_EQ(validator.Finish(), expected.bytes_to_tell == SIZE_MAX && expected.complete)
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace halfpipe::websocket
