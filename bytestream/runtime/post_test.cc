// Runtime::Post() and PostTarget, in one thread and across many.

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/post_queue.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class PostTest : public testing::Test {
 protected:
  // Waits until done() holds, which something that is posted brings about.
  void WaitFor(const std::function<bool()>& done) {
    while (!done()) ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

TEST_F(PostTest, RunsLaterInTheOrderOfPosting) {
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(runtime_.Post([&order, i] { order.push_back(i); }), 0);
  }
  EXPECT_TRUE(order.empty());
  WaitFor([&] { return order.size() == 5; });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(PostTest, FunctionIsDestroyedAsSoonAsItHasRun) {
  const auto token = std::make_shared<int>(0);
  bool gone = false;
  EXPECT_EQ(runtime_.Post([token] {}), 0);
  EXPECT_EQ(runtime_.Post([&] { gone = token.use_count() == 1; }), 0);
  WaitFor([&] { return gone; });
}

TEST_F(PostTest, WakesARuntimeThatSleepsForEver) {
  Waiter waiter;
  const std::thread::id home = std::this_thread::get_id();
  std::thread::id ran_on;
  std::thread poster([&, target = runtime_.post_target()] {
    EXPECT_EQ(target.Post([&] {
      ran_on = std::this_thread::get_id();
      runtime_.Wake(&waiter, 17);
    }),
              0);
  });
  EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), 17);
  EXPECT_EQ(ran_on, home);
  poster.join();
}

TEST_F(PostTest, RunsAlsoWhenCoroutinesNeverRest) {
  bool ran = false;
  std::thread poster([&] { EXPECT_EQ(runtime_.Post([&] { ran = true; }), 0); });
  while (!ran) EXPECT_EQ(runtime_.Yield(), 0);
  poster.join();
}

// A cancelled coroutine is on the processor then, and must not be taken for the function's own.
TEST_F(PostTest, RunsOutsideOfEveryCoroutine) {
  std::vector<int> results;
  Bundle bundle(&runtime_);
  Bundle started(&runtime_);
  ASSERT_EQ(bundle.Start(
                [&] {
                  runtime_.Cancel(runtime_.current());
                  EXPECT_EQ(runtime_.Post([&] {
                    Waiter waiter;
                    results.push_back(runtime_.CheckCancelled());
                    results.push_back(runtime_.Yield());
                    results.push_back(runtime_.Wait(&waiter, Deadline::Never()));
                    results.push_back(StatusErrno(runtime_.RunBlocking([] {}, Deadline::Never())));
                  }),
                            0);
                },
                {}),
            0);
  WaitFor([&] { return results.size() == 4; });
  EXPECT_EQ(results, (std::vector<int>{0, 0, ETIMEDOUT, ETIMEDOUT}));
}

TEST_F(PostTest, MayStartCoroutinesWhichRunInTheirTurn) {
  Bundle bundle(&runtime_);
  std::vector<int> order;
  EXPECT_EQ(runtime_.Post([&] {
    const int started = bundle.Start(
        [&] {
          order.push_back(2);
          EXPECT_EQ(runtime_.Yield(), 0);
          order.push_back(3);
        },
        {});
    EXPECT_EQ(started, 0);
    order.push_back(1);
  }),
            0);
  WaitFor([&] { return order.size() == 3; });
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

// What is posted meanwhile waits for the next poll, so that nobody can keep the others out.
TEST_F(PostTest, MayPostAgainWithoutEnd) {
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    EXPECT_EQ(runtime_.Post([&] { again(); }), 0);
  };
  again();
  WaitFor([&] { return rounds > 1; });
}

TEST_F(PostTest, QueueIsBounded) {
  size_t ran = 0;
  for (size_t i = 0; i < PostQueue::kPostedMax; ++i) {
    ASSERT_EQ(runtime_.Post([&ran] { ++ran; }), 0);
  }
  const auto token = std::make_shared<int>(0);
  EXPECT_EQ(runtime_.Post([token] {}), ENOMEM);
  EXPECT_EQ(token.use_count(), 1);
  WaitFor([&] { return ran == PostQueue::kPostedMax; });
  EXPECT_EQ(runtime_.Post([&ran] { ++ran; }), 0);
  WaitFor([&] { return ran == PostQueue::kPostedMax + 1; });
}

TEST(PostTargetTest, OutlivesItsRuntime) {
  std::optional<Runtime> runtime(std::in_place);
  const PostTarget target = runtime->post_target();
  PostTarget copy = target;
  copy = target;
  EXPECT_TRUE(runtime->has_post_targets());
  runtime.reset();
  bool ran = false;
  EXPECT_EQ(copy.Post([&] { ran = true; }), ECANCELED);
  EXPECT_FALSE(ran);
}

