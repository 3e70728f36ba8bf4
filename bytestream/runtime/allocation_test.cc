// What the header comments promise: waiting allocates nothing once warm. Counts calls of the
// global operator new and of malloc.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "absl/base/config.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "gtest/gtest.h"

namespace {

size_t allocations = 0;

}  // namespace

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
// A sanitizer has its own malloc. It keeps its checks where only operator new is replaced.
void* operator new(size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#else
extern "C" void* __libc_malloc(size_t size);

// operator new calls it too.
extern "C" void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
#endif

namespace halfpipe {
namespace {

class TickingClock final : public Clock {
 public:
  int64_t NowNanos() override { return now_ += 1000; }

 private:
  int64_t now_ = 0;
};

Runtime::Options Ticking(Clock* clock) {
  Runtime::Options options;
  options.clock = clock;
  return options;
}

class AllocationTest : public testing::Test {
 protected:
  // Runs `step` until everything is warm, then a hundred times more. The allocations of those.
  template <typename Step>
  size_t Count(Step step) {
    for (int i = 0; i < 100; ++i) step();
    const size_t before = allocations;
    for (int i = 0; i < 100; ++i) step();
    return allocations - before;
  }

  TickingClock clock_;
  Runtime runtime_{Ticking(&clock_)};
};

TEST_F(AllocationTest, TheCounterCounts) {
  EXPECT_EQ(Count([] {
              void* volatile memory = ::operator new(1);
              ::operator delete(memory);
            }),
            100u);
}

TEST_F(AllocationTest, Yield) {
  Bundle bundle(&runtime_);
  ASSERT_EQ(bundle.Start(
                [&] {
                  while (runtime_.Yield() == 0) {
                  }
                },
                {}),
            0);
  int error = 0;
  EXPECT_EQ(Count([&] { error |= runtime_.Yield(); }), 0u);
  EXPECT_EQ(error, 0);
}

TEST_F(AllocationTest, Sleep) {
  int error = 0;
  EXPECT_EQ(
      Count([&] { error |= runtime_.SleepUntil(Deadline::AtNanos(clock_.NowNanos() + 3'000)); }),
      0u);
  EXPECT_EQ(error, 0);
}

TEST_F(AllocationTest, WaitAndWake) {
  Bundle bundle(&runtime_);
  WaiterList waiters;
  int woken = 0;
  ASSERT_EQ(bundle.Start(
                [&] {
                  for (;;) {
                    Waiter waiter;
                    waiters.PushBack(&waiter);
                    if (runtime_.Wait(&waiter, Deadline::Never()) != 0) return;
                    ++woken;
                  }
                },
                {}),
            0);
  EXPECT_EQ(Count([&] {
              runtime_.Wake(waiters.Front());
              static_cast<void>(runtime_.Yield());
            }),
            0u);
  EXPECT_EQ(woken, 200);
}

TEST_F(AllocationTest, StartAndFinish) {
  Bundle bundle(&runtime_);
  int error = 0;
  EXPECT_EQ(Count([&] { error |= bundle.Start([] {}, {}); }), 0u);
  EXPECT_EQ(error, 0);
}

TEST_F(AllocationTest, ReceiveAndSendThatWait) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  Engine& engine = runtime_.engine();
  EngineFd entries[2];
  engine.Attach(&entries[0], ends[0]);
  engine.Attach(&entries[1], ends[1]);
  Bundle bundle(&runtime_);
  // The sender fills the socket and waits; then the receiver drains it and waits.
  static char sent[64 * 1024];
  static char received[64 * 1024];
  ASSERT_EQ(
      bundle.Start(
          [&] {
            const iovec piece = {sent, sizeof(sent)};
            while (engine.Send(&entries[1], {&piece, 1}, nullptr, false, Deadline::Never()).error ==
                   0) {
            }
          },
          {}),
      0);
  int error = 0;
  EXPECT_EQ(Count([&] {
              const iovec piece = {received, sizeof(received)};
              error |= engine.Receive(&entries[0], {&piece, 1}, nullptr, Deadline::Never()).error;
            }),
            0u);
  EXPECT_EQ(error, 0);
  const auto time_out = [&] {
    const iovec piece = {received, 1};
    error |= engine
                 .Receive(&entries[1], {&piece, 1}, nullptr,
                          Deadline::AtNanos(clock_.NowNanos() + 3'000))
                 .error ^
             ETIMEDOUT;
  };
  EXPECT_EQ(Count(time_out), 0u);
  EXPECT_EQ(error, 0);
  bundle.CancelAndJoin();
  for (int i = 0; i < 2; ++i) {
    engine.Detach(&entries[i]);
    close(ends[i]);
  }
}

}  // namespace
}  // namespace halfpipe
