#include "bytestream/runtime/bundle.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/stack_pool.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class BundleTest : public testing::Test {
 protected:
  int SleepForEver() { return runtime_.SleepUntil(Deadline::Never()); }

  Runtime runtime_;
};

int free_function_calls = 0;
void FreeFunction() { ++free_function_calls; }

TEST_F(BundleTest, GoTakesWhateverCanBeCalled) {
  Bundle bundle(&runtime_);
  int calls = 0;
  const auto lambda = [&calls] { ++calls; };
  EXPECT_TRUE(bundle.Go(lambda).ok());
  auto movable = [&calls, owned = std::make_unique<int>(7)] { calls += *owned; };
  EXPECT_TRUE(bundle.Go(std::move(movable)).ok());
  EXPECT_TRUE(bundle.Go(FreeFunction).ok());
  EXPECT_TRUE(bundle.Go(&FreeFunction).ok());
  struct alignas(64) Aligned {
    bool* ok;
    void operator()() { *ok = reinterpret_cast<uintptr_t>(this) % 64 == 0; }
  };
  bool ok = false;
  // Static: gcc 12 aligns no local variable to more than 32 with a sanitizer that keeps the frame.
  static Aligned aligned;
  aligned.ok = &ok;
  EXPECT_TRUE(bundle.Go(aligned).ok());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(calls, 8);
  EXPECT_EQ(free_function_calls, 2);
  EXPECT_TRUE(ok);
}

TEST_F(BundleTest, StartedLaterRunsWhenItsTurnComes) {
  Bundle bundle(&runtime_);
  int runs = 0;
  const auto token = std::make_shared<int>(1);
  EXPECT_EQ(bundle.StartLater([token, &runs] { ++runs; }, "later"), 0);
  {
    NoWaitScope no_wait(&runtime_);
    EXPECT_EQ(bundle.StartLater([&runs] { ++runs; }, "later"), 0);
  }
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(token.use_count(), 2);
  EXPECT_EQ(runtime_.coroutine_count(), 2u);
  EXPECT_EQ(runtime_.Yield(), 0);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_TRUE(bundle.empty());
}

// Also one that is itself being cancelled may leave work to others.
TEST_F(BundleTest, StartedLaterByACancelledCoroutine) {
  Bundle later(&runtime_);
  Bundle bundle(&runtime_);
  int runs = 0;
  ASSERT_TRUE(bundle
                  .Go([&] {
                    SleepForEver();
                    EXPECT_EQ(later.StartLater([&runs] { ++runs; }, "later"), 0);
                  })
                  .ok());
  bundle.CancelAndJoin();
  EXPECT_EQ(later.Wait(Deadline::Never()), 0);
  EXPECT_EQ(runs, 1);
}

TEST_F(BundleTest, ClosureIsDestroyedOnTheCoroutineWhenItHasRun) {
  const auto token = std::make_shared<int>(1);
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle.Go([token, this] { SleepForEver(); }).ok());
  EXPECT_EQ(token.use_count(), 2);
  bundle.CancelAndJoin();
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(BundleTest, WaitOnAnEmptyBundleIsDone) {
  Bundle bundle(&runtime_);
  EXPECT_EQ(bundle.Wait(Deadline::Immediately()), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  bundle.Cancel();
  bundle.CancelAndJoin();
  EXPECT_TRUE(bundle.empty());
}

TEST_F(BundleTest, WaitTimesOutAndCanBeRepeated) {
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle.Go([&] { SleepForEver(); }).ok());
  EXPECT_EQ(bundle.Wait(Deadline::Immediately()), ETIMEDOUT);
  EXPECT_EQ(bundle.Wait(Deadline::In(absl::Milliseconds(1))), ETIMEDOUT);
  bundle.Cancel();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

TEST_F(BundleTest, SeveralMayWait) {
  Bundle work(&runtime_);
  Bundle waiters(&runtime_);
  ASSERT_TRUE(work.Go([&] { SleepForEver(); }).ok());
  std::vector<int> results;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(waiters.Go([&] { results.push_back(work.Wait(Deadline::Never())); }).ok());
  }
  work.CancelAndJoin();
  EXPECT_EQ(waiters.Wait(Deadline::Never()), 0);
  EXPECT_EQ(results, (std::vector<int>{0, 0, 0}));
}

// The bundle's memory is gone when the waiter runs: AddressSanitizer would see a touch.
TEST_F(BundleTest, DestroyingABundleEndsTheWaitsOfOthers) {
  auto work = std::make_unique<Bundle>(&runtime_);
  Bundle waiters(&runtime_);
  ASSERT_TRUE(work->Go([&] { SleepForEver(); }).ok());
  int result = -1;
  ASSERT_TRUE(
      waiters.Go([&, bundle = work.get()] { result = bundle->Wait(Deadline::Never()); }).ok());
  work.reset();
  EXPECT_EQ(waiters.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, EBADF);
}

TEST_F(BundleTest, OwnersWaitMayEndWhileTheBundleGoes) {
  auto work = std::make_unique<Bundle>(&runtime_);
  Bundle waiters(&runtime_);
  ASSERT_TRUE(work->Go([&] { EXPECT_EQ(runtime_.Yield(), 0); }).ok());
  int result = -1;
  ASSERT_TRUE(
      waiters.Go([&, bundle = work.get()] { result = bundle->Wait(Deadline::Never()); }).ok());
  // The first to be woken destroys it; the second has been woken with it.
  EXPECT_EQ(work->Wait(Deadline::Never()), 0);
  work.reset();
  EXPECT_EQ(waiters.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 0);
}

