#include "bytestream/testing/memory_usage.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(MemoryUsageTest, SeesAMappingAndItsPages) {
  constexpr size_t kBytes = 32 << 20;
  constexpr size_t kTouched = 16 << 20;
  const size_t mappings = MappingCount();
  EXPECT_GT(mappings, 0u);
  // One that cannot be joined to a neighbour.
  void* const memory =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  madvise(memory, kBytes, MADV_NOHUGEPAGE);
  EXPECT_GT(MappingCount(), mappings);
  EXPECT_EQ(ResidentBytesOf(memory, kBytes), 0u);
  const size_t resident = ResidentBytes();
  std::memset(memory, 1, kTouched);
  EXPECT_EQ(ResidentBytesOf(memory, kBytes), kTouched);
  EXPECT_GE(ResidentBytes(), resident + kTouched / 2);
  EXPECT_GT(PageTableBytes(), 0u);
  munmap(memory, kBytes);
  EXPECT_EQ(ResidentBytesOf(memory, kBytes), 0u);
}

}  // namespace
}  // namespace halfpipe
