#include "bytestream/testing/heap_counter.h"

#include <malloc.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Through here no compiler can tell that memory is not used.
void* volatile sink;

struct alignas(128) Aligned {
  char bytes[5000];
};

TEST(HeapCounterTest, CountsEveryWayToTakeMemory) {
  HeapCounter heap;
  EXPECT_EQ(heap.requests(), 0u);
  void* memory = std::malloc(10'000);
  sink = memory;
  EXPECT_GE(heap.bytes(), 10'000u);
  EXPECT_LE(heap.bytes(), 11'000u);
  memory = std::realloc(memory, 50'000);
  sink = memory;
  EXPECT_GE(heap.bytes(), 50'000u);
  EXPECT_LE(heap.bytes(), 51'000u);
  std::free(memory);
  EXPECT_EQ(heap.bytes(), 0u);
  sink = memory = std::calloc(100, 1'000);
  EXPECT_GE(heap.bytes(), 100'000u);
  std::free(memory);
  sink = memory = std::aligned_alloc(4096, 8192);
  EXPECT_GE(heap.bytes(), 8192u);
  std::free(memory);
  EXPECT_EQ(heap.bytes(), 0u);
  ASSERT_EQ(posix_memalign(&memory, 4096, 20'000), 0);
  sink = memory;
  EXPECT_GE(heap.bytes(), 20'000u);
  std::free(memory);
  EXPECT_EQ(heap.bytes(), 0u);
  sink = memory = memalign(4096, 30'000);
  EXPECT_GE(heap.bytes(), 30'000u);
  std::free(memory);
  auto* const aligned = new Aligned;
  sink = aligned;
  EXPECT_GE(heap.bytes(), sizeof(Aligned));
  delete aligned;
  EXPECT_EQ(heap.bytes(), 0u);
  const uint64_t before = heap.requests();
  auto made = std::make_unique<std::string>(200'000, 'x');
  sink = made->data();
  EXPECT_EQ(heap.requests(), before + 2);
  EXPECT_GE(heap.bytes(), 200'000u);
  made.reset();
  EXPECT_EQ(heap.bytes(), 0u);
  EXPECT_GE(heap.peak_bytes(), 200'000u);
  EXPECT_LE(heap.peak_bytes(), 210'000u);
}

TEST(HeapCounterTest, ThePeakIsOfItsOwnTime) {
  {
    std::string large(500'000, 'x');
    sink = &large[0];
  }
  std::string held(100'000, 'y');
  sink = &held[0];
  HeapCounter heap;
  held = std::string();
  EXPECT_EQ(heap.bytes(), 0u);
  EXPECT_LE(heap.peak_bytes(), 1000u);
}

}  // namespace
}  // namespace halfpipe
