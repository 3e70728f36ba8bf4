#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

using CoroutinesTest = CCallTest;

coroutine void Append(std::string* log, char letter) { log->push_back(letter); }

coroutine void AppendAfterYield(std::string* log, char letter) {
  log->push_back(letter);
  if (yield() == 0) log->push_back(letter);
}

coroutine void SleepForEver(int* error) {
  EXPECT_EQ(msleep(-1), -1);
  *error = errno;
}

coroutine void Nothing() {}

TEST_F(CoroutinesTest, GoRunsAtOnceAndTheCallerGoesLast) {
  std::string log;
  const int first = go(AppendAfterYield(&log, 'a'));
  const int second = go(Append(&log, 'b'));
  log.push_back('c');
  EXPECT_EQ(bundle_wait(first, -1), 0);
  // While 'b' ran the caller went behind 'a'.
  EXPECT_EQ(log, "abac");
  EXPECT_EQ(hclose(first), 0);
  EXPECT_EQ(hclose(second), 0);
}

struct Counted {
  int value;
};

coroutine void Keep(std::vector<int>* values, Counted counted) {
  EXPECT_EQ(yield(), 0);
  values->push_back(counted.value);
}

// What the macro's arguments name may change as soon as go() has returned.
TEST_F(CoroutinesTest, ArgumentsAreEvaluatedFirst) {
  std::vector<int> values;
  const int b = bundle();
  for (int i = 0; i < 3; ++i) {
    Counted counted{i};
    EXPECT_EQ(bundle_go(b, Keep(&values, counted)), 0);
    counted.value = 99;
  }
  EXPECT_EQ(bundle_wait(b, -1), 0);
  EXPECT_EQ(values, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(hclose(b), 0);
}

template <typename A, typename B>
coroutine void Both(A a, B b, int* sum) {
  *sum = a + b;
}

TEST_F(CoroutinesTest, CommasOfTemplatesPassThrough) {
  int sum = 0;
  const int h = go(Both<int, long>(1, 2L, &sum));
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(bundle_go(h, Both<int, int>(3, 4, &sum)), 0);
  EXPECT_EQ(sum, 7);
  EXPECT_EQ(hclose(h), 0);
}

TEST_F(CoroutinesTest, HandleOfGoIsABundle) {
  std::string log;
  const int h = go(Nothing());
  EXPECT_EQ(bundle_wait(h, 0), 0);
  EXPECT_EQ(bundle_go(h, AppendAfterYield(&log, 'x')), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(log, "xx");
  EXPECT_EQ(hclose(h), 0);
  EXPECT_FAILS(EBADF, hclose(h));
}

TEST_F(CoroutinesTest, HcloseCancelsAndJoins) {
  int errors[3] = {0, 0, 0};
  const int b = bundle();
  for (int& error : errors) EXPECT_EQ(bundle_go(b, SleepForEver(&error)), 0);
  EXPECT_EQ(hclose(b), 0);
  for (const int error : errors) EXPECT_EQ(error, ECANCELED);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

coroutine void AfterCancel(std::string* log) {
  EXPECT_FAILS(ECANCELED, msleep(-1));
  // Sticky, for each call that waits or makes a handle.
  EXPECT_FAILS(ECANCELED, msleep(now() + 1000));
  EXPECT_FAILS(ECANCELED, msleep(0));
  EXPECT_FAILS(ECANCELED, yield());
  EXPECT_FAILS(ECANCELED, fdin(0, 0));
  EXPECT_FAILS(ECANCELED, fdout(1, 0));
  EXPECT_FAILS(ECANCELED, go(Append(log, '!')));
  EXPECT_FAILS(ECANCELED, bundle());
  dill_bundle_storage storage;
  EXPECT_FAILS(ECANCELED, bundle_mem(&storage));
  char stack[8192];
  EXPECT_FAILS(ECANCELED, go_mem(Append(log, '!'), stack, sizeof(stack)));
  log->push_back('.');
}

TEST_F(CoroutinesTest, CancellationIsSticky) {
  std::string log;
  const int h = go(AfterCancel(&log));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(log, ".");
}

coroutine void UseInherited(int inner, int* results) {
  msleep(-1);
  std::string log;
  EXPECT_FAILS(ECANCELED, bundle_wait(inner, -1));
  EXPECT_FAILS(ECANCELED, bundle_go(inner, Append(&log, '!')));
  EXPECT_FAILS(ECANCELED, hown(inner));
  results[0] = log.empty() ? 1 : 0;
}

// hclose() works in a cancelled coroutine, and hown() closes.
TEST_F(CoroutinesTest, HownInCancelledCoroutineCloses) {
  int error = 0;
  const int inner = go(SleepForEver(&error));
  int results[1] = {0};
  const int h = go(UseInherited(inner, results));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(results[0], 1);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_FAILS(EBADF, hclose(inner));
}

coroutine void Parent(int* error, bool* done) {
  const int child = go(SleepForEver(error));
  EXPECT_FAILS(ECANCELED, bundle_wait(child, -1));
  EXPECT_EQ(hclose(child), 0);
  *done = true;
}

TEST_F(CoroutinesTest, NestedBundles) {
  int error = 0;
  bool done = false;
  const int h = go(Parent(&error, &done));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_TRUE(done);
}

coroutine void CloseOwn(const int* own, bool* done) {
  EXPECT_FAILS(EDEADLK, hclose(*own));
  EXPECT_FAILS(EDEADLK, bundle_wait(*own, -1));
  *done = true;
}

TEST_F(CoroutinesTest, ClosingTheOwnBundleIsADeadlock) {
  bool done = false;
  const int b = bundle();
  EXPECT_EQ(bundle_go(b, CloseOwn(&b, &done)), 0);
  EXPECT_TRUE(done);
  EXPECT_EQ(hclose(b), 0);
}

coroutine void OwnCancelled(const int* own, int* error) {
  msleep(-1);
  EXPECT_EQ(hown(*own), -1);
  *error = errno;
}

// The bundle that is being closed has no number any more; another one refuses as hclose() does.
TEST_F(CoroutinesTest, HownOfTheOwnBundle) {
  int error = 0;
  const int b = bundle();
  EXPECT_EQ(bundle_go(b, OwnCancelled(&b, &error)), 0);
  EXPECT_EQ(hclose(b), 0);
  EXPECT_EQ(error, EBADF);
}

coroutine void CancelledByOthers(const int* own, int* error) {
  CancelSelf();
  EXPECT_EQ(hown(*own), -1);
  *error = errno;
}

TEST_F(CoroutinesTest, HownOfTheOwnBundleWhenCancelled) {
  int error = 0;
  const int b = bundle();
  EXPECT_EQ(bundle_go(b, CancelledByOthers(&b, &error)), 0);
  EXPECT_EQ(error, EDEADLK);
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(CoroutinesTest, HownMovesABundle) {
  int error = 0;
  const int h = go(SleepForEver(&error));
  const int owned = hown(h);
  ASSERT_GT(owned, 0);
  EXPECT_FAILS(EBADF, bundle_wait(h, 0));
  EXPECT_FAILS(EBADF, hown(h));
  EXPECT_FAILS(ETIMEDOUT, bundle_wait(owned, 0));
  EXPECT_EQ(hclose(owned), 0);
  EXPECT_EQ(error, ECANCELED);
}

TEST_F(CoroutinesTest, BundleWait) {
  const int b = bundle();
  EXPECT_EQ(bundle_wait(b, 0), 0);
  EXPECT_EQ(bundle_wait(b, -1), 0);
  int error = 0;
  EXPECT_EQ(bundle_go(b, SleepForEver(&error)), 0);
  EXPECT_FAILS(ETIMEDOUT, bundle_wait(b, 0));
  EXPECT_FAILS(ETIMEDOUT, bundle_wait(b, now() - 1));
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EBADF, bundle_wait(b, -1));
  EXPECT_FAILS(EBADF, bundle_go(b, Nothing()));
}

coroutine void WaitFor(int b, int* error) { *error = bundle_wait(b, -1) == 0 ? 0 : errno; }

TEST_F(CoroutinesTest, BundleWaitEndsWhenTheBundleIsClosed) {
  int slept = 0;
  int waited = -1;
  const int b = go(SleepForEver(&slept));
  const int waiter = go(WaitFor(b, &waited));
  EXPECT_FAILS(EBUSY, hown(b));
  EXPECT_EQ(hclose(b), 0);
  EXPECT_EQ(bundle_wait(waiter, -1), 0);
  EXPECT_EQ(slept, ECANCELED);
  EXPECT_EQ(waited, EBADF);
  EXPECT_EQ(hclose(waiter), 0);
}

coroutine void WaitFaultily(WaitFault* fault, int b, int* error) {
  fault->set_only(Runtime::Current().current());
  *error = bundle_wait(b, -1) == 0 ? 0 : errno;
}

TEST_F(CoroutinesTest, EveryWaitOfBundleWaitTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      std::string log;
      int result = -1;
      const int b = go(AppendAfterYield(&log, 'x'));
      const int waiter = go(WaitFaultily(&fault, b, &result));
      while (runtime_.coroutine_count() > 0) EXPECT_EQ(yield(), 0);
      EXPECT_EQ(result, fault.hit() ? error : 0);
      EXPECT_EQ(log, "xx");
      EXPECT_EQ(hclose(waiter), 0);
      EXPECT_EQ(bundle_wait(b, -1), 0);
      EXPECT_EQ(hclose(b), 0);
    });
    EXPECT_EQ(waits, 1);
  }
}

