#include "bytestream/runtime/sync.h"

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

Deadline In(int minutes) { return Deadline::In(absl::Minutes(minutes)); }

class SyncTest : public testing::Test {
 protected:
  template <typename F>
  void Go(F function) {
    ASSERT_THAT(bundle_.Go(std::move(function)), IsOk());
  }

  // Until all others wait or have ended.
  void RunOthers() {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(runtime_.Yield(), 0);
  }

  SimRuntime runtime_;
  Mutex mutex_{&runtime_};
  Semaphore semaphore_{&runtime_, 3};
  Notification notification_{&runtime_};
  std::string log_;
  Bundle bundle_{&runtime_};

  // Locks the mutex, logs `letter` and unlocks after one turn of the others.
  void GoLock(char letter, Deadline deadline = Deadline::Never()) {
    Go([this, letter, deadline] {
      const MutexLock lock(&mutex_, deadline);
      log_.push_back(lock.held() ? letter : '-');
      EXPECT_EQ(lock.held() ? runtime_.Yield() : 0, 0);
    });
  }

  void GoAcquire(char letter, size_t units, Deadline deadline = Deadline::Never()) {
    Go([this, letter, units, deadline] {
      log_.push_back(semaphore_.Acquire(units, deadline).ok() ? letter : '-');
    });
  }
};

TEST_F(SyncTest, MutexIsForOne) {
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  EXPECT_TRUE(mutex_.held_by_caller());
  GoLock('a');
  GoLock('b');
  RunOthers();
  EXPECT_EQ(log_, "");
  mutex_.Unlock();
  EXPECT_FALSE(mutex_.held_by_caller());
  RunOthers();
  EXPECT_EQ(log_, "ab");
  EXPECT_TRUE(mutex_.TryLock());
  mutex_.Unlock();
}

// The mutex is handed over: who comes meanwhile goes to the end, also the one that had it.
TEST_F(SyncTest, MutexIsNotTakenByNewcomers) {
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  GoLock('a');
  GoLock('b');
  mutex_.Unlock();
  EXPECT_FALSE(mutex_.TryLock());
  EXPECT_THAT(mutex_.Lock(kNow), IsErrno(ETIMEDOUT));
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  EXPECT_EQ(log_, "ab");
  mutex_.Unlock();
}

TEST_F(SyncTest, MutexDeadlocks) {
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  EXPECT_THAT(mutex_.Lock(kNever), IsErrno(EDEADLK));
  EXPECT_FALSE(mutex_.TryLock());
  {
    const MutexLock lock(&mutex_, kNever);
    EXPECT_FALSE(lock.held());
    EXPECT_THAT(lock.status(), IsErrno(EDEADLK));
  }
  EXPECT_TRUE(mutex_.held_by_caller());
  mutex_.Unlock();
}

TEST_F(SyncTest, MutexTimesOut) {
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  GoLock('a', In(1));
  GoLock('b', In(3));
  GoLock('c', kNow);
  EXPECT_EQ(runtime_.SleepUntil(In(2)), 0);
  EXPECT_EQ(log_, "--");
  mutex_.Unlock();
  RunOthers();
  EXPECT_EQ(log_, "--b");
}

TEST_F(SyncTest, MutexIsCancelled) {
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  Bundle cancelled(&runtime_);
  std::vector<int> errors;
  const auto lock = [&] {
    errors.push_back(StatusErrno(mutex_.Lock(kNever)));
    errors.push_back(StatusErrno(mutex_.Lock(kNever)));
  };
  ASSERT_THAT(cancelled.Go(lock), IsOk());
  GoLock('b');
  // Before the cancelled one has run.
  cancelled.Cancel();
  mutex_.Unlock();
  RunOthers();
  EXPECT_EQ(errors, (std::vector<int>{ECANCELED, ECANCELED}));
  EXPECT_EQ(log_, "b");
}

TEST_F(SyncTest, MutexInCancelledCoroutine) {
  Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(kNever), ECANCELED);
    // Although it is free.
    EXPECT_THAT(mutex_.Lock(kNever), IsErrno(ECANCELED));
    EXPECT_TRUE(mutex_.TryLock());
    mutex_.Unlock();
    NoWaitScope no_wait(&runtime_);
    const MutexLock lock(&mutex_, kNever);
    EXPECT_TRUE(lock.held());
  });
  bundle_.CancelAndJoin();
  EXPECT_TRUE(mutex_.TryLock());
  mutex_.Unlock();
}

// It has the mutex when the cancellation comes, though it has not run yet.
TEST_F(SyncTest, HandedOverMutexBeatsCancellation) {
  ASSERT_THAT(mutex_.Lock(kNever), IsOk());
  bool held = false;
  Go([&] {
    const MutexLock lock(&mutex_, kNever);
    held = lock.held();
    EXPECT_EQ(runtime_.Yield(), ECANCELED);
  });
  mutex_.Unlock();
  bundle_.CancelAndJoin();
  EXPECT_TRUE(held);
  EXPECT_TRUE(mutex_.TryLock());
  mutex_.Unlock();
}

