// Accepting while the process has no descriptor left: nothing spins, nothing is lost, and the error
// is seen.

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/accept_pacer.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/multi_listener.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace {

int accept_calls = 0;
bool exhausted = false;

}  // namespace

// In place of the system's, so that attempts can be counted.
extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  ++accept_calls;
  if (exhausted) {
    errno = EMFILE;
    return -1;
  }
  return static_cast<int>(syscall(SYS_accept4, fd, address, size, flags));
}

namespace halfpipe {
namespace {

constexpr int64_t kMilli = 1'000'000;

// Time passes only in waits: each takes exactly as long as it asks for. So the pauses are exact.
class PassingTime final : public WaitObserver {
 public:
  PassingTime(Runtime* runtime, SimClock* clock) : runtime_(runtime), clock_(clock) {
    runtime_->set_wait_observer(this);
  }
  ~PassingTime() override { runtime_->set_wait_observer(nullptr); }

  int OnWait(Coroutine*, Deadline deadline) override {
    if (error_ != 0) return error_;
    if (deadline.is_never()) return 0;
    pauses_.push_back((deadline.nanos() - clock_->NowNanos()) / kMilli);
    clock_->AdvanceTo(deadline);
    if (on_pause) on_pause();
    return 0;
  }

  // The waits so far, in milliseconds.
  std::vector<int64_t> TakePauses() { return std::exchange(pauses_, {}); }
  void set_error(int error) { error_ = error; }

  std::function<void()> on_pause;

 private:
  Runtime* const runtime_;
  SimClock* const clock_;
  int error_ = 0;
  std::vector<int64_t> pauses_;
};

Runtime::Options OnClock(Clock* clock) {
  Runtime::Options options;
  options.clock = clock;
  return options;
}

enum class Kind { kListener, kMultiListener };

class AcceptPacingTest : public testing::TestWithParam<Kind> {
 protected:
  AcceptPacingTest() : client_(-1) {
    const int fd = *TcpListenFd(&address_, TcpListenOptions());
    Open(fd, ListenerOptions());
    EXPECT_EQ(AcceptErrno(Deadline::Immediately()), ETIMEDOUT);
    client_ = *TcpConnectFd(&runtime_, address_, Deadline::Never());
    EXPECT_TRUE(AwaitEvents(fd, POLLIN));
    accept_calls = 0;
  }
  ~AcceptPacingTest() override {
    Restore();
    close(client_);
  }

  void Open(int fd, ListenerOptions options) {
    if (GetParam() == Kind::kListener) {
      listener_ = std::make_unique<Listener>(&runtime_, fd, options);
    } else {
      const int fds[] = {fd};
      multi_listener_ = std::make_unique<MultiListener>(&runtime_, fds, options);
    }
  }

  // The same listener once more, with `options`.
  void Reopen(ListenerOptions options) {
    const int fd = dup(listener_ != nullptr ? listener_->fd() : multi_listener_->fd(0));
    listener_ = nullptr;
    multi_listener_ = nullptr;
    Open(fd, options);
  }

  absl::StatusOr<int> Accept(Deadline deadline) {
    return listener_ != nullptr ? listener_->Accept(deadline) : multi_listener_->Accept(deadline);
  }
  int AcceptErrno(Deadline deadline) { return StatusErrno(Accept(deadline).status()); }
  void Abort() {
    if (listener_ != nullptr) listener_->Abort();
    if (multi_listener_ != nullptr) multi_listener_->Abort();
  }

  // From now on accepting fails for want of a descriptor, until Restore(). Made up, because some
  // sanitizers need descriptors of their own; sockets_tcp_test has the real thing.
  void Exhaust() { exhausted = true; }
  void Restore() { exhausted = false; }

  void ExpectConnection(Deadline deadline) {
    const absl::StatusOr<int> fd = Accept(deadline);
    ASSERT_TRUE(fd.ok()) << fd.status();
    close(*fd);
  }

