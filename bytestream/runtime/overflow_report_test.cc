// A coroutine that needs more stack than it has ends the process with its name, whatever the guard;
// other faults are what they were.

#include "bytestream/runtime/overflow_report.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/base/config.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/mapped_memory.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/stack_pool.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using Guard = StackPool::Guard;

// Deeper than any stack here.
constexpr int kFar = 1'000'000;

__attribute__((noinline)) int Recurse(int depth) {
  volatile char frame[256];
  frame[depth % 256] = 1;
  return depth == 0 ? 0 : Recurse(depth - 1) + frame[depth % 256];
}

Runtime::Options WithGuard(Guard guard) {
  Runtime::Options options;
  options.stack_guard = guard;
  return options;
}

void OverflowIn(Runtime* runtime, const char* name) {
  Bundle bundle(runtime);
  Bundle::Placement placement;
  placement.name = name;
  static_cast<void>(bundle.Go([&] { static_cast<void>(Recurse(kFar)); }, placement));
}

class OverflowDeathTest : public testing::TestWithParam<Guard> {};

TEST_P(OverflowDeathTest, NamesTheCoroutine) {
  EXPECT_DEATH(
      {
        Runtime runtime(WithGuard(GetParam()));
        OverflowIn(&runtime, "greedy");
      },
      "halfpipe: stack overflow in coroutine greedy");
}

// A page would not be enough: the frame's first touch is below it.
__attribute__((noinline)) int LargeFrame(int depth) {
  volatile char frame[16 * 1024];
  frame[depth % 256] = 1;
  return depth == 0 ? 0 : LargeFrame(depth - 1) + frame[depth % 256];
}

TEST_P(OverflowDeathTest, LargeFramesDoNotStepOverTheGuard) {
  EXPECT_DEATH(
      {
        Runtime runtime(WithGuard(GetParam()));
        Bundle bundle(&runtime);
        // The next stack is in use, and would be written to.
        static_cast<void>(
            bundle.Go([&] { static_cast<void>(runtime.SleepUntil(Deadline::Never())); }));
        Bundle::Placement placement;
        placement.name = "broad";
        static_cast<void>(bundle.Go([] { static_cast<void>(LargeFrame(kFar)); }, placement));
      },
      "halfpipe: stack overflow in coroutine broad");
}

TEST_P(OverflowDeathTest, AmongMany) {
  EXPECT_DEATH(
      {
        Runtime runtime(WithGuard(GetParam()));
        Bundle bundle(&runtime);
        for (int i = 0; i < 40; ++i) {
          static_cast<void>(
              bundle.Go([&] { static_cast<void>(runtime.SleepUntil(Deadline::Never())); }));
        }
        OverflowIn(&runtime, "the 41st");
      },
      "halfpipe: stack overflow in coroutine the 41st");
}

TEST_P(OverflowDeathTest, InAnotherThread) {
  EXPECT_DEATH(std::thread([] {
                 Runtime runtime(WithGuard(GetParam()));
                 OverflowIn(&runtime, "of a thread");
               }).join(),
               "halfpipe: stack overflow in coroutine of a thread");
}

// A runtime in a coroutine of another one: the stack in use is the outer one's.
TEST_P(OverflowDeathTest, InTheFlowOfANestedRuntime) {
  EXPECT_DEATH(
      {
        Runtime runtime(WithGuard(GetParam()));
        Bundle bundle(&runtime);
        Bundle::Placement placement;
        placement.name = "outer";
        static_cast<void>(bundle.Go(
            [&] {
              Runtime inner;
              static_cast<void>(Recurse(kFar));
            },
            placement));
      },
      "halfpipe: stack overflow in coroutine outer");
}

INSTANTIATE_TEST_SUITE_P(Guards, OverflowDeathTest,
                         testing::Values(Guard::kAdvice, Guard::kProtection));

// A canary is looked at when the coroutine switches: what it has written over by then is lost, but
// nobody goes on.
TEST(CanaryDeathTest, NamesTheCoroutineAtItsNextSwitch) {
  EXPECT_DEATH(
      {
        Runtime runtime(WithGuard(Guard::kCanary));
        Bundle bundle(&runtime);
        Bundle::Placement placement;
        placement.name = "careless";
        static_cast<void>(bundle.Go(
            [&] {
              // Down to the lowest word, as deep recursion would.
              volatile char* const bottom = static_cast<char*>(runtime.current()->stack.bottom);
              for (size_t i = 0; i < sizeof(uint64_t); ++i) bottom[i] = 1;
              static_cast<void>(runtime.Yield());
            },
            placement));
      },
      "halfpipe: stack overflow in coroutine careless");
}

// Ends with the system's own action: a shell sees the same signal as ever.
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
TEST(OverflowSignalDeathTest, EndsBySegv) {
  EXPECT_EXIT(
      {
        Runtime runtime;
        OverflowIn(&runtime, "greedy");
      },
      testing::KilledBySignal(SIGSEGV), "halfpipe: stack overflow in coroutine greedy");
}

