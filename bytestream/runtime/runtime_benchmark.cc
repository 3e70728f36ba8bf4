// The cost of the scheduler. Quote the medians of an opt build:
//   tools/bazelw run --config=opt //bytestream/runtime:runtime_benchmark --
//       --benchmark_repetitions=9 --benchmark_report_aggregates_only

#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/time/time.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/context.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/timer_heap.h"
#include "bytestream/testing/memory_usage.h"

namespace halfpipe {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

void JumpBackForEver(transfer_t transfer) {
  for (;;) transfer = jump_fcontext(transfer.fctx, nullptr);
}

// There and back with nothing but Boost.Context: two switches.
void BM_BareSwitchRoundTrip(benchmark::State& state) {
  std::vector<char> stack(64 * 1024);
  transfer_t other = {make_fcontext(stack.data() + stack.size(), stack.size(), &JumpBackForEver),
                      nullptr};
  for (auto _ : state) other = jump_fcontext(other.fctx, nullptr);
}
BENCHMARK(BM_BareSwitchRoundTrip);

struct TwoContexts {
  Context mine;
  Context other;
};

void SwitchBackForEver(void* argument) {
  TwoContexts* const contexts = static_cast<TwoContexts*>(argument);
  for (;;) contexts->other.SwitchTo(&contexts->mine);
}

// The same with what Context adds.
void BM_ContextRoundTrip(benchmark::State& state) {
  std::vector<char> stack(64 * 1024);
  TwoContexts contexts;
  contexts.other.Prepare(stack.data(), stack.size(), &SwitchBackForEver, &contexts);
  for (auto _ : state) contexts.mine.SwitchTo(&contexts.other);
}
BENCHMARK(BM_ContextRoundTrip);

// Two coroutines that take turns: each iteration is two switches and two passes of the scheduler.
void BM_YieldRoundTrip(benchmark::State& state) {
  Runtime runtime;
  Bundle bundle(&runtime);
  if (!bundle
           .Go([&] {
             while (runtime.Yield() == 0) {
             }
           })
           .ok())
    state.SkipWithError("no coroutine");
  for (auto _ : state) benchmark::DoNotOptimize(runtime.Yield());
}
BENCHMARK(BM_YieldRoundTrip);

// As in a program that waits for descriptors: a poll every 64 switches is a system call.
void BM_YieldRoundTripWithOpenEngine(benchmark::State& state) {
  Runtime runtime;
  Bundle bundle(&runtime);
  const int error = runtime.SleepUntil(Deadline::In(absl::Milliseconds(1)));
  if (error != 0) state.SkipWithError("no sleep");
  if (!bundle
           .Go([&] {
             while (runtime.Yield() == 0) {
             }
           })
           .ok())
    state.SkipWithError("no coroutine");
  for (auto _ : state) benchmark::DoNotOptimize(runtime.Yield());
}
BENCHMARK(BM_YieldRoundTripWithOpenEngine);

void BM_GoAndFinish(benchmark::State& state) {
  Runtime runtime;
  Bundle bundle(&runtime);
  for (auto _ : state) {
    if (!bundle.Go([] {}).ok()) state.SkipWithError("no coroutine");
  }
}
BENCHMARK(BM_GoAndFinish);

// Many at once, so that stacks go back to the pool and are trimmed.
void BM_GoAndFinishInBatches(benchmark::State& state) {
  const int64_t count = state.range(0);
  Runtime runtime;
  for (auto _ : state) {
    Bundle bundle(&runtime);
    for (int64_t i = 0; i < count; ++i) {
      if (!bundle.Go([&] { static_cast<void>(runtime.SleepUntil(Deadline::Never())); }).ok()) {
        state.SkipWithError("no coroutine");
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(BM_GoAndFinishInBatches)->Arg(1000);

void BM_TimerArmAndCancel(benchmark::State& state) {
  const int64_t pending_count = state.range(0);
  TimerHeap heap;
  std::deque<TimerHeap::Node> pending(pending_count);
  uint64_t random = 1;
  const auto next = [&] {
    random = random * 6364136223846793005 + 1442695040888963407;
    return Deadline::AtNanos(static_cast<int64_t>(random >> 33));
  };
  for (TimerHeap::Node& node : pending) heap.Insert(&node, next());
  size_t index = 0;
  for (auto _ : state) {
    TimerHeap::Node* const node = &pending[index];
    heap.Remove(node);
    heap.Insert(node, next());
    index = (index + 7919) % pending.size();
  }
  for (TimerHeap::Node& node : pending) heap.Remove(&node);
}
BENCHMARK(BM_TimerArmAndCancel)->Arg(1)->Arg(1000)->Arg(100'000);

// The earliest of many fires, and is armed again for later.
void BM_TimerExpire(benchmark::State& state) {
  TimerHeap heap;
  std::deque<TimerHeap::Node> pending(state.range(0));
  uint64_t random = 1;
  const auto next = [&](int64_t now) {
    random = random * 6364136223846793005 + 1442695040888963407;
    return Deadline::AtNanos(now + 1 + static_cast<int64_t>(random >> 40));
  };
  for (TimerHeap::Node& node : pending) heap.Insert(&node, next(0));
  for (auto _ : state) {
    TimerHeap::Node* const node = heap.Earliest();
    heap.Remove(node);
    heap.Insert(node, next(node->deadline().nanos()));
  }
  for (TimerHeap::Node& node : pending) heap.Remove(&node);
}
BENCHMARK(BM_TimerExpire)->Arg(1000)->Arg(100'000);

// Each look at it takes a microsecond.
class TickingClock final : public Clock {
 public:
  int64_t NowNanos() override { return now_ += 1000; }

 private:
  int64_t now_ = 0;
};

// A sleep that is due at the poll that it leads to: suspend, arm, poll, fire, resume.
void BM_Sleep(benchmark::State& state) {
  TickingClock clock;
  Runtime::Options options;
  options.clock = &clock;
  Runtime runtime(std::move(options));
  for (auto _ : state) {
    benchmark::DoNotOptimize(runtime.SleepUntil(Deadline::AtNanos(clock.NowNanos() + 2000)));
  }
}
BENCHMARK(BM_Sleep);

// A function for the same thread: posted, and run by the poll that it leads to.
void BM_PostAndRun(benchmark::State& state) {
  TickingClock clock;
  Runtime::Options options;
  options.clock = &clock;
  Runtime runtime(std::move(options));
  int64_t ran = 0;
  int64_t posted = 0;
  for (auto _ : state) {
    if (runtime.Post([&ran] { ++ran; }) != 0) state.SkipWithError("not posted");
    ++posted;
    while (ran < posted) {
      benchmark::DoNotOptimize(runtime.SleepUntil(Deadline::AtNanos(clock.NowNanos() + 2000)));
    }
  }
}
BENCHMARK(BM_PostAndRun);

// To a helper thread and back: two threads that wake each other.
void BM_RunBlocking(benchmark::State& state) {
  Runtime runtime;
  for (auto _ : state) {
    if (!runtime.RunBlocking([] { return 1; }, Deadline::Never()).ok()) {
      state.SkipWithError("not run");
    }
  }
}
BENCHMARK(BM_RunBlocking)->UseRealTime();

// What one of many coroutines that sleep costs: `bytes` all together, page tables included, of which
// `stack_bytes` are pages of its stack. A thread sanitizer bears a few thousand.
void BM_MemoryPerCoroutine(benchmark::State& state) {
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
  const size_t count = 500;
#else
  const size_t count = static_cast<size_t>(state.range(0));
#endif
  for (auto _ : state) {
    const size_t before = ResidentBytes() + PageTableBytes();
    Runtime runtime;
    Bundle bundle(&runtime);
    const void* bottom = nullptr;
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      const auto body = [&] {
        bottom = runtime.current()->stack.bottom;
        size = runtime.current()->stack.size;
        static_cast<void>(runtime.SleepUntil(Deadline::In(absl::Hours(1))));
      };
      if (!bundle.Go(body).ok()) return state.SkipWithError("no coroutine");
    }
    state.counters["bytes"] =
        static_cast<double>(ResidentBytes() + PageTableBytes() - before) / count;
    state.counters["stack_bytes"] = static_cast<double>(ResidentBytesOf(bottom, size));
    state.counters["mappings"] = static_cast<double>(MappingCount());
  }
}
BENCHMARK(BM_MemoryPerCoroutine)->Arg(100'000)->Unit(benchmark::kMillisecond);

struct Sockets {
  Sockets() { ok = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0; }
  ~Sockets() {
    if (ok) close(ends[0]);
    if (ok) close(ends[1]);
  }
  int ends[2];
  bool ok;
};

void BM_ForeignFdReady(benchmark::State& state) {
  Runtime runtime;
  Sockets sockets;
  if (!sockets.ok) state.SkipWithError("no sockets");
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        runtime.engine().WaitForeignFd(sockets.ends[0], /*writable=*/true, Deadline::Never()));
  }
}
BENCHMARK(BM_ForeignFdReady);

// A byte goes to another coroutine and comes back; both wait with `wait(end)` before they read.
template <typename WaitForByte>
void PingPong(benchmark::State& state, Runtime* runtime, const Sockets& sockets, WaitForByte wait) {
  Bundle bundle(runtime);
  char byte = 'x';
  const auto echo = [&] {
    while (wait(sockets.ends[1]) && read(sockets.ends[1], &byte, 1) == 1) {
      if (write(sockets.ends[1], &byte, 1) != 1) return;
    }
  };
  if (!sockets.ok || !bundle.Go(echo).ok()) return state.SkipWithError("no sockets, no coroutine");
  for (auto _ : state) {
    if (write(sockets.ends[0], &byte, 1) != 1 || !wait(sockets.ends[0]) ||
        read(sockets.ends[0], &byte, 1) != 1) {
      return state.SkipWithError("no byte");
    }
  }
}

void BM_ForeignFdPingPong(benchmark::State& state) {
  Runtime runtime;
  const Sockets sockets;
  PingPong(state, &runtime, sockets, [&](int fd) {
    return runtime.engine().WaitForeignFd(fd, /*writable=*/false, Deadline::Never()) == 0;
  });
}
BENCHMARK(BM_ForeignFdPingPong);

// The same with attached descriptors, which stay registered.
void BM_AttachedFdPingPong(benchmark::State& state) {
  Runtime runtime;
  const Sockets sockets;
  EngineFd entries[2];
  runtime.engine().Attach(&entries[0], sockets.ends[0]);
  runtime.engine().Attach(&entries[1], sockets.ends[1]);
  PingPong(state, &runtime, sockets, [&](int fd) {
    return runtime.engine().WaitReadable(&entries[fd == sockets.ends[0] ? 0 : 1],
                                         Deadline::Never()) == 0;
  });
  runtime.engine().Detach(&entries[0]);
  runtime.engine().Detach(&entries[1]);
}
BENCHMARK(BM_AttachedFdPingPong);

}  // namespace
}  // namespace halfpipe
