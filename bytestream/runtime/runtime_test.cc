#include "bytestream/runtime/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/stack_pool.h"
#include "bytestream/runtime/waiter.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class FakeClock final : public Clock {
 public:
  int64_t NowNanos() override { return now; }
  int64_t now = 1'000'000'000;
};

// An engine without descriptors: a poll runs `on_poll`, then lets the clock jump to its end.
class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(FakeClock* clock) : clock_(clock) {}

  void Poll(Deadline until) override {
    ++polls;
    if (on_poll) std::exchange(on_poll, nullptr)();
    if (until.is_never()) ++endless_polls;
    if (!until.is_immediate() && !until.is_never()) {
      clock_->now = std::max(clock_->now, until.nanos());
    }
    if (until.is_never() && on_endless_poll) std::exchange(on_endless_poll, nullptr)();
  }

  const char* name() const override { return "fake"; }
  void Attach(EngineFd*, int) override {}
  void Detach(EngineFd*) override {}
  IoResult Receive(EngineFd*, absl::Span<const iovec>, msghdr*, Deadline) override { return {}; }
  IoResult Send(EngineFd*, absl::Span<const iovec>, msghdr*, bool, Deadline) override { return {}; }
  IoResult Accept(EngineFd*, sockaddr_storage*, socklen_t*, Deadline) override { return {}; }
  int Connect(EngineFd*, const sockaddr*, socklen_t, Deadline) override { return 0; }
  int WaitReadable(EngineFd*, Deadline) override { return 0; }
  int WaitWritable(EngineFd*, Deadline) override { return 0; }
  void OnReadable(EngineFd*, absl::AnyInvocable<void()>) override {}
  void OnWritable(EngineFd*, absl::AnyInvocable<void()>) override {}
  int WaitForeignFd(int, bool, Deadline) override { return 0; }
  void ForgetForeignFd(int) override {}
  void Wakeup() noexcept override {}

  int polls = 0;
  int endless_polls = 0;
  std::function<void()> on_poll;
  std::function<void()> on_endless_poll;

 private:
  FakeClock* const clock_;
};

class RuntimeTest : public testing::Test {
 protected:
  Runtime::Options FakeOptions() {
    Runtime::Options options;
    options.clock = &clock_;
    options.make_engine = [this](Runtime*) {
      auto engine = std::make_unique<FakeEngine>(&clock_);
      engine_ = engine.get();
      return engine;
    };
    return options;
  }
  void Go(Bundle* bundle, std::function<void()> body, Bundle::Placement placement = {}) {
    ASSERT_EQ(bundle->Start(std::move(body), placement), 0);
  }
  Deadline After(int64_t nanos) { return Deadline::AtNanos(clock_.now + nanos); }

  FakeClock clock_;
  FakeEngine* engine_ = nullptr;
  Runtime runtime_{FakeOptions()};
};

TEST_F(RuntimeTest, NewCoroutineRunsAtOnceAndCallerGoesToTheEnd) {
  Bundle bundle(&runtime_);
  std::string order;
  Go(&bundle, [&] {
    order += "a";
    EXPECT_EQ(runtime_.Yield(), 0);
    order += "d";
  });
  order += "b";
  Go(&bundle, [&] { order += "c"; });
  order += "e";
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "abcde");
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

TEST_F(RuntimeTest, YieldIsFair) {
  Bundle bundle(&runtime_);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    Go(&bundle, [&, name] {
      for (int i = 0; i < 3; ++i) {
        order += name;
        EXPECT_EQ(runtime_.Yield(), 0);
      }
    });
  }
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  // Whoever starts another goes behind those that were ready; from then on the order stays.
  EXPECT_EQ(order, "abacbacbc");
}

