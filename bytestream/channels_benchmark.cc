// The cost of the C calls for channels. Quote the medians of an opt build:
//   tools/bazelw run --config=opt //bytestream:channels_benchmark --
//       --benchmark_repetitions=9 --benchmark_report_aggregates_only

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bytestream/channels.h"
#include "bytestream/sockets.h"

namespace {

coroutine void Echo(int ch) {
  int64_t value;
  while (chrecv(ch, &value, sizeof(value), -1) == 0 && chsend(ch, &value, sizeof(value), -1) == 0) {
  }
}

// A value goes to another coroutine and comes back. Each iteration is two switches.
void BM_ChannelRoundTrip(benchmark::State& state) {
  int ch[2];
  if (chmake(ch) != 0) return state.SkipWithError("no channel");
  const int worker = go(Echo(ch[0]));
  int64_t value = 1;
  for (auto _ : state) {
    if (chsend(ch[1], &value, sizeof(value), -1) != 0 ||
        chrecv(ch[1], &value, sizeof(value), -1) != 0) {
      state.SkipWithError("no value");
      break;
    }
  }
  for (const int handle : {worker, ch[0], ch[1]}) hclose(handle);
}
BENCHMARK(BM_ChannelRoundTrip);

void BM_MakeAndClose(benchmark::State& state) {
  for (auto _ : state) {
    int ch[2];
    if (chmake(ch) != 0) return state.SkipWithError("no channel");
    hclose(ch[0]);
    hclose(ch[1]);
  }
}
BENCHMARK(BM_MakeAndClose);

coroutine void ChooseForEver(std::vector<chclause>* clauses) {
  while (choose(clauses->data(), static_cast<int>(clauses->size()), -1) >= 0 && errno == 0) {
  }
}

// Waits for all channels; a value then comes on one of them.
void BM_ChooseThatWaits(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  int64_t value = 1;
  int64_t received = 0;
  std::vector<int> ends;
  std::vector<chclause> clauses;
  for (size_t i = 0; i < count; ++i) {
    int ch[2];
    if (chmake(ch) != 0) return state.SkipWithError("no channel");
    ends.push_back(ch[0]);
    clauses.push_back({CHRECV, ch[1], &received, sizeof(received)});
  }
  const int worker = go(ChooseForEver(&clauses));
  size_t next = 0;
  for (auto _ : state) {
    if (chsend(ends[next], &value, sizeof(value), -1) != 0) {
      state.SkipWithError("not sent");
      break;
    }
    next = next + 1 < count ? next + 1 : 0;
    yield();
  }
  hclose(worker);
  for (size_t i = 0; i < count; ++i) {
    hclose(ends[i]);
    hclose(clauses[i].ch);
  }
}
BENCHMARK(BM_ChooseThatWaits)->Arg(1)->Arg(10)->Arg(100);

}  // namespace
