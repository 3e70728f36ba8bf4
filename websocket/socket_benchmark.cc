// Messages there and back over sockets, both ends on one runtime and so on one processor: what a
// message costs altogether, system calls included.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "websocket/connection.h"
#include "websocket/server.h"
#include "websocket/server_options.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket {
namespace {

using Ends = std::pair<BytestreamPtr, BytestreamPtr>;

Ends UnixEnds(Runtime* runtime) {
  const std::array<int, 2> fds = *UnixPairFds();
  return {BytestreamPtr(new FdStream(runtime, fds[0])),
          BytestreamPtr(new FdStream(runtime, fds[1]))};
}

Ends TcpEnds(Runtime* runtime) {
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  TcpOptions options;
  options.reset_on_close = true;  // so that no port is left in TIME_WAIT
  Listener listener(runtime, *TcpListenFd(&address, TcpListenOptions()));
  const int client = *TcpConnectFd(runtime, address, options, Deadline::Never());
  return {BytestreamPtr(new FdStream(runtime, client)),
          BytestreamPtr(new FdStream(runtime, *listener.Accept(Deadline::Never())))};
}

// A handler that is called for each message of a connection that is else at rest.
Handler MessageHandler() {
  return {.on_message = [](Connection& connection, MessageView message) {
    HALFPIPE_CHECK(connection.Send(message).ok());
  }};
}

// One that has a coroutine for the connection's life.
Handler SessionHandler() {
  return {.session = [](Connection&, Stream& stream) {
    for (;;) {
      const auto message = stream.ReceiveView(Deadline::Never());
      if (!message.ok() || !message->has_value()) return;
      if (!stream.Send((*message)->type, (*message)->payload, Deadline::Never()).ok()) return;
    }
  }};
}

// A message on each of state.range(0) connections, of state.range(1) bytes, there and back.
template <Ends (*kMakeEnds)(Runtime*), Handler (*kMakeHandler)()>
void BM_Echo(benchmark::State& state) {
  Runtime runtime;
  Server server(&runtime, {});
  server.Handle("/", kMakeHandler());
  HALFPIPE_CHECK(server.Start().ok());
  std::vector<std::unique_ptr<Stream>> clients;
  for (int64_t i = 0; i < state.range(0); ++i) {
    auto [ours, theirs] = kMakeEnds(&runtime);
    HALFPIPE_CHECK(server.Serve(std::move(theirs)).ok());
    const ClientUpgradeOptions upgrade = {.host = "a"};
    ClientUpgradeResult result;
    HALFPIPE_CHECK(ClientUpgrade(&runtime, ours.get(), upgrade, &result, Deadline::Never()).ok());
    clients.push_back(
        std::make_unique<Stream>(&runtime, std::move(ours), StreamOptions(upgrade, result)));
  }
  const std::string text(static_cast<size_t>(state.range(1)), 'x');
  for (auto _ : state) {
    for (const auto& client : clients) {
      HALFPIPE_CHECK(client->SendText(text, Deadline::Never()).ok());
    }
    for (const auto& client : clients) {
      const auto message = client->ReceiveView(Deadline::Never());
      HALFPIPE_CHECK(message.ok() && message->has_value() &&
                     (*message)->payload.size() == text.size());
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(2 * state.iterations() * state.range(0) * state.range(1));
  for (const auto& client : clients) client->Abort();
  clients.clear();
  server.Stop();
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({1, 16})->Args({1, 1024})->Args({1, 64 << 10})->Args({1, 1 << 20});
  benchmark->Args({100, 16});
}
BENCHMARK_TEMPLATE(BM_Echo, TcpEnds, MessageHandler)->Name("BM_Echo/tcp/messages")->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_Echo, TcpEnds, SessionHandler)->Name("BM_Echo/tcp/session")->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_Echo, UnixEnds, MessageHandler)->Name("BM_Echo/unix/messages")->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_Echo, UnixEnds, SessionHandler)->Name("BM_Echo/unix/session")->Apply(Sizes);

}  // namespace
}  // namespace halfpipe::websocket