struct PostsWhenDestroyed {
  PostsWhenDestroyed(PostTarget target, int* result) : target(target), result(result) {}
  ~PostsWhenDestroyed() {
    *result = target.Post([] {});
  }
  PostTarget target;
  int* result;
};

TEST(PostTargetTest, WhatIsLeftAtTheEndIsDestroyedAndNotRun) {
  int result = -1;
  bool ran = false;
  {
    Runtime runtime;
    const auto last_words = std::make_shared<PostsWhenDestroyed>(runtime.post_target(), &result);
    EXPECT_EQ(runtime.Post([last_words, &ran] { ran = true; }), 0);
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(result, ECANCELED);
}

// The implicit runtime of a thread, with a coroutine that is abandoned.
TEST(PostTargetTest, AThreadThatEndsDestroysWhatIsLeft) {
  const auto token = std::make_shared<int>(0);
  std::optional<PostTarget> target;
  std::thread([&] {
    Runtime& runtime = Runtime::Current();
    target.emplace(runtime.post_target());
    EXPECT_EQ(target->Post([token] {}), 0);
  }).join();
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(target->Post([token] {}), ECANCELED);
  EXPECT_EQ(token.use_count(), 1);
}

// Each thread's functions arrive in its own order, each once, while the runtime sleeps and works by
// turns.
TEST(PostStressTest, ManyThreadsToOne) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  Runtime runtime;
  std::vector<int> next(kThreads, 0);
  int disorder = 0;
  int total = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread, target = runtime.post_target()] {
      for (int i = 0; i < kEach; ++i) {
        while (target.Post([&, thread, i] {
          if (next[thread]++ != i) ++disorder;
          ++total;
        }) != 0) {
          std::this_thread::yield();
        }
      }
    });
  }
  while (total < kThreads * kEach) {
    EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Microseconds(total % 3 * 50))), 0);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(disorder, 0);
  EXPECT_EQ(total, kThreads * kEach);
}

// Runtimes come and go while others post to them: everything that was taken runs or is destroyed
// with the runtime, nothing is touched afterwards.
TEST(PostStressTest, RuntimesEndWhileOthersPost) {
  constexpr int kRounds = 30;
  constexpr int kThreads = 3;
  std::atomic<int> alive{0};
  struct Counted {
    explicit Counted(std::atomic<int>* count) : count(count) { ++*count; }
    Counted(const Counted& other) : Counted(other.count) {}
    ~Counted() { --*count; }
    std::atomic<int>* count;
  };
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    {
      Runtime runtime;
      int ran = 0;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&alive, &ran, target = runtime.post_target()] {
          int result = 0;
          while (result != ECANCELED) {
            result = target.Post([&ran, counted = Counted(&alive)] { ++ran; });
          }
        });
      }
      while (ran < 100) ASSERT_EQ(runtime.SleepUntil(Deadline::In(absl::Microseconds(50))), 0);
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(alive.load(), 0);
  }
}

// Two runtimes play a ball back and forth, each in a thread of its own.
TEST(PostStressTest, BackAndForth) {
  constexpr int kTimes = 2'000;
  std::atomic<int> ready{0};
  std::optional<PostTarget> targets[2];
  std::atomic<int> ends{0};
  std::function<void(int, int)> hit = [&](int side, int times) {
    if (times == 0) {
      ends = 1;
    } else {
      EXPECT_EQ(targets[1 - side]->Post([&, side, times] { hit(1 - side, times - 1); }), 0);
    }
  };
  const auto play = [&](int side) {
    Runtime runtime;
    targets[side].emplace(runtime.post_target());
    ++ready;
    while (ready < 2) std::this_thread::yield();
    if (side == 0) hit(0, kTimes);
    while (ends == 0) {
      EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(5))), 0);
    }
    // Nobody posts to a runtime that has ended before the ball lies still.
    ++ready;
    while (ready < 4) std::this_thread::yield();
  };
  std::thread first(play, 0);
  std::thread second(play, 1);
  first.join();
  second.join();
  EXPECT_EQ(ends.load(), 1);
}

TEST(SimPostTest, WakesSimulatedTimeWithoutMovingIt) {
  SimRuntime runtime;
  const int64_t start = runtime.clock().NowNanos();
  Waiter waiter;
  std::thread poster([&, target = runtime.post_target()] {
    EXPECT_EQ(target.Post([&] { runtime.Wake(&waiter); }), 0);
  });
  EXPECT_EQ(runtime.Wait(&waiter, Deadline::Never()), 0);
  EXPECT_EQ(runtime.clock().NowNanos(), start);
  poster.join();
}

TEST(SimPostTest, TimersStillJump) {
  SimRuntime runtime;
  const PostTarget target = runtime.post_target();
  int ran = 0;
  EXPECT_EQ(target.Post([&] { ++ran; }), 0);
  EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Hours(1))), 0);
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace halfpipe
