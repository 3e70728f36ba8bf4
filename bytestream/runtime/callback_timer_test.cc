#include "bytestream/runtime/callback_timer.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/testing/sim_clock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class CallbackTimerTest : public testing::Test {
 protected:
  Deadline In(int millis) { return Deadline::In(absl::Milliseconds(millis)); }
  void Sleep(int millis) { EXPECT_EQ(runtime_.SleepUntil(In(millis)), 0); }
  int64_t Millis() { return runtime_.clock().NowNanos() / 1'000'000 - 1000; }

  SimRuntime runtime_;
};

TEST_F(CallbackTimerTest, FiresOnceAtItsDeadline) {
  std::vector<int64_t> fired;
  CallbackTimer timer(&runtime_, [&] { fired.push_back(Millis()); });
  EXPECT_FALSE(timer.armed());
  timer.Set(In(10));
  EXPECT_TRUE(timer.armed());
  Sleep(9);
  EXPECT_TRUE(fired.empty());
  Sleep(91);
  EXPECT_EQ(fired, std::vector<int64_t>({10}));
  EXPECT_FALSE(timer.armed());
}

TEST_F(CallbackTimerTest, TakesTheLatestOfItsDeadlines) {
  std::vector<int64_t> fired;
  CallbackTimer timer(&runtime_, [&] { fired.push_back(Millis()); });
  timer.Set(In(10));
  timer.Set(In(30));
  Sleep(20);
  EXPECT_TRUE(fired.empty());
  timer.Set(In(5));
  Sleep(100);
  EXPECT_EQ(fired, std::vector<int64_t>({25}));
}

TEST_F(CallbackTimerTest, CanBeCancelledAndSetAgain) {
  int fired = 0;
  CallbackTimer timer(&runtime_, [&] { ++fired; });
  timer.Cancel();
  timer.Set(In(10));
  timer.Cancel();
  EXPECT_FALSE(timer.armed());
  timer.Set(In(10));
  timer.Set(Deadline::Never());
  EXPECT_FALSE(timer.armed());
  Sleep(50);
  EXPECT_EQ(fired, 0);
  timer.Set(In(10));
  Sleep(50);
  EXPECT_EQ(fired, 1);
}

TEST_F(CallbackTimerTest, FiresAtTheNextPollForWhatHasPassed) {
  int fired = 0;
  CallbackTimer timer(&runtime_, [&] { ++fired; });
  timer.Set(Deadline::Immediately());
  EXPECT_EQ(fired, 0);
  Sleep(1);
  EXPECT_EQ(fired, 1);
  timer.Set(In(-1));
  Sleep(1);
  EXPECT_EQ(fired, 2);
}

TEST_F(CallbackTimerTest, MayBeSetAndCancelledByItsCallback) {
  std::vector<int64_t> fired;
  std::optional<CallbackTimer> timer;
  timer.emplace(&runtime_, [&] {
    fired.push_back(Millis());
    EXPECT_FALSE(timer->armed());
    timer->Set(In(10));
    if (fired.size() == 3) timer->Cancel();
  });
  timer->Set(In(10));
  Sleep(100);
  EXPECT_EQ(fired, std::vector<int64_t>({10, 20, 30}));
}

TEST_F(CallbackTimerTest, OneSetForThePastByACallbackKeepsNobodyWaiting) {
  std::vector<std::string> order;
  std::optional<CallbackTimer> again;
  again.emplace(&runtime_, [&] {
    order.push_back("again");
    if (order.size() < 4) again->Set(Deadline::Immediately());
  });
  CallbackTimer later(&runtime_, [&] { order.push_back("later"); });
  again->Set(In(10));
  later.Set(In(10));
  Sleep(20);
  EXPECT_EQ(order, std::vector<std::string>({"again", "later", "again", "again"}));
}

TEST_F(CallbackTimerTest, MayBeDestroyedByItsCallback) {
  // The callback's own captures outlive the timer.
  auto fired = std::make_shared<std::vector<std::string>>();
  auto timer = std::make_shared<std::unique_ptr<CallbackTimer>>();
  *timer =
      std::make_unique<CallbackTimer>(&runtime_, [fired, timer, large = std::string(100, 'x')] {
        (*timer)->Set(Deadline::Immediately());
        timer->reset();
        fired->push_back(large);
      });
  (*timer)->Set(In(10));
  Sleep(20);
  EXPECT_EQ(*fired, std::vector<std::string>({std::string(100, 'x')}));
  EXPECT_EQ(*timer, nullptr);
}

TEST_F(CallbackTimerTest, MayCancelOrDestroyOthersThatAreDue) {
  int fired = 0;
  CallbackTimer cancelled(&runtime_, [&] { ++fired; });
  auto destroyed = std::make_unique<CallbackTimer>(&runtime_, [&] { ++fired; });
  CallbackTimer first(&runtime_, [&] {
    cancelled.Cancel();
    destroyed.reset();
  });
  first.Set(In(10));
  cancelled.Set(In(10));
  destroyed->Set(In(10));
  Sleep(20);
  EXPECT_EQ(fired, 0);
}

