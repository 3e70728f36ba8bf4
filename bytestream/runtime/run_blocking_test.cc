#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/blocking_pool.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/post_queue.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// What a helper thread blocks in; shared, for it may outlive the test's variables.
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
  void AwaitArrivals(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }
  int arrived() {
    std::lock_guard<std::mutex> lock(mutex_);
    return arrived_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

// Counts itself while it lives and has not been moved from.
class Token {
 public:
  explicit Token(std::atomic<int>* count) : count_(count) { ++*count_; }
  Token(Token&& other) : count_(std::exchange(other.count_, nullptr)) {}
  Token(const Token& other) : Token(other.count_) {}
  ~Token() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::atomic<int>* count_;
};

void AwaitZero(const std::atomic<int>& count) {
  while (count != 0) std::this_thread::yield();
}

class RunBlockingTest : public testing::Test {
 protected:
  static BlockingPool::Options PoolOptions() {
    BlockingPool::Options options;
    options.threads_max = 2;
    options.queued_max = 2;
    return options;
  }
  Runtime::Options RuntimeOptions() {
    Runtime::Options options;
    options.blocking_pool = &pool_;
    return options;
  }

  // A call that passes the gate and gives `value`.
  auto GateCall(int value) {
    return [gate = gate_, value] {
      gate->Pass();
      return value;
    };
  }

  FdLeakCheck leaks_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  BlockingPool pool_{PoolOptions()};
  Runtime runtime_{RuntimeOptions()};
};

TEST_F(RunBlockingTest, GivesTheResultOfAnotherThread) {
  const std::thread::id home = std::this_thread::get_id();
  const absl::StatusOr<std::thread::id> id =
      runtime_.RunBlocking([] { return std::this_thread::get_id(); }, Deadline::Never());
  ASSERT_TRUE(id.ok());
  EXPECT_NE(*id, home);
}

TEST_F(RunBlockingTest, ResultsOfAllKinds) {
  const absl::Status nothing = runtime_.RunBlocking([] {}, Deadline::Never());
  EXPECT_TRUE(nothing.ok());
  const absl::Status status =
      runtime_.RunBlocking([] { return ErrnoStatus(EACCES, "no"); }, Deadline::Never());
  EXPECT_EQ(StatusErrno(status), EACCES);
  const absl::StatusOr<std::string> text = runtime_.RunBlocking(
      []() -> absl::StatusOr<std::string> { return std::string("yes"); }, Deadline::Never());
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "yes");
  const absl::StatusOr<std::unique_ptr<int>> movable = runtime_.RunBlocking(
      [owned = std::make_unique<int>(7)]() mutable { return std::move(owned); }, Deadline::Never());
  ASSERT_TRUE(movable.ok());
  EXPECT_EQ(**movable, 7);
}

TEST_F(RunBlockingTest, SuspendsOnlyTheCaller) {
  Bundle bundle(&runtime_);
  int result = 0;
  ASSERT_EQ(bundle.Start(
                [&] {
                  const absl::StatusOr<int> value =
                      runtime_.RunBlocking(GateCall(5), Deadline::Never());
                  result = value.ok() ? *value : -1;
                },
                {}),
            0);
  gate_->AwaitArrivals(1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(runtime_.Yield(), 0);
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(runtime_.blocking_calls_in_progress());
  gate_->Open();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 5);
  EXPECT_FALSE(runtime_.blocking_calls_in_progress());
}

TEST_F(RunBlockingTest, TimesOutAndDropsTheResultWhenItComes) {
  std::atomic<int> tokens{0};
  const absl::StatusOr<Token> result = runtime_.RunBlocking(
      [gate = gate_, token = Token(&tokens)] {
        gate->Pass();
        return token;
      },
      Deadline::In(absl::Milliseconds(1)));
  EXPECT_EQ(StatusErrno(result.status()), ETIMEDOUT);
  // It may have been taken back before it began.
  if (tokens > 0) gate_->AwaitArrivals(1);
  gate_->Open();
  while (tokens != 0) EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
}