TEST_F(BundleTest, WaitFromWithinIsADeadlock) {
  Bundle bundle(&runtime_);
  int result = -1;
  ASSERT_TRUE(bundle.Go([&] { result = bundle.Wait(Deadline::Never()); }).ok());
  EXPECT_EQ(result, EDEADLK);
}

TEST_F(BundleTest, CancelFromWithinReachesTheCanceller) {
  Bundle bundle(&runtime_);
  std::vector<int> results;
  ASSERT_TRUE(bundle.Go([&] { results.push_back(SleepForEver()); }).ok());
  ASSERT_TRUE(bundle
                  .Go([&] {
                    bundle.Cancel();
                    results.push_back(runtime_.Yield());
                  })
                  .ok());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(results, (std::vector<int>{ECANCELED, ECANCELED}));
}

TEST_F(BundleTest, StartedAfterCancelIsNotCancelled) {
  Bundle bundle(&runtime_);
  bundle.Cancel();
  int result = -1;
  ASSERT_TRUE(bundle.Go([&] { result = runtime_.Yield(); }).ok());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 0);
}

TEST_F(BundleTest, ACancelledCoroutineJoinsAndCannotStart) {
  Bundle outer(&runtime_);
  std::string log;
  ASSERT_TRUE(outer
                  .Go([&] {
                    Bundle inner(&runtime_);
                    ASSERT_TRUE(inner
                                    .Go([&] {
                                      EXPECT_EQ(SleepForEver(), ECANCELED);
                                      log += "inner ";
                                    })
                                    .ok());
                    EXPECT_EQ(SleepForEver(), ECANCELED);
                    EXPECT_EQ(inner.Wait(Deadline::Never()), ECANCELED);
                    const absl::Status started = inner.Go([&] { log += "never "; });
                    EXPECT_EQ(StatusErrno(started), ECANCELED);
                    inner.CancelAndJoin();
                    log += "outer";
                  })
                  .ok());
  outer.CancelAndJoin();
  EXPECT_EQ(log, "inner outer");
}

TEST_F(BundleTest, JoinGoesOnWhenTheJoinerIsCancelledMeanwhile) {
  Bundle outer(&runtime_);
  std::string log;
  ASSERT_TRUE(outer
                  .Go([&] {
                    Bundle inner(&runtime_);
                    ASSERT_TRUE(inner
                                    .Go([&] {
                                      EXPECT_EQ(SleepForEver(), ECANCELED);
                                      // Cancelled while it is joining.
                                      outer.Cancel();
                                      log += "inner ";
                                    })
                                    .ok());
                    inner.CancelAndJoin();
                    log += "joined ";
                    EXPECT_EQ(runtime_.Yield(), ECANCELED);
                  })
                  .ok());
  EXPECT_EQ(outer.Wait(Deadline::Never()), 0);
  EXPECT_EQ(log, "inner joined ");
}

TEST_F(BundleTest, NothingStartsInABundleThatIsBeingJoined) {
  Bundle outer(&runtime_);
  Bundle bundle(&runtime_);
  std::vector<int> started;
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_EQ(SleepForEver(), ECANCELED);
                    started.push_back(bundle.Start([] {}, Bundle::Placement()));
                  })
                  .ok());
  // One that is not cancelled itself.
  ASSERT_TRUE(outer
                  .Go([&] {
                    EXPECT_EQ(runtime_.Yield(), 0);
                    started.push_back(bundle.Start([] {}, Bundle::Placement()));
                  })
                  .ok());
  bundle.CancelAndJoin();
  EXPECT_EQ(outer.Wait(Deadline::Never()), 0);
  EXPECT_EQ(started, (std::vector<int>{ECANCELED, ECANCELED}));
  // It may be used again.
  EXPECT_EQ(bundle.Start([] {}, Bundle::Placement()), 0);
}

TEST_F(BundleTest, StackTooSmallIsNoMemory) {
  Bundle bundle(&runtime_);
  alignas(16) static char memory[4096];
  bool ran = false;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{8}, size_t{512}, size_t{1024}}) {
    Bundle::Placement placement;
    placement.memory = memory;
    placement.memory_size = size;
    EXPECT_EQ(StatusErrno(bundle.Go([&] { ran = true; }, placement)), ENOMEM) << size;
  }
  struct Large {
    char bytes[StackPool::kDefaultStackBytes];
    void operator()() {}
  };
  const auto large = std::make_unique<Large>();
  EXPECT_EQ(bundle.Start(*large, Bundle::Placement()), ENOMEM);
  EXPECT_FALSE(ran);
  EXPECT_TRUE(bundle.empty());
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

TEST_F(BundleTest, DeepNestingComesOut) {
  std::string log;
  struct Nest {
    Runtime* runtime;
    std::string* log;
    void Run(int depth) {
      Bundle bundle(runtime);
      if (depth < 20) {
        ASSERT_TRUE(bundle.Go([this, depth] { Run(depth + 1); }).ok());
      }
      EXPECT_EQ(runtime->SleepUntil(Deadline::Never()), ECANCELED);
      *log += static_cast<char>('a' + depth);
    }
  } nest = {&runtime_, &log};
  {
    Bundle bundle(&runtime_);
    ASSERT_TRUE(bundle.Go([&] { nest.Run(0); }).ok());
  }
  EXPECT_EQ(log, "abcdefghijklmnopqrstu");
}

}  // namespace
}  // namespace halfpipe