TEST_F(RuntimeTest, EqualDeadlinesFireInOrderOfSleeping) {
  Bundle bundle(&runtime_);
  std::string order;
  const Deadline same = After(500);
  const Deadline earlier = After(400);
  for (const char name : {'a', 'b', 'c'}) {
    Go(&bundle, [&, name] {
      EXPECT_EQ(runtime_.SleepUntil(same), 0);
      order += name;
    });
  }
  Go(&bundle, [&] {
    EXPECT_EQ(runtime_.SleepUntil(earlier), 0);
    order += 'x';
  });
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "xabc");
  EXPECT_EQ(clock_.now, same.nanos());
}

TEST_F(RuntimeTest, SleepThatIsDueYields) {
  Bundle bundle(&runtime_);
  std::string order;
  Go(&bundle, [&] {
    order += 'a';
    EXPECT_EQ(runtime_.SleepUntil(Deadline::Immediately()), 0);
    order += 'c';
    EXPECT_EQ(runtime_.SleepUntil(Deadline::AtNanos(clock_.now)), 0);
    order += 'd';
  });
  order += 'b';
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(order, "abcd");
}

TEST_F(RuntimeTest, CountedOperationsEndATurn) {
  Bundle bundle(&runtime_);
  int others_turns = 0;
  Go(&bundle, [&] {
    while (runtime_.Yield() == 0) ++others_turns;
  });
  const int before = others_turns;
  for (int i = 0; i < Runtime::kOperationsPerTurn - 1; ++i) runtime_.CountOperation();
  EXPECT_EQ(others_turns, before);
  runtime_.CountOperation();
  EXPECT_EQ(others_turns, before + 1);
  // A new turn: the count starts again, also after a switch of another kind.
  for (int i = 0; i < Runtime::kOperationsPerTurn - 1; ++i) runtime_.CountOperation();
  EXPECT_EQ(runtime_.Yield(), 0);
  EXPECT_EQ(others_turns, before + 2);
  runtime_.CountOperation();
  EXPECT_EQ(others_turns, before + 2);
}

TEST_F(RuntimeTest, AMillisecondEndsATurn) {
  Bundle bundle(&runtime_);
  int others_turns = 0;
  Go(&bundle, [&] {
    while (runtime_.Yield() == 0) ++others_turns;
  });
  const int before = others_turns;
  runtime_.CountOperation();
  clock_.now += Runtime::kNanosPerTurn - 1;
  runtime_.CountOperation();
  EXPECT_EQ(others_turns, before);
  clock_.now += 1;
  runtime_.CountOperation();
  EXPECT_EQ(others_turns, before + 1);
  clock_.now += Runtime::kNanosPerTurn;
  runtime_.CountOperation();  // the first of its turn
  EXPECT_EQ(others_turns, before + 1);
}

TEST_F(RuntimeTest, ACompletedEventBeatsTheTimeoutOfTheSameMoment) {
  Waiter waiter;
  WaiterList list;
  list.PushBack(&waiter);
  engine_->on_poll = [&] { runtime_.Wake(&waiter, 0); };
  EXPECT_EQ(runtime_.Wait(&waiter, After(10)), 0);
  EXPECT_TRUE(list.empty());
}

TEST_F(RuntimeTest, TheFirstToEndAWaitWins) {
  Bundle bundle(&runtime_);
  Waiter* waiting = nullptr;
  int result = -1;
  Go(&bundle, [&] {
    Waiter waiter;
    waiting = &waiter;
    result = runtime_.Wait(&waiter, After(10));
  });
  runtime_.Wake(waiting, EBADF);
  runtime_.Wake(waiting, EPIPE);
  bundle.Cancel();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, EBADF);
}

TEST_F(RuntimeTest, WaitEndsAtOnceWhereItMust) {
  Waiter waiter;
  WaiterList list;
  list.PushBack(&waiter);
  EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Immediately()), ETIMEDOUT);
  EXPECT_TRUE(list.empty());
  list.PushBack(&waiter);
  EXPECT_EQ(runtime_.Wait(&waiter, Deadline::AtNanos(clock_.now)), ETIMEDOUT);
  list.PushBack(&waiter);
  runtime_.current()->closing_depth = 1;
  EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), ECANCELED);
  runtime_.current()->closing_depth = 0;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(engine_->polls, 0);
}

