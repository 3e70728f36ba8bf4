#ifndef HALFPIPE_BYTESTREAM_TESTING_FAILING_CALLS_H_
#define HALFPIPE_BYTESTREAM_TESTING_FAILING_CALLS_H_

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "bytestream/handle/handle_table.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"

namespace halfpipe {

// For what the heads of the C headers say of every call that uses a connection: the table of a
// header's calls, and the two tests of it.

// A C call on a connection.
struct FailingCall {
  const char* name;
  // Which direction it uses first. Nothing can be sent, or nothing arrives, when the call is made.
  enum class Uses { kReceives, kSends } uses;
  // Makes the handle that the call is made on of the Unix connection `s`, without waiting; `peer` is
  // the descriptor of the other end.
  std::function<int(int s, int peer)> prepare;
  std::function<int64_t(int s, int64_t deadline)> call;
  // The handle is closed where the call fails.
  bool closes = false;
};

// One run of a call, with nothing left behind.
class FailingCallRun {
 public:
  explicit FailingCallRun(const FailingCall& call)
      : call_(call), fds_(ConnectedFds(Transport::kUnix)) {
    s_ = dill_ipc_fromfd(fds_[0]);
    if (call.prepare) s_ = call.prepare(s_, fds_[1]);
    EXPECT_GT(s_, 0);
    if (!sends()) return;
    const char block[4096] = {};
    for (const size_t size : {sizeof(block), size_t{1}}) {
      while (send(fds_[0], block, size, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
      }
    }
  }
  ~FailingCallRun() {
    const int result = dill_hclose(s_);
    EXPECT_EQ(result, call_.closes ? -1 : 0);
    EXPECT_EQ(close(fds_[1]), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
  }
  FailingCallRun(const FailingCallRun&) = delete;
  FailingCallRun& operator=(const FailingCallRun&) = delete;

  bool sends() const { return call_.uses == FailingCall::Uses::kSends; }

  // The call fails with that.
  void Expect(int error, int64_t deadline = -1) {
    errno = 0;
    EXPECT_EQ(call_.call(s_, deadline), -1);
    EXPECT_EQ(errno, error);
  }

 private:
  const FailingCall& call_;
  FdLeakCheck leaks_;
  Runtime runtime_;
  const std::array<int, 2> fds_;
  int s_ = -1;
};

// The system has no descriptor, or no memory, for the call or to wait with: it says so, and can be
// made again unless it closes.
inline void ExpectShortages(const FailingCall& call) {
  SCOPED_TRACE(call.name);
  const bool sends = call.uses == FailingCall::Uses::kSends;
  const struct {
    Syscall where;
    int error;
  } shortages[] = {{Syscall::kEpollCreate1, EMFILE},
                   {Syscall::kEpollCreate1, ENFILE},
                   {Syscall::kEpollCreate1, ENOMEM},
                   {Syscall::kEpollCtl, ENOSPC},
                   {sends ? Syscall::kSendmsg : Syscall::kRecvmsg, ENOBUFS}};
  for (const auto& shortage : shortages) {
    SCOPED_TRACE(shortage.error);
    FailingCallRun run(call);
    {
      SyscallFault fault({shortage.where}, 0, shortage.error);
      run.Expect(shortage.error);
      EXPECT_TRUE(fault.hit());
    }
    if (!call.closes) run.Expect(ETIMEDOUT, 0);
  }
}

// The connection breaks, as the system says: so does the call, and goes on to.
inline void ExpectBreaks(const FailingCall& call) {
  SCOPED_TRACE(call.name);
  const bool sends = call.uses == FailingCall::Uses::kSends;
  for (const int error : {ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED,
                          ECONNREFUSED, EACCES, EPERM, EIO}) {
    SCOPED_TRACE(error);
    FailingCallRun run(call);
    {
      SyscallFault fault({sends ? Syscall::kSendmsg : Syscall::kRecvmsg}, 0, error);
      run.Expect(error);
      EXPECT_TRUE(fault.hit());
    }
    if (!call.closes) run.Expect(error);
  }
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FAILING_CALLS_H_