coroutine void UseFourKilobytes(std::string* log) {
  log->push_back('m');
  if (yield() == 0) log->push_back('M');
}

// Any alignment; control data included.
TEST_F(CoroutinesTest, StackOfFourKilobytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr size_t kSize = 32768;  // the sanitizers' frames are larger
#else
  constexpr size_t kSize = 4096;
#endif
  std::vector<char> memory(kSize + 64);
  for (size_t offset = 0; offset < 64; ++offset) {
    std::string log;
    const int h = go_mem(UseFourKilobytes(&log), memory.data() + offset, kSize);
    ASSERT_GT(h, 0);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    EXPECT_EQ(log, "mM");
    EXPECT_EQ(hclose(h), 0);

    const int b = bundle();
    EXPECT_EQ(bundle_go_mem(b, UseFourKilobytes(&log), memory.data() + offset, kSize), 0);
    EXPECT_EQ(bundle_wait(b, -1), 0);
    EXPECT_EQ(log, "mMmM");
    EXPECT_EQ(hclose(b), 0);
  }
}

TEST_F(CoroutinesTest, StackTooSmallOrMissing) {
  std::string log;
  char memory[4096];
  const int b = bundle();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{200}, size_t{1000}}) {
    EXPECT_FAILS(ENOMEM, go_mem(Append(&log, '!'), memory, size));
    EXPECT_FAILS(ENOMEM, bundle_go_mem(b, Append(&log, '!'), memory, size));
  }
  EXPECT_FAILS(EINVAL, go_mem(Append(&log, '!'), nullptr, 4096));
  EXPECT_FAILS(EINVAL, bundle_go_mem(b, Append(&log, '!'), nullptr, 4096));
  EXPECT_EQ(log, "");
  EXPECT_EQ(hclose(b), 0);
}

