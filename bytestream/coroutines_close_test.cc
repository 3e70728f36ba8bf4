// hclose() of bundles from every state, nested and in rings, and what programs rely on about
// cancelled coroutines and waits.

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

using CoroutinesCloseTest = CCallTest;

int Errno(int result) { return result == 0 ? 0 : errno; }

coroutine void SleepForEver(int* error) { *error = Errno(msleep(-1)); }

coroutine void CloseAfterYield(const int* other, int* error) {
  EXPECT_EQ(yield(), 0);
  *error = Errno(hclose(*other));
}

coroutine void CloseWhenCancelled(const int* other, int* error) {
  EXPECT_FAILS(ECANCELED, msleep(-1));
  *error = Errno(hclose(*other));
}

TEST_F(CoroutinesCloseTest, TwoBundlesThatCloseEachOther) {
  int a = bundle();
  int b = bundle();
  int a_error = -1;
  int b_error = -1;
  EXPECT_EQ(bundle_go(a, CloseAfterYield(&b, &a_error)), 0);
  EXPECT_EQ(bundle_go(b, CloseWhenCancelled(&a, &b_error)), 0);
  EXPECT_EQ(bundle_wait(a, -1), 0);
  EXPECT_EQ(a_error, 0);
  EXPECT_EQ(b_error, EDEADLK);
  EXPECT_EQ(hclose(a), 0);
  EXPECT_FAILS(EBADF, hclose(b));
}

TEST_F(CoroutinesCloseTest, ARingOfThree) {
  int h[3] = {bundle(), bundle(), bundle()};
  int errors[3] = {-1, -1, -1};
  EXPECT_EQ(bundle_go(h[2], CloseWhenCancelled(&h[0], &errors[2])), 0);
  EXPECT_EQ(bundle_go(h[1], CloseWhenCancelled(&h[2], &errors[1])), 0);
  EXPECT_EQ(bundle_go(h[0], CloseAfterYield(&h[1], &errors[0])), 0);
  EXPECT_EQ(bundle_wait(h[0], -1), 0);
  EXPECT_EQ(errors[0], 0);
  EXPECT_EQ(errors[1], 0);
  EXPECT_EQ(errors[2], EDEADLK);
  EXPECT_EQ(hclose(h[0]), 0);
}

coroutine void CloseOuter(const int* outer, int* error) {
  *error = Errno(hclose(*outer));
  msleep(-1);
}

coroutine void OuterBody(const int* outer, int* error) {
  const int inner = go(CloseOuter(outer, error));
  EXPECT_FAILS(ECANCELED, msleep(-1));
  EXPECT_EQ(hclose(inner), 0);
}

TEST_F(CoroutinesCloseTest, OuterBundleFromAnInnerCoroutine) {
  int error = -1;
  const int outer = bundle();
  EXPECT_EQ(bundle_go(outer, OuterBody(&outer, &error)), 0);
  EXPECT_EQ(error, EDEADLK);
  EXPECT_EQ(hclose(outer), 0);
}

coroutine void MakeInner(int* inner, int* error) {
  *inner = bundle();
  EXPECT_FAILS(ECANCELED, msleep(-1));
  *error = Errno(hclose(*inner));
}

// Whoever called hown() is the one to close it, so that the other bundle can be closed from within.
TEST_F(CoroutinesCloseTest, OuterBundleFromACoroutineOfABundleThatWasTakenOver) {
  int inner = -1;
  int made_error = -1;
  int close_error = -1;
  const int outer = bundle();
  EXPECT_EQ(bundle_go(outer, MakeInner(&inner, &made_error)), 0);
  const int owned = hown(inner);
  ASSERT_GT(owned, 0);
  EXPECT_EQ(bundle_go(owned, CloseOuter(&outer, &close_error)), 0);
  while (close_error == -1) EXPECT_EQ(yield(), 0);
  EXPECT_EQ(close_error, 0);
  EXPECT_EQ(made_error, EBADF);
  EXPECT_EQ(hclose(owned), 0);
}

// To wait is not to join: it has a deadline, or ends when somebody cancels.
coroutine void WaitForEachOther(const int* other, int* error) {
  EXPECT_EQ(yield(), 0);
  *error = Errno(bundle_wait(*other, -1));
}