TEST_F(CallbackTimerTest, KeepsTheOrderOfAllThatAreDueAtOnce) {
  // Ten thousand, in an order of deadlines that has nothing to do with that of their making.
  constexpr int kTimers = 10'000;
  std::vector<int> order;
  std::vector<std::unique_ptr<CallbackTimer>> timers;
  for (int i = 0; i < kTimers; ++i) {
    timers.push_back(
        std::make_unique<CallbackTimer>(&runtime_, [&order, i] { order.push_back(i); }));
    timers.back()->Set(In(1 + (i * 7919) % 1000));
  }
  for (int i = 0; i < kTimers; i += 3) timers[i]->Cancel();
  Sleep(2000);
  std::vector<int> expected;
  for (int at = 0; at < 1000; ++at) {
    for (int i = 0; i < kTimers; ++i) {
      if (i % 3 != 0 && (i * 7919) % 1000 == at) expected.push_back(i);
    }
  }
  EXPECT_EQ(order, expected);
}

TEST_F(CallbackTimerTest, StandsInOneOrderWithWaits) {
  std::vector<std::string> order;
  Bundle bundle(&runtime_);
  Waiter waiter;
  const auto sleeper = [&](const char* name, int millis) {
    EXPECT_EQ(bundle.Start(
                  [&order, this, name, deadline = In(millis)] {
                    EXPECT_EQ(runtime_.SleepUntil(deadline), 0);
                    order.push_back(name);
                  },
                  {}),
              0);
  };
  EXPECT_EQ(bundle.Start(
                [&] {
                  EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), 0);
                  order.push_back("woken");
                },
                {}),
            0);
  CallbackTimer timer(&runtime_, [&] { runtime_.Wake(&waiter); });
  sleeper("before", 10);
  timer.Set(In(10));
  sleeper("behind", 10);
  sleeper("first", 5);
  // All of them are due at the same poll.
  runtime_.sim_clock().Advance(absl::Milliseconds(20));
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, std::vector<std::string>({"first", "before", "woken", "behind"}));
}

TEST_F(CallbackTimerTest, MayNotWaitButStartACoroutine) {
  Bundle bundle(&runtime_);
  bool ran = false;
  CallbackTimer timer(&runtime_, [&] {
    EXPECT_EQ(runtime_.SleepUntil(In(10)), 0);
    Waiter waiter;
    EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), ETIMEDOUT);
    EXPECT_EQ(bundle.StartLater(
                  [&] {
                    Sleep(10);
                    ran = true;
                  },
                  "started by a timer"),
              0);
    EXPECT_FALSE(ran);
  });
  timer.Set(In(10));
  Sleep(15);
  EXPECT_FALSE(ran);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(Millis(), 20);
  EXPECT_TRUE(ran);
}

TEST_F(CallbackTimerTest, FiresInTheTimeOfCoroutinesThatNeverWait) {
  Runtime runtime;
  bool fired = false;
  CallbackTimer timer(&runtime, [&] { fired = true; });
  timer.Set(Deadline::In(absl::Milliseconds(1)));
  while (!fired) static_cast<void>(runtime.Yield());
}

// A thread's own runtime ends with the thread, with whatever is still armed.
TEST(CallbackTimerEndTest, NeverFiresWhileItsRuntimeEnds) {
  class Extension final : public RuntimeExtension {
   public:
    Extension(Runtime* runtime, int* fired)
        : runtime_(runtime), timer_(runtime, [fired] { ++*fired; }) {
      timer_.Set(Deadline::Immediately());
    }
    ~Extension() override {
      EXPECT_TRUE(runtime_->ending());
      EXPECT_TRUE(timer_.armed());
      timer_.Set(Deadline::Immediately());
    }

   private:
    Runtime* const runtime_;
    CallbackTimer timer_;
  };
  int fired = 0;
  bool came_out = false;
  std::thread thread([&] {
    Runtime& runtime = Runtime::Current();
    // A coroutine that is left waits in the same heap, on a stack that goes first.
    alignas(Bundle) static unsigned char storage[sizeof(Bundle)];
    Bundle* const abandoned = new (storage) Bundle(&runtime);
    EXPECT_EQ(abandoned->Start(
                  [&] {
                    EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Hours(1))), 0);
                    came_out = true;
                  },
                  {}),
              0);
    runtime.extension() = std::make_unique<Extension>(&runtime, &fired);
    delete new CallbackTimer(&runtime, [] {});
  });
  thread.join();
  EXPECT_EQ(fired, 0);
  EXPECT_FALSE(came_out);
}

}  // namespace
}  // namespace halfpipe
