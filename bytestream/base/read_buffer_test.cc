#include "bytestream/base/read_buffer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr size_t kCapacity = ReadBuffer::kCapacity;

void Append(ReadBuffer* buffer, size_t size, char fill) {
  ASSERT_TRUE(buffer->Reserve(std::min(buffer->size() + size, kCapacity)));
  ASSERT_GE(buffer->Spare().size(), size);
  std::memset(buffer->Spare().data(), fill, size);
  buffer->Commit(size);
}

bool PutBack(ReadBuffer* buffer, const std::string& text) {
  return buffer->PutBack(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

std::string Contents(ReadBuffer* buffer) {
  return std::string(reinterpret_cast<const char*>(buffer->data().data()), buffer->size());
}

TEST(ReadBufferTest, HoldsNoStorageUntilNeeded) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  EXPECT_TRUE(buffer.empty());
  EXPECT_TRUE(buffer.Spare().empty());
  EXPECT_TRUE(buffer.data().empty());
  EXPECT_EQ(pool.blocks_in_use(), 0u);
  buffer.Consume(0);
  EXPECT_TRUE(PutBack(&buffer, ""));
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST(ReadBufferTest, GivesItsStorageBackWhenDrained) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, 10, 'a');
  EXPECT_EQ(pool.blocks_in_use(), 1u);
  buffer.Consume(9);
  EXPECT_EQ(pool.blocks_in_use(), 1u);
  buffer.Consume(1);
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST(ReadBufferTest, GivesItsStorageBackWhenNothingCame) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  ASSERT_TRUE(buffer.Reserve(1));
  EXPECT_EQ(buffer.Spare().size(), kCapacity);
  EXPECT_EQ(pool.blocks_in_use(), 1u);
  buffer.ReleaseIfEmpty();
  EXPECT_EQ(pool.blocks_in_use(), 0u);
  Append(&buffer, 1, 'a');
  buffer.ReleaseIfEmpty();
  EXPECT_EQ(Contents(&buffer), "a");
}

TEST(ReadBufferTest, GivesItsStorageBackWhenDestroyed) {
  BufferPool pool;
  {
    ReadBuffer buffer(&pool);
    Append(&buffer, 1, 'a');
  }
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST(ReadBufferTest, ReserveMakesRoomByMoving) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, kCapacity, 'a');
  EXPECT_TRUE(buffer.Spare().empty());
  buffer.Consume(kCapacity - 3);
  ASSERT_TRUE(buffer.Reserve(kCapacity));
  EXPECT_EQ(buffer.Spare().size(), kCapacity - 3);
  EXPECT_EQ(Contents(&buffer), "aaa");
}

TEST(ReadBufferTest, ReserveGivesRoomBehindEnoughBytes) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, kCapacity, 'a');
  buffer.Consume(kCapacity - 3);
  ASSERT_TRUE(buffer.Reserve(2));  // They are there, at the very end of the block.
  EXPECT_FALSE(buffer.Spare().empty());
  EXPECT_EQ(Contents(&buffer), "aaa");
}

TEST(ReadBufferTest, FullBufferHasNoSpareRoom) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, kCapacity, 'a');
  EXPECT_TRUE(buffer.Reserve(kCapacity));
  EXPECT_TRUE(buffer.Spare().empty());
  EXPECT_EQ(buffer.size(), kCapacity);
}

TEST(ReadBufferTest, PutBackStandsInFront) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, 2, 'x');
  EXPECT_TRUE(PutBack(&buffer, "abc"));
  EXPECT_EQ(Contents(&buffer), "abcxx");
  buffer.Consume(1);
  EXPECT_TRUE(PutBack(&buffer, "1"));  // Into the gap in front.
  EXPECT_EQ(Contents(&buffer), "1bcxx");
}

