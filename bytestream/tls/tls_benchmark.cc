#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
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
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "bytestream/tls/tls_test_support.h"

namespace halfpipe {
namespace {

constexpr Deadline kNever = Deadline::Never();

// Both sides of a full handshake (P-256), with the pair of streams below and the end of all.
void BM_TlsHandshake(benchmark::State& state) {
  Runtime runtime;
  const TlsContext& client = TestClientContext();
  const TlsContext& server = TestServerContext();
  for (auto _ : state) {
    benchmark::DoNotOptimize(ConnectTls(&runtime, MakePair(&runtime), {}, client, server));
  }
}
BENCHMARK(BM_TlsHandshake);

// One message there and back between two coroutines.
void BM_TlsRoundTrip(benchmark::State& state) {
  Runtime runtime;
  TlsPair tls = ConnectTls(&runtime, MakePair(&runtime));
  TlsStream* const client = tls.first.get();
  TlsStream* const server = tls.second.get();
  const size_t size = static_cast<size_t>(state.range(0));
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([server, size] {
    std::vector<uint8_t> message(size);
    const IoSpan in(message.data(), size);
    const IoSlice out(message.data(), size);
    while (server->Read(absl::MakeConstSpan(&in, 1), kNever).ok() &&
           server->Write(absl::MakeConstSpan(&out, 1), false, kNever).ok()) {
    }
  });
  if (!started.ok()) return state.SkipWithError("no coroutine");
  std::vector<uint8_t> message(size);
  const IoSpan in(message.data(), size);
  const IoSlice out(message.data(), size);
  for (auto _ : state) {
    if (!client->Write(absl::MakeConstSpan(&out, 1), false, kNever).ok() ||
        !client->Read(absl::MakeConstSpan(&in, 1), kNever).ok()) {
      state.SkipWithError("the connection is broken");
      break;
    }
  }
}
BENCHMARK(BM_TlsRoundTrip)->Arg(64)->Arg(16 * 1024);

// One direction, as fast as it goes: writes of the given size, received in place.
void BM_TlsThroughput(benchmark::State& state) {
  Runtime runtime;
  TlsPair tls = ConnectTls(&runtime, MakePair(&runtime));
  TlsStream* const server = tls.second.get();
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([server] {
    for (;;) {
      const auto view = server->Peek(1, kNever);
      if (!view.ok() || view->empty()) return;
      benchmark::DoNotOptimize(view->data());
      server->Consume(view->size());
    }
  });
  if (!started.ok()) return state.SkipWithError("no coroutine");
  const IoSlice slice(text.data(), text.size());
  for (auto _ : state) {
    if (!tls.first->Write(absl::MakeConstSpan(&slice, 1), false, kNever).ok()) {
      state.SkipWithError("the connection is broken");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_TlsThroughput)->Arg(64)->Arg(64 * 1024);

}  // namespace
}  // namespace halfpipe