TEST_F(RuntimeTest, CancelledBeforeItCouldWaitStillRuns) {
  Bundle bundle(&runtime_);
  std::vector<int> results;
  Go(&bundle, [&] {
    EXPECT_EQ(runtime_.Yield(), ECANCELED);  // cancelled while ready
    results.push_back(runtime_.SleepUntil(Deadline::Never()));
    results.push_back(runtime_.SleepUntil(Deadline::Immediately()));
    results.push_back(runtime_.Yield());
    results.push_back(runtime_.CheckCancelled());
    runtime_.CountOperation();
  });
  bundle.CancelAndJoin();
  EXPECT_EQ(results, (std::vector<int>{ECANCELED, ECANCELED, ECANCELED, ECANCELED}));
}

TEST_F(RuntimeTest, NoWaitScopeEndsEveryWait) {
  Bundle bundle(&runtime_);
  Go(&bundle, [&] {
    EXPECT_EQ(runtime_.SleepUntil(Deadline::Never()), ECANCELED);
    {
      NoWaitScope no_wait(&runtime_);
      EXPECT_EQ(runtime_.CheckCancelled(), 0);
      Waiter waiter;
      EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), ETIMEDOUT);
      EXPECT_EQ(runtime_.SleepUntil(Deadline::Never()), 0);
      EXPECT_EQ(runtime_.Yield(), 0);
      for (int i = 0; i < 1000; ++i) runtime_.CountOperation();
      EXPECT_EQ(bundle.Start([] {}, {}), ECANCELED);
    }
    EXPECT_EQ(runtime_.CheckCancelled(), ECANCELED);
  });
  bundle.CancelAndJoin();
}

class RecordingOutput final : public HeldOutput {
 public:
  void ReleaseHeldOutput() override {
    ++releases;
    if (on_release) on_release();
  }
  int releases = 0;
  std::function<void()> on_release;
};

TEST_F(RuntimeTest, HeldOutputIsReleasedBeforeAPoll) {
  RecordingOutput output;
  runtime_.HoldOutput(&output);
  runtime_.HoldOutput(&output);
  int polls_at_release = -1;
  output.on_release = [&] {
    polls_at_release = engine_->polls;
    Waiter waiter;
    EXPECT_EQ(runtime_.Wait(&waiter, Deadline::Never()), ETIMEDOUT);
  };
  EXPECT_EQ(runtime_.SleepUntil(After(10)), 0);
  EXPECT_EQ(output.releases, 1);
  EXPECT_EQ(polls_at_release, 0);
  EXPECT_EQ(runtime_.SleepUntil(After(10)), 0);
  EXPECT_EQ(output.releases, 1);
}

// Hangs on a runtime and holds output when that ends.
class HoldingExtension final : public RuntimeExtension, public HeldOutput {
 public:
  void ReleaseHeldOutput() override {}
};

// What else is listed may be in memory that has gone, as a caller's may when a thread ends.
TEST(RuntimeThreadTest, HeldOutputOfAnEndingThreadTouchesNoOther) {
  std::thread([] {
    Runtime& runtime = Runtime::Current();
    auto extension = std::make_unique<HoldingExtension>();
    void* pages[2];
    for (void*& page : pages) {
      page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      ASSERT_NE(page, MAP_FAILED);
    }
    runtime.HoldOutput(new (pages[0]) HoldingExtension);
    runtime.HoldOutput(extension.get());
    runtime.HoldOutput(new (pages[1]) HoldingExtension);
    runtime.extension() = std::move(extension);
    for (void* const page : pages) EXPECT_EQ(munmap(page, 4096), 0);
  }).join();
}

