#include "websocket/core/masked_text.h"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/masking.h"
#include "websocket/core/utf8.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

constexpr MaskKey kKey = {0x37, 0xfa, 0x21, 0x3d};

std::string Masked(std::string text, uint64_t offset) {
  Mask(AsMutableBytes(text), kKey, offset);
  return text;
}

std::string Text(size_t size) {
  std::string text;
  while (text.size() < size) text += "gr\xc3\xbc\xc3\x9f \xe2\x82\xac ";
  return text;
}

// Sizes round the block of 4 KiB, so that characters straddle its end.
TEST(MaskedTextTest, UnmasksAndAcceptsInPlaceAndCopying) {
  for (size_t size : {0, 1, 100, 4090, 4095, 4096, 4097, 8192, 20000}) {
    const std::string text = Text(size);
    for (uint64_t offset : {0, 1, 2, 3}) {
      Utf8Validator in_place;
      std::string memory = Masked(text, offset);
      EXPECT_TRUE(UnmaskAndValidate(AsMutableBytes(memory), kKey, offset, &in_place));
      EXPECT_EQ(memory, text);
      EXPECT_TRUE(in_place.Finish());

      Utf8Validator copying;
      std::string out(text.size(), '\0');
      const std::string masked = Masked(text, offset);
      EXPECT_TRUE(UnmaskCopyAndValidate(AsMutableBytes(out).data(), AsBytes(masked), kKey, offset,
                                        &copying));
      EXPECT_EQ(out, text);
      EXPECT_TRUE(copying.Finish());
    }
  }
}

TEST(MaskedTextTest, PiecesAreOneText) {
  const std::string text = Text(10000);
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    Utf8Validator validator;
    std::string memory = Masked(text, 0);
    for (size_t done = 0; done < text.size();) {
      const size_t size = std::min<size_t>(random() % 5000, text.size() - done);
      ASSERT_TRUE(
          UnmaskAndValidate(AsMutableBytes(memory).subspan(done, size), kKey, done, &validator));
      done += size;
    }
    ASSERT_EQ(memory, text) << "seed " << seed;
    ASSERT_TRUE(validator.Finish());
  }
}

TEST(MaskedTextTest, StopsAtTheBlockWithTheFault) {
  std::string text(3 * 4096, 'x');
  text[5000] = '\xff';
  std::string memory = Masked(text, 0);
  const std::string masked = memory;
  Utf8Validator validator;
  EXPECT_FALSE(UnmaskAndValidate(AsMutableBytes(memory), kKey, 0, &validator));
  EXPECT_EQ(memory.substr(0, 8192), text.substr(0, 8192));
  EXPECT_EQ(memory.substr(8192), masked.substr(8192));
}

TEST(MaskedTextTest, ARefusedTextStaysRefused) {
  Utf8Validator validator;
  std::string bad = Masked("\xff", 0);
  EXPECT_FALSE(UnmaskAndValidate(AsMutableBytes(bad), kKey, 0, &validator));
  EXPECT_FALSE(UnmaskAndValidate({}, kKey, 0, &validator));
}

}  // namespace
}  // namespace halfpipe::websocket