TEST_F(RunBlockingTest, DeadlineThatIsOverRunsNothing) {
  bool ran = false;
  for (const Deadline deadline : {Deadline::Immediately(), Deadline::AtNanos(1)}) {
    EXPECT_EQ(StatusErrno(runtime_.RunBlocking([&] { ran = true; }, deadline)), ETIMEDOUT);
  }
  runtime_.Cancel(runtime_.current());
  EXPECT_EQ(StatusErrno(runtime_.RunBlocking([&] { ran = true; }, Deadline::Never())), ECANCELED);
  EXPECT_EQ(pool_.thread_count(), 0u);
  EXPECT_FALSE(ran);
}

TEST_F(RunBlockingTest, EndsAtOnceWhenCancelled) {
  std::atomic<int> tokens{0};
  int error = 0;
  {
    Bundle bundle(&runtime_);
    ASSERT_EQ(bundle.Start(
                  [&, token = Token(&tokens)] {
                    const absl::StatusOr<Token> result = runtime_.RunBlocking(
                        [gate = gate_, token] {
                          gate->Pass();
                          return token;
                        },
                        Deadline::Never());
                    error = StatusErrno(result.status());
                  },
                  {}),
              0);
    gate_->AwaitArrivals(1);
  }
  EXPECT_EQ(error, ECANCELED);
  EXPECT_GT(tokens, 0);
  gate_->Open();
  while (tokens != 0) EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
}

TEST_F(RunBlockingTest, QueueIsBoundedAndWhatWaitsThereCanBeTakenBack) {
  Bundle bundle(&runtime_);
  std::vector<int> errors(5, -1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(bundle.Start(
                  [&, i] {
                    errors[i] =
                        StatusErrno(runtime_.RunBlocking(GateCall(i), Deadline::Never()).status());
                  },
                  {}),
              0);
    if (i < 2) gate_->AwaitArrivals(i + 1);
  }
  EXPECT_EQ(errors, (std::vector<int>{-1, -1, -1, -1, ENOMEM}));
  EXPECT_EQ(pool_.queued_count(), 2u);
  bundle.CancelAndJoin();
  EXPECT_EQ(errors, (std::vector<int>{ECANCELED, ECANCELED, ECANCELED, ECANCELED, ENOMEM}));
  EXPECT_EQ(pool_.queued_count(), 0u);
  gate_->Open();
  EXPECT_TRUE(runtime_.RunBlocking([] {}, Deadline::Never()).ok());
  EXPECT_EQ(gate_->arrived(), 2);
}

TEST_F(RunBlockingTest, EveryWaitTimesOutOrIsCancelled) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    std::atomic<int> tokens{0};
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      gate_ = std::make_shared<Gate>();
      Bundle bundle(&runtime_);
      int result = -1;
      ASSERT_EQ(bundle.Start(
                    [&] {
                      fault.set_only(runtime_.current());
                      result = StatusErrno(runtime_
                                               .RunBlocking(
                                                   [gate = gate_, token = Token(&tokens)] {
                                                     gate->Pass();
                                                     return token;
                                                   },
                                                   Deadline::Never())
                                               .status());
                    },
                    {}),
                0);
      EXPECT_EQ(result, fault.hit() ? error : -1);
      gate_->Open();
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(result, fault.hit() ? error : 0);
      while (tokens != 0) EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    });
    EXPECT_EQ(waits, 1);
  }
}

// The runtime is gone when the helper comes back: what it brings is destroyed there.
TEST_F(RunBlockingTest, RuntimeMayEndBeforeTheHelper) {
  std::atomic<int> tokens{0};
  {
    Runtime inner(RuntimeOptions());
    // The helper is in the call for certain when the deadline passes.
    Bundle bundle(&inner);
    ASSERT_EQ(bundle.Start(
                  [&, token = Token(&tokens)] {
                    static_cast<void>(inner.RunBlocking(
                        [gate = gate_, token] {
                          gate->Pass();
                          return token;
                        },
                        Deadline::Never()));
                  },
                  {}),
              0);
    gate_->AwaitArrivals(1);
  }
  EXPECT_GT(tokens, 0);
  gate_->Open();
  AwaitZero(tokens);
}

