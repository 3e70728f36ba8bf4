// Runs of tests, one of which is clean; leak_checked_main_test.sh looks at what is said of each.

#include <fcntl.h>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/mapped_memory.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// The runtime of the thread has descriptors and stacks, which go with it.
TEST(LeakCheckedMainFixture, Clean) {
  EXPECT_EQ(Runtime::Current().SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
}

TEST(LeakCheckedMainFixture, LeavesADescriptor) { EXPECT_GE(open("/dev/null", O_RDONLY), 0); }

TEST(LeakCheckedMainFixture, LeavesAMapping) {
  EXPECT_NE(MapMemory(4096, 0, "halfpipe test"), nullptr);
}

TEST(LeakCheckedMainFixture, Fails) { FAIL(); }

}  // namespace
}  // namespace halfpipe