TEST_F(RuntimeTest, HeldOutputIsReleasedWhileCoroutinesStayReady) {
  Bundle bundle(&runtime_);
  Go(&bundle, [&] {
    while (runtime_.Yield() == 0) {
    }
  });
  RecordingOutput output;
  for (int round = 1; round <= 3; ++round) {
    runtime_.HoldOutput(&output);
    // Each Yield() is two switches.
    for (int i = 0; i < Runtime::kSwitchesPerPoll / 2 + 1; ++i) EXPECT_EQ(runtime_.Yield(), 0);
    EXPECT_EQ(output.releases, round);
  }
  EXPECT_EQ(engine_->endless_polls, 0);
}

// One layer may release into another, which then holds: nothing is held while the runtime waits.
TEST_F(RuntimeTest, OutputHeldAnewIsReleasedBeforeTheRuntimeWaits) {
  RecordingOutput output;
  RecordingOutput other;
  const int64_t start = clock_.now;
  output.on_release = [&] {
    EXPECT_EQ(clock_.now, start);
    EXPECT_EQ(engine_->polls, output.releases - 1);  // one pass for each poll
    if (output.releases < 3) runtime_.HoldOutput(&output);
  };
  runtime_.HoldOutput(&output);
  runtime_.HoldOutput(&other);
  EXPECT_EQ(runtime_.SleepUntil(After(10)), 0);
  EXPECT_EQ(output.releases, 3);
  EXPECT_EQ(other.releases, 1);
}

// What is released may be what a coroutine of the same runtime waits for.
TEST_F(RuntimeTest, ReleasedOutputThatMakesSomebodyReadyIsNotSleptOver) {
  Bundle bundle(&runtime_);
  Waiter* waiting = nullptr;
  int result = -1;
  Go(&bundle, [&] {
    Waiter waiter;
    waiting = &waiter;
    result = runtime_.Wait(&waiter, Deadline::Never());
  });
  RecordingOutput output;
  output.on_release = [&] { runtime_.Wake(waiting, 0); };
  runtime_.HoldOutput(&output);
  engine_->on_endless_poll = [&] { bundle.Cancel(); };
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(engine_->endless_polls, 0);
}

class NthWait final : public WaitObserver {
 public:
  NthWait(Coroutine* coroutine, int n, int error) : coroutine_(coroutine), n_(n), error_(error) {}
  int OnWait(Coroutine* coroutine, Deadline) override {
    return coroutine == coroutine_ && seen_++ == n_ ? error_ : 0;
  }

 private:
  Coroutine* const coroutine_;
  int seen_ = 0;
  const int n_;
  const int error_;
};

TEST_F(RuntimeTest, WaitObserverEndsTheNthWait) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (int n = 0; n < 4; ++n) {
      Bundle bundle(&runtime_);
      std::vector<int> results;
      Go(&bundle, [&] {
        NthWait observer(runtime_.current(), n, error);
        runtime_.set_wait_observer(&observer);
        for (int i = 0; i < 3; ++i) {
          Waiter waiter;
          engine_->on_poll = [&] { runtime_.Wake(&waiter, EPIPE); };
          results.push_back(runtime_.Wait(&waiter, Deadline::Never()));
          engine_->on_poll = nullptr;
        }
        runtime_.set_wait_observer(nullptr);
      });
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      std::vector<int> expected(3, EPIPE);
      for (int i = n; i < 3; ++i) {
        if (i == n || error == ECANCELED) expected[i] = error;
      }
      EXPECT_EQ(results, expected) << n;
    }
  }
}

TEST_F(RuntimeTest, StackOfACallerMayBeSmallAndUnaligned) {
  std::vector<char> memory(4096 + 64);
  for (size_t offset = 1; offset < 64; offset += 7) {
    Bundle bundle(&runtime_);
    Bundle::Placement placement;
    placement.memory = memory.data() + offset;
    placement.memory_size = 4096;
    int result = -1;
    // Finishes and waits where nobody else is ready: the poll happens elsewhere.
    bool polled_elsewhere = false;
    engine_->on_poll = [&] {
      volatile char here = 0;
      const char* const address = const_cast<const char*>(&here);
      polled_elsewhere = address < memory.data() || address >= memory.data() + memory.size();
    };
    ASSERT_EQ(bundle.Start([&] { result = runtime_.SleepUntil(After(10)); }, placement), 0);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(result, 0);
    EXPECT_TRUE(polled_elsewhere);
    // Free at once, as AddressSanitizer sees it too.
    std::memset(memory.data(), 0, memory.size());
  }
}