// The runtime of a thread that ends abandons its coroutines, with a call that runs and one that
// waits for a thread.
TEST(RunBlockingThreadTest, ThreadEndsWithCallsInProgress) {
  auto gate = std::make_shared<Gate>();
  std::atomic<int> tokens{0};
  std::optional<PostTarget> target;
  std::thread([&] {
    Runtime& runtime = Runtime::Current();
    target.emplace(runtime.post_target());
    alignas(Bundle) static thread_local unsigned char storage[sizeof(Bundle)];
    Bundle* const bundle = new (storage) Bundle(&runtime);
    // As many as the process's pool has threads, and more.
    for (size_t i = 0; i < BlockingPool::kThreadsMax + 3; ++i) {
      ASSERT_EQ(bundle->Start(
                    [&] {
                      static_cast<void>(runtime.RunBlocking(
                          [gate, token = Token(&tokens)] {
                            gate->Pass();
                            return token;
                          },
                          Deadline::Never()));
                    },
                    {}),
                0);
    }
    gate->AwaitArrivals(BlockingPool::kThreadsMax);
  }).join();
  EXPECT_EQ(target->Post([] {}), ECANCELED);
  gate->Open();
  AwaitZero(tokens);
  EXPECT_EQ(BlockingPool::Process().queued_count(), 0u);
}

TEST(RunBlockingStressTest, ManyRuntimesShareAPool) {
  BlockingPool::Options options;
  options.threads_max = 4;
  options.queued_max = 64;
  BlockingPool pool(options);
  constexpr int kThreads = 3;
  constexpr int kCoroutines = 8;
  constexpr int kCalls = 50;
  std::atomic<int> wrong{0};
  std::atomic<int> right{0};
  std::atomic<int> timed_out{0};
  const auto serve = [&](int thread) {
    Runtime::Options runtime_options;
    runtime_options.blocking_pool = &pool;
    Runtime runtime(std::move(runtime_options));
    Bundle bundle(&runtime);
    for (int i = 0; i < kCoroutines; ++i) {
      const int started = bundle.Start(
          [&, i] {
            for (int n = 0; n < kCalls; ++n) {
              const int64_t value = int64_t{thread} * 1'000'000 + i * 1'000 + n;
              const Deadline deadline =
                  n % 5 == 0 ? Deadline::In(absl::Microseconds(20)) : Deadline::Never();
              const absl::StatusOr<int64_t> result =
                  runtime.RunBlocking([value] { return value; }, deadline);
              if (result.ok()) {
                ++(*result == value ? right : wrong);
              } else {
                ++(n % 5 == 0 && StatusErrno(result.status()) == ETIMEDOUT ? timed_out : wrong);
              }
            }
          },
          {});
      if (started != 0) ++wrong;
    }
    if (bundle.Wait(Deadline::Never()) != 0) ++wrong;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(serve, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(right + timed_out, kThreads * kCoroutines * kCalls);
  EXPECT_GE(right.load(), kThreads * kCoroutines * kCalls * 4 / 5);
}

// Simulated time stands still, so that a call of any length is in time.
TEST(RunBlockingSimTest, SimulatedTimeWaits) {
  SimRuntime runtime;
  const int64_t start = runtime.clock().NowNanos();
  const absl::StatusOr<int> result =
      runtime.RunBlocking([] { return 3; }, Deadline::In(absl::Nanoseconds(1)));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, 3);
  EXPECT_EQ(runtime.clock().NowNanos(), start);
}

}  // namespace
}  // namespace halfpipe
