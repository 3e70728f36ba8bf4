#include "websocket/core/masking.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/core/mask_key.h"

namespace halfpipe::websocket {
namespace {

constexpr MaskKey kKey = {0x37, 0xfa, 0x21, 0x3d};

// RFC 6455 section 5.3, word for word.
std::vector<uint8_t> Reference(absl::Span<const uint8_t> in, MaskKey key, uint64_t offset) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i < in.size(); ++i) {
    out.push_back(static_cast<uint8_t>(in[i] ^ key[(offset + i) % 4]));
  }
  return out;
}

std::vector<uint8_t> RandomBytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

using CopyFunction = void (*)(uint8_t*, absl::Span<const uint8_t>, MaskKey, uint64_t);

void MaskInPlace(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key, uint64_t offset) {
  if (!src.empty()) std::memcpy(dst, src.data(), src.size());
  Mask(absl::MakeSpan(dst, src.size()), key, offset);
}

class MaskingTest : public testing::TestWithParam<CopyFunction> {};

// Every size, alignment and offset; nothing round the destination changes.
TEST_P(MaskingTest, AgreesWithTheLoopForEverySizeAlignmentAndOffset) {
  constexpr size_t kGuard = 40;
  const std::vector<uint8_t> bytes = RandomBytes(400, 1);
  for (size_t size = 0; size <= 300; ++size) {
    for (size_t alignment = 0; alignment < 33; ++alignment) {
      const uint64_t offset = size + alignment;
      const absl::Span<const uint8_t> src = absl::MakeConstSpan(bytes).subspan(alignment, size);
      std::vector<uint8_t> memory(size + 2 * kGuard + 33, 0xEE);
      const size_t begin = kGuard + (alignment * 7) % 33;
      std::vector<uint8_t> expected = memory;
      const std::vector<uint8_t> masked = Reference(src, kKey, offset);
      std::copy(masked.begin(), masked.end(), expected.begin() + begin);
      GetParam()(memory.data() + begin, src, kKey, offset);
      ASSERT_EQ(memory, expected) << size << " " << alignment;
    }
  }
}

TEST_P(MaskingTest, EveryOffsetAtEverySize) {
  const std::vector<uint8_t> bytes = RandomBytes(300, 2);
  for (size_t size = 0; size <= 300; ++size) {
    for (uint64_t offset :
         {0ull, 1ull, 2ull, 3ull, 4ull, 65535ull, (1ull << 62) + 1, (1ull << 63) - 2}) {
      const absl::Span<const uint8_t> src = absl::MakeConstSpan(bytes).first(size);
      std::vector<uint8_t> out(size);
      GetParam()(out.data(), src, kKey, offset);
      ASSERT_EQ(out, Reference(src, kKey, offset)) << size << " " << offset;
    }
  }
}

// A payload that is masked piece by piece, each at its own offset, is the same as in one piece.
// Fails if Pattern() sets turn to 0.
TEST_P(MaskingTest, TheKeyGoesOnOverPieces) {
  const std::vector<uint8_t> bytes = RandomBytes(1000, 3);
  const std::vector<uint8_t> whole = Reference(bytes, kKey, 0);
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<uint8_t> out(bytes.size());
    for (size_t done = 0; done < bytes.size();) {
      const size_t size = std::min<size_t>(random() % 97, bytes.size() - done);
      GetParam()(out.data() + done, absl::MakeConstSpan(bytes).subspan(done, size), kKey, done);
      done += size;
    }
    ASSERT_EQ(out, whole) << "seed " << seed;
  }
}

TEST_P(MaskingTest, TwiceIsOnce) {
  const std::vector<uint8_t> bytes = RandomBytes(100000, 4);
  std::vector<uint8_t> out(bytes.size());
  GetParam()(out.data(), bytes, kKey, 3);
  EXPECT_NE(out, bytes);
  GetParam()(out.data(), std::vector<uint8_t>(out), kKey, 3);
  EXPECT_EQ(out, bytes);
}

TEST_P(MaskingTest, AKeyOfZeroesCopies) {
  const std::vector<uint8_t> bytes = RandomBytes(777, 5);
  std::vector<uint8_t> out(bytes.size());
  GetParam()(out.data(), bytes, MaskKey{}, 1);
  EXPECT_EQ(out, bytes);
}

INSTANTIATE_TEST_SUITE_P(Functions, MaskingTest,
                         testing::Values(&MaskInPlace, &MaskCopy,
                                         &masking_internal::MaskCopyBaseline));

// The example of RFC 6455 section 5.7.
TEST(MaskTest, MasksTheExampleOfTheRfc) {
  uint8_t hello[] = {'H', 'e', 'l', 'l', 'o'};
  Mask(absl::MakeSpan(hello), kKey, 0);
  const uint8_t expected[] = {0x7f, 0x9f, 0x4d, 0x51, 0x58};
  EXPECT_EQ(0, std::memcmp(hello, expected, sizeof hello));
}

}  // namespace
}  // namespace halfpipe::websocket