TEST_F(CoroutinesTest, BundleInStorageOfTheCaller) {
  dill_bundle_storage storage;
  const int b = bundle_mem(&storage);
  ASSERT_GT(b, 0);
  std::string log;
  EXPECT_EQ(bundle_go(b, AppendAfterYield(&log, 'x')), 0);
  EXPECT_EQ(bundle_wait(b, -1), 0);
  EXPECT_EQ(log, "xx");
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EINVAL, bundle_mem(nullptr));
}

void CountUp(void* argument) { ++*static_cast<int*>(argument); }

TEST_F(CoroutinesTest, FunctionForms) {
  int count = 0;
  std::vector<char> memory(32768);
  const int h = go_fn(&CountUp, &count);
  ASSERT_GT(h, 0);
  EXPECT_EQ(bundle_go_fn(h, &CountUp, &count), 0);
  EXPECT_EQ(bundle_go_mem_fn(h, &CountUp, &count, memory.data(), memory.size()), 0);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(hclose(h), 0);
  const int m = go_mem_fn(&CountUp, &count, memory.data(), memory.size());
  ASSERT_GT(m, 0);
  EXPECT_EQ(count, 4);
  EXPECT_FAILS(EINVAL, go_fn(nullptr, nullptr));
  EXPECT_FAILS(EINVAL, bundle_go_fn(m, nullptr, nullptr));
  EXPECT_FAILS(EBADF, bundle_go_fn(h, &CountUp, &count));
  EXPECT_EQ(hclose(m), 0);
}