// In a callback of a poll there may be more than a small stack holds.
TEST_F(RuntimeTest, CallbacksDoNotRunOnACallersStack) {
  static char memory[4096];
  Bundle bundle(&runtime_);
  Bundle::Placement placement;
  placement.memory = memory;
  placement.memory_size = sizeof(memory);
  RecordingOutput output;
  output.on_release = [] {
    volatile char large[16 * 1024];
    for (volatile char& byte : large) byte = 1;
  };
  ASSERT_EQ(bundle.Start(
                [&] {
                  runtime_.HoldOutput(&output);
                  for (int i = 0; i < 200; ++i) EXPECT_EQ(runtime_.Yield(), 0);
                  runtime_.HoldOutput(&output);
                  EXPECT_EQ(runtime_.SleepUntil(After(10)), 0);
                  runtime_.HoldOutput(&output);
                },
                placement),
            0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(runtime_.SleepUntil(After(10)), 0);
  EXPECT_EQ(output.releases, 3);
}

#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
TEST_F(RuntimeTest, EntryAndExitNeedLittleStack) {
  alignas(16) static char memory[4096];
  std::memset(memory, 0x5a, sizeof(memory));
  Bundle bundle(&runtime_);
  Bundle::Placement placement;
  placement.memory = memory;
  placement.memory_size = sizeof(memory);
  ASSERT_EQ(bundle.Start([] {}, placement), 0);
  EXPECT_TRUE(bundle.empty());
  size_t untouched = sizeof(uint64_t);  // the canary
  while (untouched < sizeof(memory) && memory[untouched] == 0x5a) ++untouched;
  EXPECT_LT(sizeof(memory) - untouched - sizeof(Coroutine), 1024u);
}
#endif

TEST_F(RuntimeTest, StackOfAFinishedCoroutineIsReusedAtOnce) {
  Bundle bundle(&runtime_);
  void* stacks[3];
  for (void*& stack : stacks) {
    Go(&bundle, [&] { stack = runtime_.current()->stack.bottom; });
  }
  EXPECT_EQ(stacks[0], stacks[1]);
  EXPECT_EQ(stacks[0], stacks[2]);
  // It is back in the pool before the runtime waits.
  EXPECT_EQ(runtime_.SleepUntil(After(10)), 0);
  EXPECT_EQ(runtime_.stack_pool().stacks_in_use(), 0u);
}

TEST_F(RuntimeTest, ExplicitRuntimesNest) {
  EXPECT_EQ(&Runtime::Current(), &runtime_);
  EXPECT_EQ(&Clock::Current(), &clock_);
  {
    Runtime inner;
    EXPECT_EQ(&Runtime::Current(), &inner);
    EXPECT_EQ(&Clock::Current(), &Clock::System());
    Bundle bundle(&inner);
    int result = -1;
    ASSERT_EQ(bundle.Start([&] { result = inner.Yield(); }, {}), 0);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(result, 0);
  }
  EXPECT_EQ(Runtime::CurrentOrNull(), &runtime_);
  EXPECT_EQ(&Clock::Current(), &clock_);
}

int OpenDescriptors() {
  int count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

TEST(ImplicitRuntimeTest, ThreadsEndAbandonsCoroutinesAndLeavesNothing) {
  const int descriptors = OpenDescriptors();
  for (int round = 0; round < 3; ++round) {
    void* stack = nullptr;
    int runs_after = 0;
    const auto body = [&] {
      Runtime& runtime = Runtime::Current();
      EXPECT_EQ(Runtime::CurrentOrNull(), &runtime);
      // As a handle that nobody closes. Its memory outlives the runtime.
      alignas(Bundle) static thread_local unsigned char storage[sizeof(Bundle)];
      Bundle* const bundle = new (storage) Bundle(&runtime);
      static thread_local char memory[8192];
      Bundle::Placement placement;
      placement.memory = memory;
      placement.memory_size = sizeof(memory);
      ASSERT_EQ(bundle->Start(
                    [&] {
                      stack = runtime.current()->stack.bottom;
                      runtime.SleepUntil(Deadline::Never());
                      ++runs_after;
                    },
                    {}),
                0);
      ASSERT_EQ(bundle->Start(
                    [&] {
                      while (runtime.Yield() == 0) {
                      }
                      ++runs_after;
                    },
                    placement),
                0);
      int pipe_ends[2];
      ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
      ASSERT_EQ(bundle->Start(
                    [&, fd = pipe_ends[0]] {
                      runtime.engine().WaitForeignFd(fd, false, Deadline::Never());
                      ++runs_after;
                    },
                    {}),
                0);
      close(pipe_ends[1]);
      close(pipe_ends[0]);
      // What lives on a caller's stack may be gone when the runtime ends.
      StackPool::ForgetFrames(memory, sizeof(memory));
      std::memset(memory, 0xff, sizeof(memory));
    };
    std::thread(body).join();
    EXPECT_EQ(runs_after, 0);
    unsigned char page;
    ASSERT_NE(stack, nullptr);
    EXPECT_EQ(mincore(stack, 4096, &page), -1);
    EXPECT_EQ(OpenDescriptors(), descriptors);
  }
}

TEST(ImplicitRuntimeTest, EachThreadHasItsOwn) {
  Runtime* const mine = &Runtime::Current();
  EXPECT_EQ(&Runtime::Current(), mine);
  Runtime* other = nullptr;
  std::thread([&] {
    EXPECT_EQ(Runtime::CurrentOrNull(), nullptr);
    other = &Runtime::Current();
  }).join();
  EXPECT_NE(other, mine);
}

TEST(RuntimeDeathTest, ExitInACoroutineOfAnImplicitRuntime) {
  EXPECT_EXIT(
      {
        // A new thread, so that the runtime is the implicit one; exit() ends the process from
        // there.
        std::thread([] {
          Bundle bundle(&Runtime::Current());
          static_cast<void>(bundle.Go([] { std::exit(7); }));
        }).join();
      },
      testing::ExitedWithCode(7), "");
}

TEST(RuntimeDeathTest, ExplicitRuntimeWithCoroutinesLeftIsAnError) {
  EXPECT_DEATH(
      {
        alignas(Bundle) static unsigned char storage[sizeof(Bundle)];
        Runtime runtime;
        Bundle* const bundle = new (storage) Bundle(&runtime);
        static_cast<void>(bundle->Go([&] { runtime.SleepUntil(Deadline::Never()); }));
      },
      "check failed");
}

void OverflowWith(Runtime* runtime, Bundle::Placement placement) {
  Bundle bundle(runtime);
  placement.name = "greedy";
  static_cast<void>(bundle.Go(
      [&] {
        char* const bottom = static_cast<char*>(runtime->current()->stack.bottom);
        *const_cast<volatile char*>(bottom) = 1;
        static_cast<void>(runtime->Yield());
      },
      placement));
}

TEST(RuntimeDeathTest, CanaryNamesTheCoroutineThatOverflowed) {
  Runtime::Options options;
  options.stack_guard = StackPool::Guard::kCanary;
  Runtime runtime(std::move(options));
  EXPECT_DEATH(OverflowWith(&runtime, {}), "stack overflow in coroutine greedy");
  static char memory[4096];
  Bundle::Placement placement;
  placement.memory = memory;
  placement.memory_size = sizeof(memory);
  Runtime guarded;
  EXPECT_DEATH(OverflowWith(&guarded, placement), "stack overflow in coroutine greedy");
}

}  // namespace
}  // namespace halfpipe
