#include "bytestream/runtime/blocking_pool.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Lets work wait until the test opens it.
class Gate {
 public:
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  // Until `count` are waiting at the gate, or have passed it.
  void AwaitArrivals(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

struct GateWork final : BlockingPool::Work {
  explicit GateWork(Gate* gate) : gate(gate) {}
  void Run() override {
    gate->Pass();
    done = true;
  }
  Gate* gate;
  std::atomic<bool> done{false};
};

void Await(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

template <typename Condition>
void Until(Condition condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

BlockingPool::Options Limits(size_t threads_max, size_t queued_max) {
  BlockingPool::Options options;
  options.threads_max = threads_max;
  options.queued_max = queued_max;
  return options;
}

TEST(BlockingPoolTest, ThreadsAndQueueAreBounded) {
  Gate gate;
  std::vector<std::unique_ptr<GateWork>> work;
  BlockingPool pool(Limits(2, 3));
  EXPECT_EQ(pool.thread_count(), 0u);
  for (int i = 0; i < 2; ++i) {
    work.push_back(std::make_unique<GateWork>(&gate));
    EXPECT_EQ(pool.Submit(work.back().get()), 0);
  }
  gate.AwaitArrivals(2);
  for (int i = 0; i < 3; ++i) {
    work.push_back(std::make_unique<GateWork>(&gate));
    EXPECT_EQ(pool.Submit(work.back().get()), 0);
  }
  GateWork refused(&gate);
  EXPECT_EQ(pool.Submit(&refused), ENOMEM);
  EXPECT_EQ(pool.thread_count(), 2u);
  EXPECT_EQ(pool.queued_count(), 3u);
  gate.Open();
  for (const auto& one : work) Await(one->done);
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(pool.queued_count(), 0u);
  EXPECT_EQ(pool.Submit(&refused), 0);
  Await(refused.done);
  EXPECT_EQ(pool.thread_count(), 2u);
}

TEST(BlockingPoolTest, AnIdleThreadIsUsedAgain) {
  BlockingPool pool(Limits(64, 8));
  Gate open;
  open.Open();
  bool used_again = false;
  // A thread counts as busy for a moment after it has said that it is done.
  for (int i = 0; i < 60 && !used_again; ++i) {
    const size_t before = pool.thread_count();
    GateWork work(&open);
    ASSERT_EQ(pool.Submit(&work), 0);
    Await(work.done);
    used_again = pool.thread_count() == before;
    std::this_thread::sleep_for(std::chrono::milliseconds(i));
  }
  EXPECT_TRUE(used_again);
}

TEST(BlockingPoolTest, WorkThatHasNotBegunCanBeTakenBack) {
  BlockingPool pool(Limits(1, 2));
  Gate gate;
  GateWork running(&gate);
  GateWork waiting(&gate);
  GateWork last(&gate);
  ASSERT_EQ(pool.Submit(&running), 0);
  gate.AwaitArrivals(1);
  ASSERT_EQ(pool.Submit(&waiting), 0);
  ASSERT_EQ(pool.Submit(&last), 0);
  EXPECT_FALSE(pool.Withdraw(&running));
  EXPECT_TRUE(pool.Withdraw(&waiting));
  EXPECT_FALSE(pool.Withdraw(&waiting));
  EXPECT_EQ(pool.queued_count(), 1u);
  gate.Open();
  Await(last.done);
  EXPECT_TRUE(running.done);
  EXPECT_FALSE(waiting.done);
}

TEST(BlockingPoolTest, IdleThreadsEnd) {
  BlockingPool::Options options;
  options.idle_time = absl::Milliseconds(1);
  BlockingPool pool(options);
  Gate open;
  open.Open();
  for (int round = 0; round < 3; ++round) {
    GateWork work(&open);
    ASSERT_EQ(pool.Submit(&work), 0);
    Await(work.done);
    Until([&] { return pool.thread_count() == 0; });
  }
}

// The destructor waits for nobody; what runs goes on to its end.
TEST(BlockingPoolTest, APoolMayEndWhileWorkIsRunning) {
  Gate gate;
  auto pool = std::make_unique<BlockingPool>();
  GateWork work(&gate);
  ASSERT_EQ(pool->Submit(&work), 0);
  gate.AwaitArrivals(1);
  pool.reset();
  gate.Open();
  Await(work.done);
}

struct SignalWork final : BlockingPool::Work {
  void Run() override {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    all_blocked = sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGCHLD) == 1;
    done = true;
  }
  bool all_blocked = false;
  std::atomic<bool> done{false};
};

TEST(BlockingPoolTest, ThreadsTakeNoSignals) {
  BlockingPool pool;
  SignalWork work;
  ASSERT_EQ(pool.Submit(&work), 0);
  Await(work.done);
  EXPECT_TRUE(work.all_blocked);
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGINT), 0);
}

TEST(BlockingPoolTest, ManyThreadsSubmitAndTakeBack) {
  BlockingPool pool(Limits(3, 16));
  struct CountWork final : BlockingPool::Work {
    void Run() override { ran.fetch_add(1); }
    std::atomic<int> ran{0};
  };
  std::atomic<int> lost{0};
  const auto user = [&] {
    for (int i = 0; i < 1'000; ++i) {
      CountWork work;
      if (pool.Submit(&work) != 0) continue;
      if (i % 3 == 0 && pool.Withdraw(&work)) {
        if (work.ran != 0) ++lost;
        continue;
      }
      while (work.ran == 0) std::this_thread::yield();
      if (work.ran != 1) ++lost;
    }
  };
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i) users.emplace_back(user);
  for (std::thread& thread : users) thread.join();
  EXPECT_EQ(lost.load(), 0);
  EXPECT_EQ(pool.queued_count(), 0u);
}

TEST(BlockingPoolDeathTest, APoolMustNotEndWithWorkWaiting) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Gate gate;
        GateWork first(&gate);
        GateWork second(&gate);
        BlockingPool pool(Limits(1, 1));
        static_cast<void>(pool.Submit(&first));
        gate.AwaitArrivals(1);
        static_cast<void>(pool.Submit(&second));
      },
      "check failed");
}

}  // namespace
}  // namespace halfpipe