TEST_F(CoroutinesCloseTest, WaitingForEachOtherIsNoError) {
  const int a = bundle();
  const int b = bundle();
  int errors[2] = {-1, -1};
  EXPECT_EQ(bundle_go(a, WaitForEachOther(&b, &errors[0])), 0);
  EXPECT_EQ(bundle_go(b, WaitForEachOther(&a, &errors[1])), 0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(yield(), 0);
  EXPECT_EQ(errors[0], -1);
  EXPECT_EQ(hclose(a), 0);
  EXPECT_EQ(errors[0], ECANCELED);
  EXPECT_EQ(bundle_wait(b, -1), 0);
  EXPECT_EQ(errors[1], EBADF);
  EXPECT_EQ(hclose(b), 0);
}

coroutine void CloseSlowly(const int* h, int* error) {
  *error = Errno(hclose(*h));
  EXPECT_FAILS(ECANCELED, yield());
}

coroutine void Linger(int* turns) {
  msleep(-1);
  // A cancelled coroutine may still have work to do: others run meanwhile, it does not wait.
  for (; *turns < 5; ++*turns) EXPECT_FAILS(ECANCELED, yield());
}

TEST_F(CoroutinesCloseTest, OneThatIsClosingOthersIsClosed) {
  int turns = 0;
  int error = -1;
  const int inner = go(Linger(&turns));
  const int closer = bundle();
  const int keeper = go(SleepForEver(&error));
  EXPECT_EQ(bundle_go(closer, CloseWhenCancelled(&inner, &error)), 0);
  EXPECT_EQ(bundle_go(closer, CloseSlowly(&keeper, &error)), 0);
  EXPECT_EQ(hclose(closer), 0);
  EXPECT_EQ(turns, 5);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

coroutine void GoIntoClosed(const int* h, std::string* log) {
  msleep(-1);
  EXPECT_FAILS(EBADF, bundle_go(*h, log->push_back('!')));
  EXPECT_FAILS(EBADF, bundle_wait(*h, -1));
  log->push_back('.');
}

// The number is dead from the beginning of hclose(), also for those who are still inside.
TEST_F(CoroutinesCloseTest, GoAfterClose) {
  std::string log;
  const int b = bundle();
  EXPECT_EQ(bundle_go(b, GoIntoClosed(&b, &log)), 0);
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EBADF, bundle_go(b, log.push_back('!')));
  EXPECT_FAILS(EBADF, bundle_wait(b, 0));
  EXPECT_EQ(log, ".");
}

coroutine void WaitUntil(int b, int64_t deadline, int* error) {
  *error = Errno(bundle_wait(b, deadline));
}

TEST(CoroutinesCloseTimeTest, SeveralWaitersWithDeadlinesOfTheirOwn) {
  SimRuntime runtime;
  int slept = -1;
  int errors[3] = {-1, -1, -1};
  const int64_t start = now();
  const int work = go(SleepForEver(&slept));
  const int waiters = bundle();
  EXPECT_EQ(bundle_go(waiters, WaitUntil(work, start + 100, &errors[0])), 0);
  EXPECT_EQ(bundle_go(waiters, WaitUntil(work, start + 600'000, &errors[1])), 0);
  EXPECT_EQ(bundle_go(waiters, WaitUntil(work, -1, &errors[2])), 0);
  EXPECT_EQ(msleep(start + 200), 0);
  EXPECT_EQ(errors[0], ETIMEDOUT);
  EXPECT_EQ(errors[1], -1);
  EXPECT_EQ(msleep(start + 600'001), 0);
  EXPECT_EQ(errors[1], ETIMEDOUT);
  EXPECT_EQ(hclose(work), 0);
  EXPECT_EQ(bundle_wait(waiters, -1), 0);
  EXPECT_EQ(errors[2], EBADF);
  EXPECT_EQ(hclose(waiters), 0);
}

coroutine void Count(int* count) { ++*count; }

coroutine void CloseAtOnce(int h) { EXPECT_EQ(hclose(h), 0); }

// The coroutine runs at once, before the bundle of its own can be closed; and what it has begun by
// then counts.
TEST_F(CoroutinesCloseTest, CancelledBeforeItCouldWaitStillRuns) {
  int count = 0;
  const int h = bundle();
  EXPECT_EQ(bundle_go(h, Count(&count)), 0);
  CancelSelf();
  EXPECT_FAILS(ECANCELED, bundle_go(h, Count(&count)));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(hclose(h), 0);
}

coroutine void RecordStack(void** bottom) { *bottom = Runtime::Current().current()->stack.bottom; }

TEST_F(CoroutinesCloseTest, FinishedCoroutineFreesItsStackAtOnce) {
  void* stacks[3] = {nullptr, nullptr, nullptr};
  const int b = bundle();
  for (void*& stack : stacks) EXPECT_EQ(bundle_go(b, RecordStack(&stack)), 0);
  EXPECT_EQ(stacks[0], stacks[1]);
  EXPECT_EQ(stacks[0], stacks[2]);
  // The bundles stay, the stacks do not.
  std::vector<int> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(go(RecordStack(&stacks[0])));
  EXPECT_EQ(msleep(now() + 1), 0);
  EXPECT_EQ(runtime_.stack_pool().stacks_in_use(), 0u);
  for (const int h : handles) EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(hclose(b), 0);
}

// An object of the user's whose close callback looks at what it may do there.
class CloseProbe final : public HandleObject {
 public:
  CloseProbe(int to_close, int to_own) : to_close_(to_close), to_own_(to_own) {}
  void* Query(const void*) override { return nullptr; }
  void Close() noexcept override {
    ++Runtime::Current().current()->closing_depth;
    int count = 0;
    EXPECT_FAILS(ECANCELED, go(Count(&count)));
    EXPECT_FAILS(ECANCELED, bundle());
    EXPECT_FAILS(ECANCELED, msleep(now() + 1000));
    EXPECT_FAILS(ECANCELED, yield());
    EXPECT_FAILS(ECANCELED, hown(to_own_));
    EXPECT_FAILS(EBADF, hclose(to_own_));
    EXPECT_EQ(hclose(to_close_), 0);
    EXPECT_EQ(count, 0);
    --Runtime::Current().current()->closing_depth;
  }
  void Dispose() noexcept override { delete this; }

 private:
  const int to_close_;
  const int to_own_;
};

TEST_F(CoroutinesCloseTest, InsideACloseCallback) {
  int errors[2] = {-1, -1};
  const int to_close = go(SleepForEver(&errors[0]));
  const int to_own = go(SleepForEver(&errors[1]));
  const int probe = HandleTable::Current().Make(new CloseProbe(to_close, to_own));
  ASSERT_GT(probe, 0);
  EXPECT_EQ(hclose(probe), 0);
  EXPECT_EQ(errors[0], ECANCELED);
  EXPECT_EQ(errors[1], ECANCELED);
  EXPECT_EQ(yield(), 0);
}

// A signal every few milliseconds, so that every wait below meets some.
class Signals {
 public:
  Signals() {
    struct sigaction action = {};
    action.sa_handler = [](int) { ++count_; };
    sigaction(SIGALRM, &action, &before_);
    const itimerval often = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  ~Signals() {
    const itimerval never = {};
    setitimer(ITIMER_REAL, &never, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  static int count() { return count_; }

 private:
  static std::atomic<int> count_;
  struct sigaction before_;
};
std::atomic<int> Signals::count_{0};

coroutine void WriteByteAfter(int fd, int signals) {
  while (Signals::count() < signals) EXPECT_EQ(msleep(now() + 1), 0);
  EXPECT_EQ(write(fd, "x", 1), 1);
}

TEST_F(CoroutinesCloseTest, SignalsNeverMakeAWaitFail) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  int error = -1;
  const int sleeper = go(SleepForEver(&error));
  {
    Signals signals;
    const int writer = go(WriteByteAfter(ends[1], 5));
    EXPECT_EQ(fdin(ends[0], -1), 0);
    EXPECT_GE(Signals::count(), 5);
    const int64_t until = now() + 30;
    EXPECT_FAILS(ETIMEDOUT, bundle_wait(sleeper, until));
    EXPECT_GE(now(), until);
    EXPECT_EQ(bundle_wait(writer, -1), 0);
    EXPECT_EQ(hclose(writer), 0);
  }
  EXPECT_EQ(error, -1);
  EXPECT_EQ(hclose(sleeper), 0);
  EXPECT_EQ(error, ECANCELED);
  close(ends[0]);
  close(ends[1]);
}

coroutine void WaitIn(int fd, int* error) { *error = Errno(fdin(fd, -1)); }

// After a timeout the descriptor is forgotten: it may be closed, and its number be another's.
TEST_F(CoroutinesCloseTest, DescriptorIsForgottenAfterATimeout) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_FAILS(ETIMEDOUT, fdin(ends[0], now() + 1));
  const int number = ends[0];
  close(ends[0]);
  close(ends[1]);
  EXPECT_FAILS(EBADF, fdin(number, now() + 1000));
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(ends[0], number);
  int error = -1;
  const int h = go(WaitIn(ends[0], &error));
  EXPECT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(hclose(h), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(CoroutinesCloseTest, BundleOfAnotherIsClosed) {
  int error = -1;
  const int inner = go(SleepForEver(&error));
  const int h = go(CloseAtOnce(inner));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
