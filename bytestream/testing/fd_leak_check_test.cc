#include "bytestream/testing/fd_leak_check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/mapped_memory.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(FdLeakCheckTest, CleanScopePasses) {
  FdLeakCheck check(FdLeakCheck::Scope::kDescriptorsAndMappings);
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  close(fd);
}

TEST(FdLeakCheckTest, DescriptorLeftOpenFails) {
  static int fd;
  EXPECT_NONFATAL_FAILURE(
      {
        FdLeakCheck check;
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
      },
      "left open: ");
  close(fd);
}

TEST(FdLeakCheckTest, DescriptorOfAnotherThatWasClosedFails) {
  static int fd;
  fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_NONFATAL_FAILURE(
      {
        FdLeakCheck check;
        close(fd);
      },
      "closed: ");
}

TEST(FdLeakCheckTest, MemoryOfAPoolLeftBehindFails) {
  constexpr size_t kBytes = 1 << 20;
  static void* mapping;
  EXPECT_NONFATAL_FAILURE(
      {
        FdLeakCheck check;
        mapping = MapMemory(kBytes, 0, "halfpipe test");
      },
      "left behind");
  FdLeakCheck check;
  UnmapMemory(mapping, kBytes);
}

TEST(FdLeakCheckTest, ARuntimeLeavesNothing) {
  FdLeakCheck check(FdLeakCheck::Scope::kDescriptorsAndMappings);
  Runtime runtime;
  Bundle bundle(&runtime);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(bundle.Go([&] { static_cast<void>(runtime.SleepUntil(Deadline::Never())); }).ok());
  }
  uint8_t* const block = runtime.buffer_pool().Get();
  ASSERT_NE(block, nullptr);
  EXPECT_GE(MappedMemoryBytes(), 40 * Runtime::Options().stack_bytes + BufferPool::kBlockSize);
  runtime.buffer_pool().Put(block);
}

TEST(FdLeakCheckTest, CountsMappings) {
  const int before = CountMappings();
  // Rooms with a gap that belongs to nobody, so that they stand alone.
  constexpr size_t kBytes = 1 << 20;
  void* const room = mmap(nullptr, 3 * kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(room, MAP_FAILED);
  ASSERT_EQ(munmap(static_cast<char*>(room) + kBytes, kBytes), 0);
  EXPECT_GT(CountMappings(), before);
  munmap(room, kBytes);
  munmap(static_cast<char*>(room) + 2 * kBytes, kBytes);
  EXPECT_LE(CountMappings(), before);
}

}  // namespace
}  // namespace halfpipe