TEST_F(SyncTest, EveryWaitForTheMutexTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      int inside = 0;
      int done = 0;
      int failed = 0;
      Bundle bundle(&runtime_);
      for (int i = 0; i < 4; ++i) {
        ASSERT_THAT(bundle.Go([&] {
          const MutexLock lock(&mutex_, kNever);
          if (!lock.held()) {
            EXPECT_THAT(lock.status(), IsErrno(error));
            ++failed;
            return;
          }
          EXPECT_EQ(++inside, 1);
          EXPECT_EQ(runtime_.Yield(), 0);
          --inside;
          ++done;
        }),
                    IsOk());
      }
      while (!bundle.empty()) ASSERT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(failed, fault.hit() ? 1 : 0);
      EXPECT_EQ(done + failed, 4);
      EXPECT_TRUE(mutex_.TryLock());
      mutex_.Unlock();
    });
    EXPECT_EQ(waits, 3);
  }
}

TEST_F(SyncTest, SemaphoreCounts) {
  EXPECT_EQ(semaphore_.available(), 3u);
  EXPECT_THAT(semaphore_.Acquire(0, kNow), IsOk());
  EXPECT_THAT(semaphore_.Acquire(2, kNow), IsOk());
  EXPECT_FALSE(semaphore_.TryAcquire(2));
  EXPECT_TRUE(semaphore_.TryAcquire(1));
  EXPECT_EQ(semaphore_.available(), 0u);
  EXPECT_THAT(semaphore_.Acquire(1, kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(semaphore_.Acquire(1, In(1)), IsErrno(ETIMEDOUT));
  semaphore_.Release(4);
  EXPECT_EQ(semaphore_.available(), 4u);
  EXPECT_THAT(semaphore_.Acquire(4, kNever), IsOk());
}

TEST_F(SyncTest, SemaphoreServesInTurn) {
  ASSERT_TRUE(semaphore_.TryAcquire(3));
  GoAcquire('a', 3);
  GoAcquire('b', 1);
  GoAcquire('c', 1);
  // Enough for the others, but 'a' comes first.
  semaphore_.Release(2);
  RunOthers();
  EXPECT_EQ(log_, "");
  EXPECT_FALSE(semaphore_.TryAcquire(1));
  EXPECT_THAT(semaphore_.Acquire(1, kNow), IsErrno(ETIMEDOUT));
  semaphore_.Release(2);
  RunOthers();
  EXPECT_EQ(log_, "ab");
  semaphore_.Release(1);
  RunOthers();
  EXPECT_EQ(log_, "abc");
  EXPECT_EQ(semaphore_.available(), 0u);
}

// When the first one gives up, those behind it get what is there.
TEST_F(SyncTest, SemaphorePassesOverThoseThatGaveUp) {
  ASSERT_TRUE(semaphore_.TryAcquire(2));
  GoAcquire('a', 3, In(1));
  GoAcquire('b', 1);
  EXPECT_EQ(runtime_.SleepUntil(In(2)), 0);
  EXPECT_EQ(log_, "-b");

  Bundle cancelled(&runtime_);
  const auto acquire = [&] {
    EXPECT_THAT(semaphore_.Acquire(5, kNever), IsErrno(ECANCELED));
    EXPECT_THAT(semaphore_.Acquire(0, kNever), IsErrno(ECANCELED));
    EXPECT_TRUE(semaphore_.TryAcquire(0));
  };
  ASSERT_THAT(cancelled.Go(acquire), IsOk());
  GoAcquire('c', 1);
  // Before the cancelled one has run.
  cancelled.Cancel();
  EXPECT_FALSE(semaphore_.TryAcquire(1));
  semaphore_.Release(1);
  RunOthers();
  EXPECT_EQ(log_, "-bc");
  EXPECT_EQ(semaphore_.available(), 0u);
}

TEST_F(SyncTest, GrantedUnitsBeatCancellation) {
  ASSERT_TRUE(semaphore_.TryAcquire(3));
  GoAcquire('a', 1);
  semaphore_.Release(1);
  EXPECT_EQ(semaphore_.available(), 0u);
  bundle_.CancelAndJoin();
  EXPECT_EQ(log_, "a");
}

TEST_F(SyncTest, EveryWaitForTheSemaphoreTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Semaphore semaphore(&runtime_, 2);
      int done = 0;
      int failed = 0;
      Bundle bundle(&runtime_);
      for (const size_t units : {2, 2, 1, 1}) {
        ASSERT_THAT(bundle.Go([&, units] {
          const absl::Status status = semaphore.Acquire(units, kNever);
          if (!status.ok()) {
            EXPECT_THAT(status, IsErrno(error));
            ++failed;
            return;
          }
          EXPECT_EQ(runtime_.Yield(), 0);
          semaphore.Release(units);
          ++done;
        }),
                    IsOk());
      }
      while (!bundle.empty()) ASSERT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(failed, fault.hit() ? 1 : 0);
      EXPECT_EQ(done + failed, 4);
      EXPECT_EQ(semaphore.available(), 2u);
    });
    EXPECT_GE(waits, 2);
  }
}

