#include "bytestream/testing/fd_leak_check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

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
