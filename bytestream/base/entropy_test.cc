#include "bytestream/base/entropy.h"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

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

// What a thread has fetched and not handed out is not handed out by both processes.
TEST(SystemEntropyTest, ProcessesHaveBytesOfTheirOwn) {
  Draw(Entropy::System(), 1);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    uint8_t bytes[16];
    Entropy::System().Fill(absl::MakeSpan(bytes));
    _exit(write(ends[1], bytes, sizeof(bytes)) == sizeof(bytes) ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::vector<uint8_t> there(16);
  EXPECT_EQ(read(ends[0], there.data(), there.size()), 16);
  close(ends[0]);
  close(ends[1]);
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
