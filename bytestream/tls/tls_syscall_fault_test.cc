// Every system call behind a TLS connection over TCP and over Unix sockets fails with every errno
// that it can have: whoever calls gets an errno that the headers name, nothing leaks, and what is
// received is what was sent.

#include <array>
#include <cerrno>
#include <cstdio>
#include <set>

#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/tls/tls_life.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// What a call may tell where that one has failed: its errno, or that the connection has broken, of
// which the other end knows no more.
std::set<int> Expected(const SyscallFault& fault) {
  std::set<int> expected = {ECONNRESET};
  if (const int error = ErrorOfStreamCall(fault.call(), fault.error())) expected.insert(error);
  if (fault.call() == Syscall::kOpen || fault.call() == Syscall::kRead) {  // of the server's files
    expected.insert(fault.error());
  }
  return expected;
}

// Those after which nothing can be as it was.
bool IsFatal(const SyscallFault& fault) {
  if (!fault.hit() || fault.error() == EINTR || IsShortage(fault.error())) return false;
  return fault.call() == Syscall::kRecvmsg || fault.call() == Syscall::kSendmsg;
}

class TlsSyscallFaultTest : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override {
    Runtime runtime;
    TlsLife::WarmUp();
  }

  void Sweep(const char* what, TlsLife::Options options) {
    int lived = 0;
    int runs = 0;
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      fault.set_armed(false);
      FdLeakCheck leaks;
      Runtime runtime;
      const bool tcp = GetParam() == Transport::kTcp;
      std::array<int, 2> s = ConnectedFds(GetParam());
      for (int& each : s) {
        each = tcp ? tcp_fromfd(each) : ipc_fromfd(each);
        ASSERT_GT(each, 0);
      }
      TlsLife life(options);
      life.Run(s[0], s[1], [&] { fault.set_armed(true); });
      fault.set_armed(false);
      ++runs;
      if (life.lived()) ++lived;
      if (!fault.hit()) {
        EXPECT_TRUE(life.lived());
      }
      if (IsFatal(fault)) {
        EXPECT_FALSE(life.told().empty());
      }
      const std::set<int> expected = Expected(fault);
      for (const int error : life.told()) {
        EXPECT_TRUE(fault.hit() && expected.count(error) > 0) << "errno " << error;
      }
      EXPECT_EQ(HandleTable::Current().live_count(), 0u);
      EXPECT_EQ(runtime.coroutine_count(), 0u);
      EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
    });
    std::printf("%s over %s: %d system calls, %d runs, %d of them to the end\n", what,
                TransportName(GetParam()), calls, runs, lived);
    EXPECT_GE(calls, 20);
  }
};

INSTANTIATE_TEST_SUITE_P(Sockets, TlsSyscallFaultTest,
                         testing::Values(Transport::kUnix, Transport::kTcp),
                         [](const testing::TestParamInfo<Transport>& info) {
                           return TransportName(info.param);
                         });

TEST_P(TlsSyscallFaultTest, UntilDetached) { Sweep("attach to detach", {.detaches = true}); }

TEST_P(TlsSyscallFaultTest, UntilClosed) {
  Sweep("attach to hclose", {.in_callers_memory = true, .by_host = false, .detaches = false});
}

}  // namespace
}  // namespace halfpipe
