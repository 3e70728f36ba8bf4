// Servers: what a connection at rest takes, and what it costs to send one message to many.
//
// 100,000 connections are left out unless HALFPIPE_BENCHMARK_CONNECTIONS says so:
//   HALFPIPE_BENCHMARK_CONNECTIONS=100000 tools/bazelw run --config=opt
//       //websocket:server_benchmark -- --benchmark_filter='Pairs|Sockets'

#include <malloc.h>
#include <sys/resource.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/memory_usage.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/broadcast.h"
#include "websocket/server.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket {
namespace {

// The client's end of a new connection.
BytestreamPtr Connect(Runtime* runtime, Server* server, bool sockets) {
  BytestreamPtr client;
  BytestreamPtr theirs;
  if (sockets) {
    const auto fds = UnixPairFds();
    HALFPIPE_CHECK(fds.ok());
    client = BytestreamPtr(new FdStream(runtime, (*fds)[0]));
    theirs = BytestreamPtr(new FdStream(runtime, (*fds)[1]));
  } else {
    auto [ours, others] = MakePair(runtime);
    client = std::move(ours);
    theirs = std::move(others);
  }
  HALFPIPE_CHECK(server->Serve(std::move(theirs)).ok());
  return client;
}

// One that has been upgraded. It has no Stream, so that it adds little to what is measured.
BytestreamPtr Open(Runtime* runtime, Server* server, bool sockets) {
  BytestreamPtr client = Connect(runtime, server, sockets);
  HALFPIPE_CHECK(
      ClientUpgrade(runtime, client.get(), {.host = "a"}, nullptr, Deadline::In(absl::Seconds(60)))
          .ok());
  return client;
}

// One that has asked for a page, has got it, and may ask for another one.
BytestreamPtr Ask(Runtime* runtime, Server* server, bool sockets) {
  BytestreamPtr client = Connect(runtime, server, sockets);
  const IoSlice slice(absl::string_view("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  HALFPIPE_CHECK(client->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()).ok());
  const auto bytes = client->Peek(20, Deadline::In(absl::Seconds(60)));
  HALFPIPE_CHECK(bytes.ok() && bytes->size() >= 20);
  client->Consume(bytes->size());
  return client;
}

// As many descriptors as the system lets us have.
size_t DescriptorsMax() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<size_t>(limit.rlim_cur);
}

using Opener = BytestreamPtr (*)(Runtime* runtime, Server* server, bool sockets);

void AtRest(benchmark::State& state, bool sockets, Opener open) {
  const auto count = static_cast<size_t>(state.range(0));
  if (sockets && DescriptorsMax() < 2 * count + 100) {
    // Where there are fewer that is nobody's fault.
    for (auto _ : state) {
    }
    state.SetLabel("too few descriptors");
    return;
  }
  for (auto _ : state) {
    malloc_trim(0);  // what others have left would be taken first
    Runtime runtime;
    ServerOptions options;
    options.connections_max = count;
    // None of them comes to its end meanwhile.
    options.handshake_time = options.keep_alive_time = absl::Hours(1);
    Server server(&runtime, options);
    server.Handle("/", {.on_message = [](Connection& c, MessageView message) {
                    HALFPIPE_CHECK(c.Send(message).ok());
                  }});
    server.HandlePlain([](const http::RequestHead&) { return http::TextResponse(200, "fine"); });
    HALFPIPE_CHECK(server.Start().ok());
    // What the clients take by themselves comes off.
    std::vector<BytestreamPtr> clients;
    clients.reserve(count);
    clients.push_back(open(&runtime, &server, sockets));
    const size_t before = ResidentBytes();
    while (clients.size() < count) clients.push_back(open(&runtime, &server, sockets));
    runtime.SleepUntil(Deadline::In(absl::Milliseconds(1)));
    HALFPIPE_CHECK(server.counts().connections == count && runtime.coroutine_count() == 0);
    HALFPIPE_CHECK(runtime.buffer_pool().blocks_in_use() == 0);
    const size_t after = ResidentBytes();
    state.counters["bytes_each"] =
        static_cast<double>(after - before) / static_cast<double>(count - 1);
    state.counters["object_bytes"] = static_cast<double>(sizeof(Connection));
    server.Stop();
  }
}

// Both ends are in the figure: a pair is one object.
void BM_AtRestPairs(benchmark::State& state) { AtRest(state, false, Open); }
void BM_AtRestSockets(benchmark::State& state) { AtRest(state, true, Open); }
// Between plain requests.
void BM_KeptAlivePairs(benchmark::State& state) { AtRest(state, false, Ask); }
void BM_KeptAliveSockets(benchmark::State& state) { AtRest(state, true, Ask); }
// Accepted, and nothing has come.
void BM_SilentPairs(benchmark::State& state) { AtRest(state, false, Connect); }
void BM_SilentSockets(benchmark::State& state) { AtRest(state, true, Connect); }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kConnections = 1'000;  // what they say of memory says nothing of it
#else
constexpr int kConnections = 10'000;
#endif

void Sizes(benchmark::internal::Benchmark* benchmark) {
  const char* const asked = std::getenv("HALFPIPE_BENCHMARK_CONNECTIONS");
  benchmark->Arg(asked != nullptr ? std::atoi(asked) : kConnections)->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_AtRestPairs)->Apply(Sizes)->Iterations(1);
BENCHMARK(BM_AtRestSockets)->Apply(Sizes)->Iterations(1);
BENCHMARK(BM_KeptAlivePairs)->Apply(Sizes)->Iterations(1);
BENCHMARK(BM_KeptAliveSockets)->Apply(Sizes)->Iterations(1);
BENCHMARK(BM_SilentPairs)->Apply(Sizes)->Iterations(1);
BENCHMARK(BM_SilentSockets)->Apply(Sizes)->Iterations(1);

// One message to all members, each of which takes it at once.
void BM_Broadcast(benchmark::State& state) {
  Runtime runtime;
  Broadcast room;
  Server server(&runtime, {});
  server.Handle("/", {.on_open = [&room](Connection& c) { HALFPIPE_CHECK(room.Join(c)); }});
  HALFPIPE_CHECK(server.Start().ok());
  std::vector<BytestreamPtr> clients;
  for (int64_t i = 0; i < state.range(0); ++i) clients.push_back(Open(&runtime, &server, false));
  const std::string text(static_cast<size_t>(state.range(1)), 'x');
  for (auto _ : state) {
    HALFPIPE_CHECK(room.Send(MessageType::kText, text).ok());
    state.PauseTiming();
    for (BytestreamPtr& client : clients) {
      size_t left = text.size() + (text.size() < 126 ? 2 : 4);
      while (left > 0) {
        const auto bytes = client->Peek(1, Deadline::In(absl::Seconds(60)));
        HALFPIPE_CHECK(bytes.ok() && !bytes->empty());
        left -= bytes->size();
        client->Consume(bytes->size());
      }
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  clients.clear();
  server.Stop();
}
BENCHMARK(BM_Broadcast)->Args({1000, 64})->Args({1000, 4096})->Unit(benchmark::kMicrosecond);

// A message there and back on one of many connections that are at rest: it wakes, answers, rests.
void BM_WakeAndAnswer(benchmark::State& state) {
  Runtime runtime;
  Server server(&runtime, {});
  server.Handle("/", {.on_message = [](Connection& c, MessageView message) {
                  HALFPIPE_CHECK(c.Send(message).ok());
                }});
  HALFPIPE_CHECK(server.Start().ok());
  std::vector<BytestreamPtr> clients;
  for (int64_t i = 0; i < state.range(0); ++i) clients.push_back(Open(&runtime, &server, true));
  // "x", masked with zeros.
  const IoSlice slice(absl::string_view("\x81\x81\0\0\0\0x", 7));
  size_t next = 0;
  for (auto _ : state) {
    Bytestream* const client = clients[next++ % clients.size()].get();
    HALFPIPE_CHECK(client->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()).ok());
    const auto bytes = client->Peek(3, Deadline::Never());
    HALFPIPE_CHECK(bytes.ok() && bytes->size() == 3);
    client->Consume(3);
  }
  clients.clear();
  server.Stop();
}
BENCHMARK(BM_WakeAndAnswer)->Arg(1)->Arg(100);

}  // namespace
}  // namespace halfpipe::websocket
