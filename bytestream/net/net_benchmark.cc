// Round trips and throughput of socket streams, both ends on one runtime.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {
namespace {

struct Ends {
  std::unique_ptr<FdStream> client;
  std::unique_ptr<FdStream> server;
};

Ends UnixEnds(Runtime* runtime) {
  const std::array<int, 2> fds = *UnixPairFds();
  return {std::make_unique<FdStream>(runtime, fds[0]), std::make_unique<FdStream>(runtime, fds[1])};
}

Ends TcpEnds(Runtime* runtime) {
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  Listener listener(runtime, *TcpListenFd(&address, TcpListenOptions()));
  Ends ends;
  ends.client = *TcpConnect(runtime, address, Deadline::Never());
  ends.server = std::make_unique<FdStream>(runtime, *listener.Accept(Deadline::Never()));
  return ends;
}

// The server sends each message of `size` bytes back.
template <Ends (*kMakeEnds)(Runtime*)>
void BM_RoundTrip(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Runtime runtime;
  const Ends ends = kMakeEnds(&runtime);
  std::vector<uint8_t> echo(size), message(size, 'm');
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([&] {
    const IoSpan in(echo.data(), size);
    const IoSlice out(echo.data(), size);
    while (ends.server->Read({&in, 1}, Deadline::Never()).ok() &&
           ends.server->Write({&out, 1}, false, Deadline::Never()).ok()) {
    }
  });
  if (!started.ok()) return state.SkipWithError("no coroutine");
  const IoSlice out(message.data(), size);
  const IoSpan in(message.data(), size);
  for (auto _ : state) {
    if (!ends.client->Write({&out, 1}, false, Deadline::Never()).ok() ||
        !ends.client->Read({&in, 1}, Deadline::Never()).ok()) {
      return state.SkipWithError("the connection failed");
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_TEMPLATE(BM_RoundTrip, UnixEnds)->Name("BM_RoundTrip/unix")->Arg(64)->Arg(64 * 1024);
BENCHMARK_TEMPLATE(BM_RoundTrip, TcpEnds)->Name("BM_RoundTrip/tcp")->Arg(64)->Arg(64 * 1024);

// One direction only, in messages of `size` bytes.
template <Ends (*kMakeEnds)(Runtime*)>
void BM_Throughput(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Runtime runtime;
  const Ends ends = kMakeEnds(&runtime);
  const std::vector<uint8_t> sent(size, 'm');
  std::vector<uint8_t> received(size);
  Bundle bundle(&runtime);
  const absl::Status started = bundle.Go([&] {
    const IoSlice out(sent.data(), size);
    while (ends.client->Write({&out, 1}, false, Deadline::Never()).ok()) {
    }
  });
  if (!started.ok()) return state.SkipWithError("no coroutine");
  const IoSpan in(received.data(), size);
  for (auto _ : state) {
    if (!ends.server->Read({&in, 1}, Deadline::Never()).ok()) {
      return state.SkipWithError("the connection failed");
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_TEMPLATE(BM_Throughput, UnixEnds)->Name("BM_Throughput/unix")->Arg(64)->Arg(64 * 1024);
BENCHMARK_TEMPLATE(BM_Throughput, TcpEnds)->Name("BM_Throughput/tcp")->Arg(64)->Arg(64 * 1024);

// Messages of 64 bytes that are gathered, sixteen at a time, against the same sent one by one.
void BM_Gather(benchmark::State& state) {
  constexpr int kCount = 16;
  const bool gather = state.range(0) != 0;
  Runtime runtime;
  const Ends ends = UnixEnds(&runtime);
  const std::vector<uint8_t> sent(64, 'm');
  const IoSlice out(sent.data(), sent.size());
  std::vector<uint8_t> received(sent.size() * kCount);
  const IoSpan in(received.data(), received.size());
  for (auto _ : state) {
    for (int i = 0; i < kCount; ++i) {
      const bool more = gather && i + 1 < kCount;
      if (!ends.client->Write({&out, 1}, more, Deadline::Never()).ok()) {
        return state.SkipWithError("the connection failed");
      }
    }
    if (!ends.server->Read({&in, 1}, Deadline::Never()).ok()) {
      return state.SkipWithError("the connection failed");
    }
  }
  state.SetItemsProcessed(state.iterations() * kCount);
}
BENCHMARK(BM_Gather)->Arg(0)->Arg(1);

}  // namespace
}  // namespace halfpipe
