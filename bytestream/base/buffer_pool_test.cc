#include "bytestream/base/buffer_pool.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(BufferPoolTest, BlocksAreAlignedDistinctAndWritable) {
  BufferPool pool;
  std::set<uint8_t*> blocks;
  for (int i = 0; i < 40; ++i) {
    uint8_t* const block = pool.Get();
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 4096, 0u);
    std::memset(block, i, BufferPool::kBlockSize);
    if (!blocks.empty()) {
      const auto next = blocks.lower_bound(block);
      if (next != blocks.end()) {
        EXPECT_GE(*next - block, ptrdiff_t{BufferPool::kBlockSize});
      }
      if (next != blocks.begin()) {
        EXPECT_GE(block - *std::prev(next), ptrdiff_t{BufferPool::kBlockSize});
      }
    }
    EXPECT_TRUE(blocks.insert(block).second);
  }
  EXPECT_EQ(pool.blocks_in_use(), 40u);
  for (uint8_t* const block : blocks) pool.Put(block);
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST(BufferPoolTest, TheBlockThatCameBackLastGoesOutFirst) {
  BufferPool pool;
  uint8_t* const a = pool.Get();
  uint8_t* const b = pool.Get();
  pool.Put(a);
  pool.Put(b);
  EXPECT_EQ(pool.Get(), b);
  EXPECT_EQ(pool.Get(), a);
  pool.Put(a);
  pool.Put(b);
}

// Above kResidentBlocks the pages go back to the system; the blocks are as good as before.
TEST(BufferPoolTest, BlocksBeyondTheResidentOnesAreUsedAgain) {
  BufferPool pool;
  constexpr size_t kCount = BufferPool::kResidentBlocks + 48;
  std::vector<uint8_t*> blocks;
  for (size_t i = 0; i < kCount; ++i) blocks.push_back(pool.Get());
  const std::set<uint8_t*> first(blocks.begin(), blocks.end());
  for (uint8_t* const block : blocks) {
    std::memset(block, 0x5a, BufferPool::kBlockSize);
    pool.Put(block);
  }
  std::set<uint8_t*> second;
  for (size_t i = 0; i < kCount; ++i) {
    uint8_t* const block = pool.Get();
    ASSERT_NE(block, nullptr);
    std::memset(block, 0xa5, BufferPool::kBlockSize);
    second.insert(block);
  }
  EXPECT_EQ(second, first);
  for (uint8_t* const block : second) pool.Put(block);
}

TEST(BufferPoolTest, RandomUseKeepsContentsApart) {
  for (uint32_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    BufferPool pool;
    std::vector<std::pair<uint8_t*, uint8_t>> out;
    for (int i = 0; i < 1000; ++i) {
      if (out.empty() || random() % 2 == 0) {
        const uint8_t mark = static_cast<uint8_t>(random());
        out.emplace_back(pool.Get(), mark);
        std::memset(out.back().first, mark, BufferPool::kBlockSize);
      } else {
        const size_t index = random() % out.size();
        const auto [block, mark] = out[index];
        ASSERT_EQ(block[0], mark);
        ASSERT_EQ(block[BufferPool::kBlockSize - 1], mark);
        ASSERT_EQ(std::memcmp(block, block + 1, BufferPool::kBlockSize - 1), 0);
        pool.Put(block);
        out.erase(out.begin() + static_cast<ptrdiff_t>(index));
      }
      ASSERT_EQ(pool.blocks_in_use(), out.size());
    }
    for (const auto& entry : out) pool.Put(entry.first);
  }
}

TEST(BufferPoolTest, AbandonedBlocksStayValid) {
  uint8_t* block = nullptr;
  {
    BufferPool pool;
    block = pool.Get();
    pool.Abandon();
  }
  std::memset(block, 1, BufferPool::kBlockSize);
  EXPECT_EQ(block[BufferPool::kBlockSize - 1], 1);
}

TEST(BufferPoolDeathTest, MustOutliveItsBlocks) {
  EXPECT_DEATH(
      {
        BufferPool pool;
        static_cast<void>(pool.Get());
      },
      "check failed: in_use_ == 0");
}

}  // namespace
}  // namespace halfpipe