TEST_F(SyncTest, NotificationWakesAllInTurn) {
  for (const char letter : {'a', 'b', 'c'}) {
    Go([this, letter] {
      ASSERT_THAT(notification_.Wait(kNever), IsOk());
      log_.push_back(letter);
    });
  }
  EXPECT_FALSE(notification_.HasBeenNotified());
  notification_.Notify();
  EXPECT_TRUE(notification_.HasBeenNotified());
  EXPECT_EQ(log_, "");
  RunOthers();
  EXPECT_EQ(log_, "abc");
  EXPECT_THAT(notification_.Wait(kNow), IsOk());
  EXPECT_THAT(notification_.Wait(kNever), IsOk());
  notification_.Notify();
}

TEST_F(SyncTest, NotificationTimesOutOrIsCancelled) {
  EXPECT_THAT(notification_.Wait(kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(notification_.Wait(In(1)), IsErrno(ETIMEDOUT));
  Go([&] {
    EXPECT_THAT(notification_.Wait(kNever), IsErrno(ECANCELED));
    notification_.Notify();
    EXPECT_THAT(notification_.Wait(kNever), IsErrno(ECANCELED));
  });
  bundle_.CancelAndJoin();
  EXPECT_TRUE(notification_.HasBeenNotified());
}

TEST_F(SyncTest, NotificationBeatsLaterTimeoutAndCancellation) {
  for (const Deadline deadline : {In(1), kNever}) {
    Go([this, deadline] {
      ASSERT_THAT(notification_.Wait(deadline), IsOk());
      log_.push_back('x');
    });
  }
  notification_.Notify();
  runtime_.sim_clock().Advance(absl::Minutes(2));
  bundle_.CancelAndJoin();
  EXPECT_EQ(log_, "xx");
}

TEST_F(SyncTest, EveryWaitForTheNotificationTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Notification notification(&runtime_);
      int result = -1;
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] { result = StatusErrno(notification.Wait(kNever)); }), IsOk());
      EXPECT_EQ(runtime_.Yield(), 0);
      notification.Notify();
      EXPECT_EQ(runtime_.Yield(), 0);
      EXPECT_EQ(result, fault.hit() ? error : 0);
    });
    EXPECT_EQ(waits, 1);
  }
}

using SyncDeathTest = SyncTest;

TEST_F(SyncDeathTest, MisuseEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(mutex_.Unlock(), "held_by_caller");
  EXPECT_DEATH(
      {
        Mutex mutex(&runtime_);
        static_cast<void>(mutex.TryLock());
      },
      "holder_ == nullptr");
}

// Goes with the runtime of its thread, after the coroutines' stacks.
struct OutlivesCoroutines final : public RuntimeExtension {
  explicit OutlivesCoroutines(Runtime* runtime)
      : mutex(runtime), semaphore(runtime, 0), notification(runtime), bundle(runtime) {}

  Mutex mutex;
  Semaphore semaphore;
  Notification notification;
  Bundle bundle;
};

TEST(SyncAtTheEndTest, AbandonedCoroutinesAreNotTouched) {
  constexpr size_t kStackBytes = 64 * 1024;
  std::thread thread([] {
    Runtime& runtime = Runtime::Current();
    auto owned = std::make_unique<OutlivesCoroutines>(&runtime);
    OutlivesCoroutines* const objects = owned.get();
    runtime.extension() = std::move(owned);
    EXPECT_TRUE(objects->mutex.TryLock());
    std::vector<std::unique_ptr<char[]>> stacks;
    const auto start = [&](auto function) {
      stacks.push_back(std::make_unique<char[]>(kStackBytes));
      Bundle::Placement placement;
      placement.memory = stacks.back().get();
      placement.memory_size = kStackBytes;
      EXPECT_EQ(objects->bundle.Start(function, placement), 0);
    };
    start([objects] { static_cast<void>(objects->mutex.Lock(Deadline::Never())); });
    start([objects] { static_cast<void>(objects->semaphore.Acquire(1, Deadline::Never())); });
    start([objects] { static_cast<void>(objects->notification.Wait(Deadline::Never())); });
  });
  thread.join();
}

}  // namespace
}  // namespace halfpipe
