// Every system call behind a MultiListener's accept fails with every errno that it can have, and
// every wait ends: the caller hears of it, and no connection is lost.

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/multi_listener.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr size_t kCount = 2;
constexpr int kPending = -1'000'000;

// Two listeners and their runtime.
class Listeners {
 public:
  explicit Listeners(bool wait_for_resources = true)
      : addresses_(kCount, IpAddress::Loopback(IpFamily::kIpv4, 0)) {
    std::vector<int> fds;
    for (IpAddress& address : addresses_) {
      fds.push_back(*TcpListenFd(&address, TcpListenOptions()));
    }
    ListenerOptions options;
    options.wait_for_resources = wait_for_resources;
    listener_.emplace(&runtime_, fds, options);
  }
  ~Listeners() {
    listener_.reset();
    for (const int fd : clients_) close(fd);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
  }

  Runtime& runtime() { return runtime_; }
  MultiListener& listener() { return *listener_; }

  // A client of the second one.
  void Connect() {
    clients_.push_back(*TcpConnectFd(&runtime_, addresses_.back(), Deadline::Never()));
  }
  // 0 or a negative errno.
  int Accept(Deadline deadline = Deadline::Never()) {
    const absl::StatusOr<int> fd = listener_->Accept(deadline);
    if (!fd.ok()) return -StatusErrno(fd.status());
    close(*fd);
    return 0;
  }
  // What there is comes, whatever pause there has to be; and no more.
  void ExpectOneMore() {
    int result = Accept();
    for (int i = 0; i < 3 && IsShortage(-result); ++i) result = Accept();
    EXPECT_EQ(result, 0);
    EXPECT_EQ(Accept(Deadline::Immediately()), -ETIMEDOUT);
  }

 private:
  FdLeakCheck leaks_;
  Runtime runtime_;
  std::vector<IpAddress> addresses_;
  std::optional<MultiListener> listener_;
  std::vector<int> clients_;
};

TEST(MultiListenerFaultTest, EverySystemCallFails) {
  for (const bool late : {false, true}) {
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      fault.set_armed(false);
      Listeners listeners;
      if (!late) listeners.Connect();
      int result = kPending;
      Bundle bundle(&listeners.runtime());
      ASSERT_TRUE(bundle
                      .Go([&] {
                        fault.set_armed(true);
                        result = listeners.Accept();
                        fault.set_armed(false);
                      })
                      .ok());
      fault.set_armed(false);
      if (late) listeners.Connect();
      fault.set_armed(result == kPending);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      fault.set_armed(false);
      if (result == 0) return;
      EXPECT_TRUE(fault.hit());
      EXPECT_TRUE(IsShortage(-result) || result == -fault.error()) << result;
      listeners.ExpectOneMore();
    });
    EXPECT_GE(calls, late ? 4 : 1);
  }
}

// Where the system has nothing left to wait with, an accept says so, and does not try for ever.
TEST(MultiListenerFaultTest, NothingToWaitWith) {
  for (const int error : {ENOSPC, ENOMEM}) {
    Listeners listeners(/*wait_for_resources=*/false);
    {
      SyscallFault fault({Syscall::kEpollCtl}, 0, error);
      fault.FailOn();
      EXPECT_EQ(listeners.Accept(), -error);
      EXPECT_TRUE(fault.hit());
    }
    listeners.Connect();
    EXPECT_EQ(listeners.Accept(), 0);  // after a pause
    // Only one of them could not be waited for, and that has passed.
    Listeners more(/*wait_for_resources=*/false);
    SyscallFault second({Syscall::kEpollCtl}, 2, error);
    EXPECT_EQ(more.Accept(), -ENOMEM);
    EXPECT_TRUE(second.hit());
    more.Connect();
    more.ExpectOneMore();
  }
}

TEST(MultiListenerFaultTest, EveryWaitEnds) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (int nth = 0; nth < kSweepWaitsMax; ++nth) {
      Listeners listeners;
      WaitFault fault(&listeners.runtime(), error, nth);
      int result = kPending;
      Bundle bundle(&listeners.runtime());
      ASSERT_TRUE(bundle
                      .Go([&] {
                        fault.set_only(listeners.runtime().current());
                        result = listeners.Accept();
                      })
                      .ok());
      const bool hit = fault.hit();
      if (hit) {
        EXPECT_EQ(result, -error);
      }
      listeners.Connect();
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      if (!hit) {
        EXPECT_EQ(result, 0);
        EXPECT_GE(nth, 1);
        break;
      }
      listeners.ExpectOneMore();
    }
  }
}

// The pause after a shortage is a wait too; and instead of one wait the whole bundle may end. What
// comes in between is there for the next accept.
TEST(MultiListenerFaultTest, EveryWaitOfAPacedAcceptEnds) {
  for (const int error : {0, ETIMEDOUT, ECANCELED}) {
    for (int nth = 0; nth < kSweepWaitsMax; ++nth) {
      SCOPED_TRACE(testing::Message() << "wait " << nth << ", errno " << error);
      Listeners listeners;
      // Of the attempt that follows the first wait.
      SyscallFault shortage({Syscall::kAccept4}, kCount, EMFILE);
      std::optional<WaitWatch> watch;
      std::optional<WaitFault> fault;
      const Coroutine nobody;
      if (error == 0) {
        watch.emplace(&listeners.runtime(), nth);
      } else {
        fault.emplace(&listeners.runtime(), error, nth, &nobody);
      }
      int result = kPending;
      Bundle bundle(&listeners.runtime());
      ASSERT_TRUE(bundle
                      .Go([&] {
                        const Coroutine* const self = listeners.runtime().current();
                        if (watch.has_value()) watch->set_only(self);
                        if (fault.has_value()) fault->set_only(self);
                        result = listeners.Accept();
                      })
                      .ok());
      listeners.Connect();
      if (watch.has_value()) {
        while (!watch->reached() && result == kPending) {
          EXPECT_EQ(listeners.runtime().Yield(), 0);
        }
        if (result == kPending) {
          bundle.CancelAndJoin();
          EXPECT_EQ(result, -ECANCELED);
        }
      }
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      const bool hit = watch.has_value() ? watch->reached() : fault->hit();
      if (!hit) {
        EXPECT_EQ(result, 0);
        EXPECT_GE(nth, 2);
        break;
      }
      // Where the connection was there when the wait ended, it is what counts.
      if (result != 0) {
        EXPECT_TRUE(result == -error || result == -ECANCELED) << result;
        listeners.ExpectOneMore();
      }
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace halfpipe