void TouchNothing(Runtime* runtime) {
  Bundle bundle(runtime);
  static_cast<void>(bundle.Go([] {
    void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *static_cast<volatile char*>(page) = 1;
  }));
}

TEST(OverflowSignalDeathTest, OtherFaultsSayNothing) {
  EXPECT_EXIT(
      {
        Runtime runtime;
        TouchNothing(&runtime);
      },
      testing::KilledBySignal(SIGSEGV), "^$");
}

TEST(OverflowSignalDeathTest, ASignalThatIsSentIsTheDefaults) {
  for (const int signal : {SIGSEGV, SIGBUS}) {
    EXPECT_EXIT(
        {
          Runtime runtime;
          Bundle bundle(&runtime);
          static_cast<void>(bundle.Go([] {}));
          kill(getpid(), signal);
          pause();
        },
        testing::KilledBySignal(signal), "^$");
  }
}

void SayAndLeave(int) {
  const char text[] = "the program's own handler\n";
  static_cast<void>(!write(STDERR_FILENO, text, sizeof(text) - 1));
  _exit(9);
}

void SayMoreAndLeave(int signal, siginfo_t* info, void*) {
  if (signal == SIGSEGV && info->si_addr != nullptr) SayAndLeave(signal);
}

TEST(OverflowSignalDeathTest, HandlersThatWereThereBeforeGetEverySignal) {
  for (const bool with_info : {false, true}) {
    const auto set_handler = [with_info] {
      struct sigaction action = {};
      action.sa_flags = SA_ONSTACK | (with_info ? SA_SIGINFO : 0);
      if (with_info) {
        action.sa_sigaction = &SayMoreAndLeave;
      } else {
        action.sa_handler = &SayAndLeave;
      }
      sigaction(SIGSEGV, &action, nullptr);
    };
    EXPECT_EXIT(
        {
          set_handler();
          Runtime runtime;
          OverflowIn(&runtime, "greedy");
        },
        testing::ExitedWithCode(9), "in coroutine greedy\nthe program's own handler");
    EXPECT_EXIT(
        {
          set_handler();
          Runtime runtime;
          TouchNothing(&runtime);
        },
        testing::ExitedWithCode(9), "^the program's own handler");
  }
}

TEST(OverflowSignalDeathTest, IgnoredSignalsStayIgnored) {
  EXPECT_EXIT(
      {
        signal(SIGSEGV, SIG_IGN);
        Runtime runtime;
        Bundle bundle(&runtime);
        static_cast<void>(bundle.Go([] {}));
        kill(getpid(), SIGSEGV);
        raise(SIGSEGV);
        _exit(3);
      },
      testing::ExitedWithCode(3), "^$");
}

// Only where no sanitizer has put its own.
TEST(SignalStackTest, IsTheThreadsForAsLongAsTheRuntimeLives) {
  std::thread([] {
    stack_t present = {};
    ASSERT_EQ(sigaltstack(nullptr, &present), 0);
    ASSERT_NE(present.ss_flags & SS_DISABLE, 0);
    {
      Runtime runtime;
      Bundle bundle(&runtime);
      ASSERT_TRUE(bundle.Go([] {}).ok());
      ASSERT_EQ(sigaltstack(nullptr, &present), 0);
      EXPECT_EQ(present.ss_flags & SS_DISABLE, 0);
      // One of the program's own, and an inner runtime's, change nothing.
      Runtime inner;
      Bundle inner_bundle(&inner);
      ASSERT_TRUE(inner_bundle.Go([] {}).ok());
      stack_t still = {};
      ASSERT_EQ(sigaltstack(nullptr, &still), 0);
      EXPECT_EQ(still.ss_sp, present.ss_sp);
    }
    ASSERT_EQ(sigaltstack(nullptr, &present), 0);
    EXPECT_NE(present.ss_flags & SS_DISABLE, 0);
  }).join();
}

TEST(SignalStackTest, TheProgramsOwnIsLeftAlone) {
  static char memory[64 * 1024];
  std::thread([] {
    stack_t own = {};
    own.ss_sp = memory;
    own.ss_size = sizeof(memory);
    ASSERT_EQ(sigaltstack(&own, nullptr), 0);
    const size_t before = MappedMemoryBytes();
    {
      SignalStack stack;
      EXPECT_TRUE(stack.Install());
      EXPECT_EQ(MappedMemoryBytes(), before);
    }
    stack_t present = {};
    ASSERT_EQ(sigaltstack(nullptr, &present), 0);
    EXPECT_EQ(present.ss_sp, memory);
    own.ss_flags = SS_DISABLE;
    ASSERT_EQ(sigaltstack(&own, nullptr), 0);
  }).join();
}
#endif

}  // namespace
}  // namespace halfpipe