TEST_F(CoroutinesTest, OtherKindsOfHandles) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  EXPECT_FAILS(ENOTSUP, bundle_wait(s[0], -1));
  EXPECT_FAILS(ENOTSUP, bundle_go(s[0], Nothing()));
  EXPECT_EQ(hclose(s[0]), 0);
  EXPECT_EQ(hclose(s[1]), 0);
}

TEST(CoroutineTimeTest, MsleepAndNow) {
  SimRuntime runtime;
  const int64_t start = now();
  EXPECT_EQ(msleep(start + 600'000), 0);
  EXPECT_EQ(now(), start + 600'000);
  EXPECT_EQ(msleep(0), 0);
  EXPECT_EQ(msleep(start), 0);
  EXPECT_EQ(now(), start + 600'000);
}

coroutine void SleepUntilDeadline(int64_t deadline, int* error) {
  *error = msleep(deadline) == 0 ? 0 : errno;
}

TEST(CoroutineTimeTest, BundleWaitHasADeadline) {
  SimRuntime runtime;
  int error = -1;
  const int64_t start = now();
  const int h = go(SleepUntilDeadline(start + 10'000, &error));
  EXPECT_FAILS(ETIMEDOUT, bundle_wait(h, start + 4'000));
  EXPECT_EQ(now(), start + 4'000);
  EXPECT_EQ(bundle_wait(h, start + 20'000), 0);
  EXPECT_EQ(now(), start + 10'000);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(hclose(h), 0);
}

// Deeper than any stack here.
constexpr int kFar = 1'000'000;

__attribute__((noinline)) int Recurse(int depth) {
  volatile char frame[256];
  frame[depth % 256] = 1;
  return depth == 0 ? 0 : Recurse(depth - 1) + frame[depth % 256];
}

coroutine void NeverEnough(int depth) { static_cast<void>(Recurse(depth)); }

coroutine void WriteBelow() {
  *static_cast<volatile char*>(Runtime::Current().current()->stack.bottom) = 1;
}

TEST(CoroutinesDeathTest, StackOverflowNamesTheCall) {
  EXPECT_DEATH(go(NeverEnough(kFar)), "stack overflow in coroutine NeverEnough\\(kFar\\)");
  EXPECT_DEATH(bundle_go(bundle(), NeverEnough(kFar)),
               "stack overflow in coroutine NeverEnough\\(kFar\\)");
  char stack[32768];
  EXPECT_DEATH(go_mem(WriteBelow(), stack, sizeof(stack)),
               "stack overflow in coroutine WriteBelow\\(\\)");
  EXPECT_DEATH(bundle_go_mem(bundle(), WriteBelow(), stack, sizeof(stack)),
               "stack overflow in coroutine WriteBelow\\(\\)");
}

TEST_F(CoroutinesTest, AThousandCoroutines) {
  std::string log;
  const int b = bundle();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(bundle_go(b, AppendAfterYield(&log, 'x')), 0);
  EXPECT_EQ(bundle_wait(b, -1), 0);
  EXPECT_EQ(log.size(), 2000u);
  EXPECT_EQ(hclose(b), 0);
}

}  // namespace
}  // namespace halfpipe
