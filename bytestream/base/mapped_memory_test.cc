#include "bytestream/base/mapped_memory.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr size_t kPage = 4096;

TEST(MappedMemoryTest, CountsWhatIsOut) {
  const size_t before = MappedMemoryBytes();
  void* const first = MapMemory(kPage, 0, "halfpipe test");
  void* const second = MapMemory(16 * kPage, MAP_NORESERVE, "halfpipe test");
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(MappedMemoryBytes(), before + 17 * kPage);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % kPage, 0u);
  for (size_t i = 0; i < kPage; ++i) ASSERT_EQ(static_cast<unsigned char*>(first)[i], 0);
  static_cast<char*>(second)[16 * kPage - 1] = 1;
  UnmapMemory(first, kPage);
  EXPECT_EQ(MappedMemoryBytes(), before + 16 * kPage);
  UnmapMemory(second, 16 * kPage);
  EXPECT_EQ(MappedMemoryBytes(), before);
  unsigned char page;
  EXPECT_EQ(mincore(second, kPage, &page), -1);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(MappedMemoryTest, NoMemoryIsNullAndNotCounted) {
  const size_t before = MappedMemoryBytes();
  EXPECT_EQ(MapMemory(std::numeric_limits<size_t>::max() / 2 / kPage * kPage, 0, "halfpipe test"),
            nullptr);
  EXPECT_EQ(MappedMemoryBytes(), before);
}

TEST(MappedMemoryTest, HasANameWhereTheKernelCan) {
  void* const mapping = MapMemory(kPage, 0, "halfpipe test");
  ASSERT_NE(mapping, nullptr);
  std::ifstream maps("/proc/self/maps");
  std::string line;
  bool named = false;
  while (std::getline(maps, line)) {
    named = named || line.find("[anon:halfpipe test]") != std::string::npos;
  }
#ifdef PR_SET_VMA
  const int knows = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, mapping, kPage, "halfpipe test");
#else
  const int knows = prctl(0x53564d41, 0, mapping, kPage, "halfpipe test");
#endif
  EXPECT_EQ(named, knows == 0);
  UnmapMemory(mapping, kPage);
}

}  // namespace
}  // namespace halfpipe