TEST(ReadBufferTest, PutBackAtTheEdgeOfTheBlock) {
  for (const size_t extra : {0, 1, 2}) {
    SCOPED_TRACE(extra);
    BufferPool pool;
    ReadBuffer buffer(&pool);
    Append(&buffer, 5, 'x');
    const std::string text(kCapacity - 6 + extra, 'p');
    EXPECT_TRUE(PutBack(&buffer, text));
    EXPECT_EQ(Contents(&buffer), text + "xxxxx");
    // Beyond the block the bytes are on the heap, and the block is free again.
    EXPECT_EQ(pool.blocks_in_use(), extra == 2 ? 0u : 1u);
    buffer.Consume(text.size());
    EXPECT_EQ(Contents(&buffer), "xxxxx");
    ASSERT_TRUE(buffer.Reserve(kCapacity));
    EXPECT_GE(buffer.Spare().size(), kCapacity - 5);
    EXPECT_EQ(pool.blocks_in_use(), 1u);
    buffer.Consume(5);
    EXPECT_EQ(pool.blocks_in_use(), 0u);
  }
}

TEST(ReadBufferTest, PutBackOfFarMoreThanABlock) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, 3, 'x');
  const std::string text(1'000'000, 'p');
  EXPECT_TRUE(PutBack(&buffer, text));
  EXPECT_EQ(buffer.size(), 1'000'003u);
  ASSERT_TRUE(buffer.Reserve(kCapacity));
  EXPECT_EQ(Contents(&buffer), text + "xxx");
  buffer.Consume(600'000);
  EXPECT_TRUE(PutBack(&buffer, "again"));
  EXPECT_EQ(Contents(&buffer), "again" + text.substr(600'000) + "xxx");
  buffer.Consume(buffer.size());
  EXPECT_TRUE(buffer.empty());
}

// Agrees with a deque through any sequence of operations.
class ReadBufferModelTest : public testing::TestWithParam<uint32_t> {};

TEST_P(ReadBufferModelTest, AgreesWithADeque) {
  std::mt19937 random(GetParam());
  BufferPool pool;
  {
    ReadBuffer buffer(&pool);
    std::deque<uint8_t> model;
    // Small sizes are as likely as those near the capacity.
    const auto any_size = [&random](size_t max) {
      const size_t limit = std::min<size_t>(max, random() % 3 == 0 ? max : 30);
      return limit == 0 ? 0 : random() % (limit + 1);
    };
    for (int step = 0; step < 1000; ++step) {
      SCOPED_TRACE(step);
      switch (random() % 5) {
        case 0:
        case 1: {
          const size_t wanted = any_size(kCapacity);
          ASSERT_TRUE(buffer.Reserve(wanted));
          ASSERT_TRUE(buffer.size() >= wanted || buffer.size() + buffer.Spare().size() >= wanted);
          ASSERT_TRUE(buffer.size() >= kCapacity || !buffer.Spare().empty());
          const size_t count = any_size(buffer.Spare().size());
          for (size_t i = 0; i < count; ++i) {
            buffer.Spare()[i] = static_cast<uint8_t>(random());
            model.push_back(buffer.Spare()[i]);
          }
          buffer.Commit(count);
          if (random() % 2 == 0) buffer.ReleaseIfEmpty();
          break;
        }
        case 2:
        case 3: {
          const size_t count = any_size(model.size());
          buffer.Consume(count);
          model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(count));
          break;
        }
        case 4: {
          std::vector<uint8_t> bytes(any_size(3 * kCapacity));
          for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
          ASSERT_TRUE(buffer.PutBack(bytes));
          model.insert(model.begin(), bytes.begin(), bytes.end());
          break;
        }
      }
      if (model.size() > 20 * kCapacity) {
        buffer.Consume(model.size());
        model.clear();
      }
      ASSERT_EQ(buffer.size(), model.size());
      ASSERT_EQ(buffer.empty(), model.empty());
      const absl::Span<uint8_t> data = buffer.data();
      ASSERT_TRUE(std::equal(data.begin(), data.end(), model.begin(), model.end()));
      ASSERT_LE(pool.blocks_in_use(), 1u);
      if (step % 100 == 99) {
        buffer.Consume(model.size());
        model.clear();
        ASSERT_EQ(pool.blocks_in_use(), 0u);
      }
    }
  }
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReadBufferModelTest, testing::Range(uint32_t{0}, uint32_t{8}));

TEST(ReadBufferDeathTest, ConsumesNoMoreThanThereIs) {
  BufferPool pool;
  ReadBuffer buffer(&pool);
  Append(&buffer, 1, 'a');
  EXPECT_DEATH(buffer.Consume(2), "check failed: count <= size\\(\\)");
}

}  // namespace
}  // namespace halfpipe
