// Every system call behind passing a descriptor fails with every errno that it can have: the
// descriptor arrives once, or it is known that it does not, and none stays open.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/ipc_descriptors.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

// What the call has to give where the fault was hit in it, 0 for success.
int Expected(const SyscallFault& fault, Syscall transfer) {
  if (!fault.hit()) return 0;
  switch (fault.call()) {
    case Syscall::kEpollCreate1:
    case Syscall::kEventfd:
    case Syscall::kEpollCtl:
      return fault.error() == ENODEV ? -ENOMEM : -fault.error();
    case Syscall::kGetsockopt:
      return -ENOTSUP;  // it cannot be told that it is a Unix socket
    default:
      break;
  }
  if (fault.call() != transfer || fault.error() == EINTR) return 0;
  switch (fault.error()) {
    case EPIPE:
    case ENOTCONN:
    case ETIMEDOUT:
      return -ECONNRESET;
    default:
      return -fault.error();
  }
}

// Two connected handles and a pipe whose end is passed.
class Passing {
 public:
  explicit Passing(SyscallFault* fault) {
    fault->set_armed(false);
    EXPECT_EQ(ipc_pair(s_), 0);
    EXPECT_EQ(pipe2(pipe_, O_CLOEXEC | O_NONBLOCK), 0);
  }
  ~Passing() {
    for (const int h : s_) EXPECT_EQ(hclose(h), 0);
    for (const int fd : pipe_) EXPECT_EQ(close(fd), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }

  int sender() const { return s_[0]; }
  int receiver() const { return s_[1]; }
  int fd() const { return pipe_[1]; }

  // `fd` is the pipe's end, and is closed.
  void ExpectEnd(int fd) {
    ASSERT_GE(fd, 0);
    char byte = 'x';
    EXPECT_EQ(write(fd, &byte, 1), 1);
    EXPECT_EQ(read(pipe_[0], &byte, 1), 1);
    EXPECT_EQ(close(fd), 0);
  }

 private:
  FdLeakCheck leaks_;
  Runtime runtime_;
  int s_[2] = {-1, -1};
  int pipe_[2] = {-1, -1};
};

TEST(IpcDescriptorsFaultTest, Send) {
  const int calls = SweepSyscalls(SyscallSet(), [](SyscallFault& fault) {
    Passing passing(&fault);
    fault.set_armed(true);
    int result = Outcome(ipc_sendfd(passing.sender(), passing.fd(), -1));
    fault.set_armed(false);
    EXPECT_EQ(result, Expected(fault, Syscall::kSendmsg));
    if (result != 0 && result != -ENOTSUP && !IsShortage(-result)) {
      EXPECT_EQ(Outcome(ipc_sendfd(passing.sender(), passing.fd(), -1)), result);
      EXPECT_EQ(Outcome(ipc_recvfd(passing.receiver(), 0)), -ETIMEDOUT);
      return;
    }
    if (result != 0) result = Outcome(ipc_sendfd(passing.sender(), passing.fd(), -1));
    EXPECT_EQ(result, 0);
    passing.ExpectEnd(ipc_recvfd(passing.receiver(), -1));
    EXPECT_EQ(Outcome(ipc_recvfd(passing.receiver(), 0)), -ETIMEDOUT);
  });
  EXPECT_GE(calls, 1);
}

coroutine void Receive(SyscallFault* fault, int s, int* result) {
  fault->set_armed(true);
  *result = Outcome(ipc_recvfd(s, -1));
  fault->set_armed(false);
}

// With the descriptor there before, and after the receive has begun to wait.
TEST(IpcDescriptorsFaultTest, Receive) {
  for (const bool late : {false, true}) {
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      Passing passing(&fault);
      if (!late) {
        EXPECT_EQ(ipc_sendfd(passing.sender(), passing.fd(), -1), 0);
      }
      constexpr int kPending = -1'000'000;
      int result = kPending;
      const int h = go(Receive(&fault, passing.receiver(), &result));
      fault.set_armed(false);
      if (late) {
        EXPECT_EQ(ipc_sendfd(passing.sender(), passing.fd(), -1), 0);
      }
      fault.set_armed(result == kPending);
      EXPECT_EQ(bundle_wait(h, -1), 0);
      fault.set_armed(false);
      EXPECT_EQ(hclose(h), 0);
      if (result < 0 && fault.call() == Syscall::kMmap) {
        EXPECT_EQ(result, -ENOMEM);
      } else {
        EXPECT_EQ(result < 0 ? result : 0, Expected(fault, Syscall::kRecvmsg));
      }
      if (result < 0 && result != -ENOTSUP && !IsShortage(-result)) {
        EXPECT_EQ(Outcome(ipc_recvfd(passing.receiver(), -1)), result);
        return;
      }
      if (result < 0) result = Outcome(ipc_recvfd(passing.receiver(), -1));
      passing.ExpectEnd(result);
    });
    EXPECT_GE(calls, 1);
  }
}

// A descriptor that nobody takes is closed with its connection, or with its byte, whatever close(2)
// says.
TEST(IpcDescriptorsFaultTest, NobodyTakesIt) {
  for (const bool byte_is_taken : {false, true}) {
    SweepSyscalls({Syscall::kClose, Syscall::kRecvmsg}, [&](SyscallFault& fault) {
      Passing passing(&fault);
      EXPECT_EQ(ipc_sendfd(passing.sender(), passing.fd(), -1), 0);
      EXPECT_EQ(bsend(passing.sender(), "x", 1, -1), 0);
      fault.set_armed(true);
      if (byte_is_taken) static_cast<void>(brecv(passing.receiver(), nullptr, 2, 0));
      fault.set_armed(false);
    });
  }
}

TEST(IpcDescriptorsFaultTest, InterruptedOrShort) {
  for (const bool is_short : {false, true}) {
    SyscallFault none({Syscall::kOpen}, 0, EIO);
    Passing passing(&none);
    const auto pass = [&] {
      EXPECT_EQ(bsend(passing.sender(), "before", 6, -1), 0);
      EXPECT_EQ(ipc_sendfd(passing.sender(), passing.fd(), -1), 0);
      EXPECT_EQ(bsend(passing.sender(), "after", 5, -1), 0);
      EXPECT_EQ(brecv(passing.receiver(), nullptr, 6, -1), 0);
      const int fd = ipc_recvfd(passing.receiver(), -1);
      EXPECT_GE(fd, 0);
      EXPECT_EQ(brecv(passing.receiver(), nullptr, 5, -1), 0);
      return fd;
    };
    int fd = -1;
    if (is_short) {
      ShortTransfers transfers;
      fd = pass();
    } else {
      InterruptedCalls interrupted;
      fd = pass();
    }
    passing.ExpectEnd(fd);
  }
}

}  // namespace
}  // namespace halfpipe
