// The cost of channels and locks. Quote the medians of an opt build:
//   tools/bazelw run --config=opt //bytestream/runtime:channel_benchmark --
//       --benchmark_repetitions=9 --benchmark_report_aggregates_only
// To be compared with BM_YieldRoundTrip: two switches with nothing around them.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/channel.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/sync.h"

namespace halfpipe {
namespace {

void BM_YieldRoundTrip(benchmark::State& state) {
  Runtime runtime;
  Bundle bundle(&runtime);
  const auto yield_for_ever = [&] {
    while (runtime.Yield() == 0) {
    }
  };
  if (!bundle.Go(yield_for_ever).ok()) return state.SkipWithError("no coroutine");
  for (auto _ : state) benchmark::DoNotOptimize(runtime.Yield());
}
BENCHMARK(BM_YieldRoundTrip);

// A value goes to a coroutine that waits for it. Each iteration is two switches.
void BM_Send(benchmark::State& state) {
  Runtime runtime;
  Channel<int64_t> channel(&runtime);
  Bundle bundle(&runtime);
  const auto receive_for_ever = [&] {
    while (channel.Receive(Deadline::Never()).ok()) {
    }
  };
  if (!bundle.Go(receive_for_ever).ok()) return state.SkipWithError("no coroutine");
  for (auto _ : state) {
    if (!channel.Send(1, Deadline::Never()).ok()) return state.SkipWithError("not sent");
    // The receiver waits again.
    benchmark::DoNotOptimize(runtime.Yield());
  }
}
BENCHMARK(BM_Send);

// A value goes to another coroutine, another one comes back. Each iteration is two switches.
void BM_SendAndReceiveRoundTrip(benchmark::State& state) {
  Runtime runtime;
  Channel<int64_t> there(&runtime);
  Channel<int64_t> back(&runtime);
  Bundle bundle(&runtime);
  const auto echo = [&] {
    for (;;) {
      const absl::StatusOr<std::optional<int64_t>> value = there.Receive(Deadline::Never());
      if (!value.ok() || !back.Send(**value, Deadline::Never()).ok()) return;
    }
  };
  if (!bundle.Go(echo).ok()) return state.SkipWithError("no coroutine");
  for (auto _ : state) {
    if (!there.Send(1, Deadline::Never()).ok() || !back.Receive(Deadline::Never()).ok()) {
      return state.SkipWithError("no value");
    }
  }
}
BENCHMARK(BM_SendAndReceiveRoundTrip);

struct ManyChannels {
  ManyChannels(Runtime* runtime, int64_t count) {
    for (int64_t i = 0; i < count; ++i) channels.emplace_back(runtime);
    for (Channel<int64_t>& channel : channels) clauses.push_back(channel.ReceiveClause(&value));
  }

  std::deque<Channel<int64_t>> channels;
  std::optional<int64_t> value;
  std::vector<SelectClause> clauses;
};

// Waits for all channels; a value then comes on one of them.
void BM_SelectThatWaits(benchmark::State& state) {
  Runtime runtime;
  ManyChannels many(&runtime, state.range(0));
  Bundle bundle(&runtime);
  const auto select_for_ever = [&] {
    while (Select(&runtime, absl::MakeSpan(many.clauses), Deadline::Never()).ok()) {
    }
  };
  if (!bundle.Go(select_for_ever).ok()) return state.SkipWithError("no coroutine");
  size_t next = 0;
  for (auto _ : state) {
    if (!many.channels[next].Send(1, Deadline::Never()).ok()) return state.SkipWithError("no send");
    next = next + 1 < many.channels.size() ? next + 1 : 0;
    benchmark::DoNotOptimize(runtime.Yield());
  }
}
BENCHMARK(BM_SelectThatWaits)->Arg(1)->Arg(10)->Arg(100);

// One of the channels has a sender, which then comes again.
void BM_SelectThatIsReady(benchmark::State& state) {
  Runtime runtime;
  ManyChannels many(&runtime, state.range(0));
  Bundle bundle(&runtime);
  const auto send_for_ever = [&] {
    while (many.channels.back().Send(1, Deadline::Never()).ok()) {
    }
  };
  if (!bundle.Go(send_for_ever).ok()) return state.SkipWithError("no coroutine");
  for (auto _ : state) {
    if (!Select(&runtime, absl::MakeSpan(many.clauses), Deadline::Never()).ok()) {
      return state.SkipWithError("nothing selected");
    }
    benchmark::DoNotOptimize(runtime.Yield());
  }
}
BENCHMARK(BM_SelectThatIsReady)->Arg(1)->Arg(10)->Arg(100);

void BM_MutexUncontended(benchmark::State& state) {
  Runtime runtime;
  Mutex mutex(&runtime);
  for (auto _ : state) {
    const MutexLock lock(&mutex, Deadline::Never());
    benchmark::DoNotOptimize(lock.held());
  }
}
BENCHMARK(BM_MutexUncontended);

// The mutex goes back and forth between two coroutines. Each iteration is two switches.
void BM_MutexContended(benchmark::State& state) {
  Runtime runtime;
  Mutex mutex(&runtime);
  Bundle bundle(&runtime);
  const auto lock_for_ever = [&] {
    for (;;) {
      const MutexLock lock(&mutex, Deadline::Never());
      if (!lock.held() || runtime.Yield() != 0) return;
    }
  };
  if (!bundle.Go(lock_for_ever).ok()) return state.SkipWithError("no coroutine");
  for (auto _ : state) {
    const MutexLock lock(&mutex, Deadline::Never());
    if (!lock.held() || runtime.Yield() != 0) return state.SkipWithError("not locked");
  }
}
BENCHMARK(BM_MutexContended);

void BM_SemaphoreUncontended(benchmark::State& state) {
  Runtime runtime;
  Semaphore semaphore(&runtime, 2);
  for (auto _ : state) {
    if (!semaphore.Acquire(1, Deadline::Never()).ok()) return state.SkipWithError("no units");
    semaphore.Release(1);
  }
}
BENCHMARK(BM_SemaphoreUncontended);

}  // namespace
}  // namespace halfpipe
