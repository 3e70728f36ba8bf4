// Whole messages over an in-memory pair: what the message layer costs without a kernel in between.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

struct Connection {
  explicit Connection(Runtime* runtime) {
    PairOptions pair;
    pair.capacity_bytes = size_t{4} << 20;
    auto [a, b] = MakePair(runtime, pair);
    client = std::make_unique<Stream>(runtime, std::move(a), Options{.role = Role::kClient});
    server = std::make_unique<Stream>(runtime, std::move(b), Options{.role = Role::kServer});
  }

  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

// Client to server and back, by two coroutines; the argument is the payload's size in bytes.
void BM_RoundTrip(benchmark::State& state) {
  Runtime runtime;
  Connection connection(&runtime);
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([&] {
    for (;;) {
      auto message = connection.server->ReceiveView(kNever);
      if (!message.ok() || !message->has_value()) return;
      HALFPIPE_CHECK(connection.server->Send((*message)->type, (*message)->payload, kNever).ok());
    }
  });
  HALFPIPE_CHECK(started.ok());
  const std::string payload(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    HALFPIPE_CHECK(connection.client->SendText(payload, kNever).ok());
    auto message = connection.client->ReceiveView(kNever);
    HALFPIPE_CHECK(message.ok() && (*message)->payload.size() == payload.size());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * 2);
}
BENCHMARK(BM_RoundTrip)->Arg(16)->Arg(1024)->Arg(16 * 1024)->Arg(1 << 20);

// The same with compression: JSON that repeats itself, as programs send it.
void BM_RoundTripDeflated(benchmark::State& state) {
  Runtime runtime;
  auto [a, b] = MakePair(&runtime);
  Options options;
  options.deflate_params = DeflateParams();
  options.deflate.level = static_cast<uint8_t>(state.range(1));
  options.role = Role::kClient;
  Stream client(&runtime, std::move(a), options);
  options.role = Role::kServer;
  Stream server(&runtime, std::move(b), options);
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([&] {
    for (;;) {
      auto message = server.ReceiveView(kNever);
      if (!message.ok() || !message->has_value()) return;
      HALFPIPE_CHECK(server.Send((*message)->type, (*message)->payload, kNever).ok());
    }
  });
  HALFPIPE_CHECK(started.ok());
  std::string payload;
  for (uint32_t i = 1; payload.size() < static_cast<size_t>(state.range(0));
       i = i * 1664525 + 1013904223) {
    absl::StrAppend(&payload, "{\"id\":", i % 100000, ",\"side\":\"buy\"},");
  }
  payload.resize(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    HALFPIPE_CHECK(client.SendText(payload, kNever).ok());
    auto message = client.ReceiveView(kNever);
    HALFPIPE_CHECK(message.ok() && (*message)->payload.size() == payload.size());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * 2);
}
BENCHMARK(BM_RoundTripDeflated)->ArgsProduct({{128, 1024, 64 * 1024}, {1, 6}});

// Messages one way that have all arrived before they are received: the cost of a message without a
// switch.
void BM_ReceiveBuffered(benchmark::State& state) {
  Runtime runtime;
  Connection connection(&runtime);
  constexpr int kBatch = 64;
  const std::string payload(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      HALFPIPE_CHECK(connection.client->SendText(payload, kNever).ok());
    }
    for (int i = 0; i < kBatch; ++i) {
      HALFPIPE_CHECK(connection.server->ReceiveView(kNever).ok());
    }
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_ReceiveBuffered)->Arg(16)->Arg(256);

}  // namespace
}  // namespace halfpipe::websocket
