#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {
namespace {

// One message there and back between two coroutines.
void BM_PairRoundTrip(benchmark::State& state) {
  Runtime runtime;
  auto [client, server] = MakePair(&runtime);
  const size_t size = static_cast<size_t>(state.range(0));
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([&server = server, size] {
    std::vector<uint8_t> message(size);
    const IoSpan in(message.data(), size);
    const IoSlice out(message.data(), size);
    while (server->Read(absl::MakeConstSpan(&in, 1), Deadline::Never()).ok() &&
           server->Write(absl::MakeConstSpan(&out, 1), false, Deadline::Never()).ok()) {
    }
  });
  if (!started.ok()) return state.SkipWithError("no coroutine");
  std::vector<uint8_t> message(size);
  const IoSpan in(message.data(), size);
  const IoSlice out(message.data(), size);
  for (auto _ : state) {
    if (!client->Write(absl::MakeConstSpan(&out, 1), false, Deadline::Never()).ok() ||
        !client->Read(absl::MakeConstSpan(&in, 1), Deadline::Never()).ok()) {
      state.SkipWithError("the pair is broken");
      break;
    }
  }
}
BENCHMARK(BM_PairRoundTrip)->Arg(16)->Arg(1024)->Arg(16 * 1024);

// One direction, as fast as it goes: writes of the given size, received in place.
void BM_PairThroughput(benchmark::State& state) {
  Runtime runtime;
  auto [client, server] = MakePair(&runtime);
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([&server = server] {
    for (;;) {
      const auto view = server->Peek(1, Deadline::Never());
      if (!view.ok() || view->empty()) return;
      benchmark::DoNotOptimize(view->data());
      server->Consume(view->size());
    }
  });
  if (!started.ok()) return state.SkipWithError("no coroutine");
  const IoSlice slice(text.data(), text.size());
  for (auto _ : state) {
    if (!client->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()).ok()) {
      state.SkipWithError("the pair is broken");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_PairThroughput)->Arg(64)->Arg(4096)->Arg(64 * 1024)->Arg(1024 * 1024);

}  // namespace
}  // namespace halfpipe
