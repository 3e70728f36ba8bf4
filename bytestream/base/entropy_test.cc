#include "bytestream/base/entropy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::vector<uint8_t> Draw(Entropy& entropy, size_t size) {
  std::vector<uint8_t> bytes(size);
  entropy.Fill(absl::MakeSpan(bytes));
  return bytes;
}

TEST(SystemEntropyTest, FillsEverySize) {
  for (const size_t size : {0, 1, 4, 16, 255, 256, 257, 5000}) {
    SCOPED_TRACE(size);
    // Each byte differs from 0 in one of 16 draws, but for one chance in 2^128.
    std::vector<bool> touched(size);
    std::vector<uint8_t> bytes(size + 2, 0x77);
    for (int draw = 0; draw < 16; ++draw) {
      Entropy::System().Fill(absl::MakeSpan(bytes).subspan(1, size));
      EXPECT_EQ(bytes.front(), 0x77);
      EXPECT_EQ(bytes.back(), 0x77);
      for (size_t i = 0; i < size; ++i) touched[i] = touched[i] || bytes[i + 1] != 0;
    }
    for (size_t i = 0; i < size; ++i) EXPECT_TRUE(touched[i]) << i;
  }
}

// Over the edges of the blocks that are fetched from the system too.
TEST(SystemEntropyTest, NoKeyIsHandedOutTwice) {
  std::set<std::vector<uint8_t>> seen;
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(seen.insert(Draw(Entropy::System(), 12)).second);
}

TEST(SystemEntropyTest, ThreadsHaveBytesOfTheirOwn) {
  std::vector<uint8_t> there;
  std::thread([&there] { there = Draw(Entropy::System(), 16); }).join();
  EXPECT_NE(there, Draw(Entropy::System(), 16));
}

TEST(FakeEntropyTest, SameSeedSameBytesHoweverTheyAreCut) {
  FakeEntropy whole(7);
  FakeEntropy cut(7);
  const std::vector<uint8_t> expected = Draw(whole, 100);
  std::vector<uint8_t> pieces;
  for (size_t size = 0; pieces.size() < 100; size = (size + 1) % 9) {
    const std::vector<uint8_t> piece = Draw(cut, std::min(size, 100 - pieces.size()));
    pieces.insert(pieces.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(pieces, expected);
}

TEST(FakeEntropyTest, OtherSeedsGiveOtherBytes) {
  FakeEntropy one(1);
  FakeEntropy two(2);
  EXPECT_NE(Draw(one, 16), Draw(two, 16));
}

}  // namespace
}  // namespace halfpipe
