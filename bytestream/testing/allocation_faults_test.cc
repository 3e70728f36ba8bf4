#include "bytestream/testing/allocation_faults.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/read_buffer.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Not optimized away.
bool Got(void* memory) {
  void* volatile seen = memory;
  return seen != nullptr;
}

TEST(AllocationFaultsTest, EveryWayToAsk) {
  for (int way = 0; way < 5; ++way) {
    SCOPED_TRACE(way);
    AllocationFault fault(1);
    for (int i = 0; i < 3; ++i) {
      void* const memory = way == 0   ? std::malloc(10)
                           : way == 1 ? std::calloc(1, 10)
                           : way == 2 ? std::realloc(nullptr, 10)
                                      : nullptr;
      int* const one = way == 3 ? new (std::nothrow) int : nullptr;
      int* const many = way == 4 ? new (std::nothrow) int[3] : nullptr;
      EXPECT_EQ(Got(memory) || Got(one) || Got(many), i != 1);
      std::free(memory);
      delete one;
      delete[] many;
    }
    EXPECT_TRUE(fault.hit());
  }
}

TEST(AllocationFaultsTest, FailsOnUntilItsEnd) {
  AllocationFault fault(0);
  fault.FailOn();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(std::malloc(1), nullptr);
  fault.set_armed(false);
  void* const memory = std::malloc(1);
  EXPECT_TRUE(Got(memory));
  std::free(memory);
  std::thread([] {
    void* const other = std::malloc(1);
    EXPECT_TRUE(Got(other));
    std::free(other);
  }).join();
}

// A throwing new is not meant.
TEST(AllocationFaultsTest, WhatMayNotFailDoesNot) {
  AllocationFault fault(0);
  EXPECT_NE(std::make_unique<int>(1), nullptr);
  EXPECT_FALSE(fault.hit());
}

// A request of the libraries, not of the test.
TEST(AllocationFaultsTest, SweepComesByTheLibraries) {
  BufferPool pool;
  const std::string bytes(BufferPool::kBlockSize + 1, 'x');
  int runs = 0;
  const int requests = SweepAllocations([&](AllocationFault& fault) {
    ++runs;
    ReadBuffer buffer(&pool);
    const bool kept = buffer.PutBack(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    EXPECT_EQ(kept, !fault.hit());
  });
  EXPECT_EQ(requests, 1);
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace halfpipe