  FdLeakCheck leaks_;
  SimClock clock_;
  Runtime runtime_{OnClock(&clock_)};
  PassingTime time_{&runtime_, &clock_};
  IpAddress address_ = IpAddress::Loopback(IpFamily::kIpv4, 0);
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<MultiListener> multi_listener_;
  int client_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, AcceptPacingTest,
                         testing::Values(Kind::kListener, Kind::kMultiListener));

// A loop that accepts and ignores errors: each call makes one attempt, and all but the first one
// pause before it, longer and longer up to the limit.
TEST_P(AcceptPacingTest, LoopThatIgnoresErrorsDoesNotSpin) {
  Exhaust();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(AcceptErrno(Deadline::Never()), EMFILE);
  EXPECT_EQ(accept_calls, 10);
  EXPECT_EQ(time_.TakePauses(), (std::vector<int64_t>{1, 2, 4, 8, 16, 32, 64, 128, 128}));
  Restore();
  ExpectConnection(Deadline::Never());
  EXPECT_EQ(time_.TakePauses(), std::vector<int64_t>{128});
  // It is well again: no pauses, and the next ones would begin anew.
  EXPECT_EQ(AcceptErrno(Deadline::Immediately()), ETIMEDOUT);
  EXPECT_TRUE(time_.TakePauses().empty());
}

TEST_P(AcceptPacingTest, CallThatComesLateDoesNotPause) {
  Exhaust();
  EXPECT_EQ(AcceptErrno(Deadline::Never()), EMFILE);
  clock_.Advance(absl::Nanoseconds(AcceptPacer::kPauseNanosMin));
  EXPECT_EQ(AcceptErrno(Deadline::Never()), EMFILE);
  EXPECT_TRUE(time_.TakePauses().empty());
  EXPECT_EQ(accept_calls, 2);
}

// What needs no waiting is done also then.
TEST_P(AcceptPacingTest, ExpiredDeadlineIsNotPausedFor) {
  Exhaust();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(AcceptErrno(Deadline::Immediately()), EMFILE);
  EXPECT_EQ(accept_calls, 3);
  Restore();
  ExpectConnection(Deadline::Immediately());
  EXPECT_TRUE(time_.TakePauses().empty());
}

TEST_P(AcceptPacingTest, DeadlineCutsThePause) {
  Exhaust();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(AcceptErrno(Deadline::Never()), EMFILE);
  time_.TakePauses();
  EXPECT_EQ(AcceptErrno(Deadline::In(absl::Milliseconds(3))), EMFILE);
  EXPECT_EQ(time_.TakePauses(), std::vector<int64_t>{3});
  EXPECT_EQ(accept_calls, 5);
}

TEST_P(AcceptPacingTest, WaitsForResourcesUntilItsDeadline) {
  ListenerOptions options;
  options.wait_for_resources = true;
  Reopen(options);
  Exhaust();
  EXPECT_EQ(AcceptErrno(Deadline::In(absl::Milliseconds(20))), EMFILE);
  EXPECT_EQ(time_.TakePauses(), (std::vector<int64_t>{1, 2, 4, 8, 5}));
  EXPECT_EQ(accept_calls, 6);
  EXPECT_EQ(AcceptErrno(Deadline::Immediately()), EMFILE);
  EXPECT_EQ(accept_calls, 7);
}

TEST_P(AcceptPacingTest, WaitsForResourcesThatComeBack) {
  ListenerOptions options;
  options.wait_for_resources = true;
  Reopen(options);
  Exhaust();
  int pauses = 0;
  time_.on_pause = [&] {
    if (++pauses == 3) Restore();
  };
  ExpectConnection(Deadline::Never());
  EXPECT_EQ(pauses, 3);
  EXPECT_EQ(accept_calls, 4);
}

TEST_P(AcceptPacingTest, CancelledPause) {
  for (const bool wait : {false, true}) {
    ListenerOptions options;
    options.wait_for_resources = wait;
    Reopen(options);
    Exhaust();
    EXPECT_EQ(AcceptErrno(Deadline::Immediately()), EMFILE);
    Bundle bundle(&runtime_);
    int error = 0;
    Restore();
    time_.set_error(ECANCELED);
    ASSERT_TRUE(bundle.Go([&] { error = AcceptErrno(Deadline::Never()); }).ok());
    time_.set_error(0);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(error, ECANCELED);
  }
  ExpectConnection(Deadline::Never());
}

TEST_P(AcceptPacingTest, AbortEndsThePause) {
  runtime_.set_wait_observer(nullptr);  // no time passes
  Exhaust();
  EXPECT_EQ(AcceptErrno(Deadline::Never()), EMFILE);
  Restore();
  Bundle bundle(&runtime_);
  int error = 0;
  ASSERT_TRUE(bundle.Go([&] { error = AcceptErrno(Deadline::Never()); }).ok());
  EXPECT_EQ(error, 0);
  EXPECT_EQ(AcceptErrno(Deadline::Never()), EBUSY);
  Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(error, EBADF);
  EXPECT_EQ(accept_calls, 1);
}

}  // namespace
}  // namespace halfpipe
