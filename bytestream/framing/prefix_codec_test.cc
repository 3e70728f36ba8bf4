#include "bytestream/framing/prefix_codec.h"

#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::vector<uint8_t> Encode(uint64_t size, ByteOrder order, size_t prefix_bytes) {
  std::vector<uint8_t> out(prefix_bytes, 0xAA);
  EncodePrefix(size, order, absl::MakeSpan(out));
  return out;
}

TEST(PrefixCodecTest, ByteOrders) {
  EXPECT_EQ(Encode(0x010203, ByteOrder::kBigEndian, 3), (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(Encode(0x010203, ByteOrder::kLittleEndian, 3), (std::vector<uint8_t>{3, 2, 1}));
  EXPECT_EQ(Encode(5, ByteOrder::kBigEndian, 8), (std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 5}));
  EXPECT_EQ(Encode(5, ByteOrder::kLittleEndian, 2), (std::vector<uint8_t>{5, 0}));
}

TEST(PrefixCodecTest, EverySizeAtItsLimits) {
  EXPECT_EQ(PrefixedSizeMax(1), 0xFFu);
  EXPECT_EQ(PrefixedSizeMax(7), 0xFFFFFFFFFFFFFFu);
  EXPECT_EQ(PrefixedSizeMax(8), UINT64_MAX);
  for (size_t bytes = 1; bytes <= kPrefixBytesMax; ++bytes) {
    for (const ByteOrder order : {ByteOrder::kBigEndian, ByteOrder::kLittleEndian}) {
      const uint64_t max = PrefixedSizeMax(bytes);
      for (const uint64_t size : {uint64_t{0}, uint64_t{1}, max / 2, max - 1, max}) {
        EXPECT_EQ(DecodePrefix(Encode(size, order, bytes), order), size) << bytes;
      }
    }
  }
}

}  // namespace
}  // namespace halfpipe
