// The engine where poll(2) finds no memory to look at a descriptor.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class EnginePollFaultTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds_), 0);
    runtime_.engine().Attach(&entry_, fds_[0]);
  }
  void TearDown() override {
    runtime_.engine().Detach(&entry_);
    for (const int fd : fds_) EXPECT_EQ(close(fd), 0);
  }

  Runtime runtime_;
  EngineFd entry_;
  int fds_[2];
};

// What epoll has told of, and that look could not confirm, is not told of again by itself.
TEST_F(EnginePollFaultTest, LosesNoEdge) {
  for (int round = 0; round < 2; ++round) {
    SyscallFault fault({Syscall::kPoll}, 1, ENOMEM);
    Bundle bundle(&runtime_);
    const auto write_later = [&] {
      EXPECT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(write(fds_[1], "x", 1), 1);
    };
    ASSERT_EQ(bundle.Start(write_later, {}), 0);
    EXPECT_EQ(runtime_.engine().WaitReadable(&entry_, Deadline::Never()), 0);
    EXPECT_TRUE(fault.hit());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    char byte;
    EXPECT_EQ(read(fds_[0], &byte, 1), 1);
  }
}

// Nor where it cannot look at first.
TEST_F(EnginePollFaultTest, LooksLater) {
  EXPECT_EQ(write(fds_[1], "x", 1), 1);
  for (int round = 0; round < 2; ++round) {
    SyscallFault fault({Syscall::kPoll}, 0, ENOMEM);
    EXPECT_EQ(runtime_.engine().WaitReadable(&entry_, Deadline::Never()), 0);
    EXPECT_TRUE(fault.hit());
  }
}

}  // namespace
}  // namespace halfpipe
