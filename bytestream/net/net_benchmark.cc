// Round trips and throughput of socket streams, both ends on one runtime.

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/multi_listener.h"
#include "bytestream/net/socket_options.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/udp.h"
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

// A connection is made, accepted and ended: at one listener, or at one of several that are accepted
// from together. The client resets, so that no port is left in TIME_WAIT.
void BM_Accept(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  Runtime runtime;
  std::vector<IpAddress> addresses(count, IpAddress::Loopback(IpFamily::kIpv4, 0));
  std::vector<int> fds;
  for (IpAddress& address : addresses) fds.push_back(*TcpListenFd(&address, TcpListenOptions()));
  MultiListener listener(&runtime, fds, ListenerOptions());
  TcpOptions options;
  options.reset_on_close = true;
  size_t next = 0;
  for (auto _ : state) {
    const absl::StatusOr<int> client =
        TcpConnectFd(&runtime, addresses[next++ % count], options, Deadline::Never());
    if (!client.ok()) return state.SkipWithError("no connection");
    const absl::StatusOr<int> server = listener.Accept(Deadline::Never());
    if (!server.ok()) return state.SkipWithError("not accepted");
    close(*client);
    close(*server);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Accept)->Arg(1)->Arg(8);

// The same at a plain listener, and without the connecting: that happens outside the time that is
// measured, a batch at a time.
void BM_AcceptWaiting(benchmark::State& state) {
  constexpr int kBatch = 64;
  Runtime runtime;
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  Listener listener(&runtime, *TcpListenFd(&address, TcpListenOptions()));
  TcpOptions options;
  options.reset_on_close = true;
  std::vector<int> ends;
  int waiting = 0;
  for (auto _ : state) {
    if (waiting == 0) {
      state.PauseTiming();
      for (const int fd : ends) close(fd);
      ends.clear();
      for (; waiting < kBatch; ++waiting) {
        ends.push_back(*TcpConnectFd(&runtime, address, options, Deadline::Never()));
      }
      state.ResumeTiming();
    }
    const absl::StatusOr<int> server = listener.Accept(Deadline::Never());
    if (!server.ok()) return state.SkipWithError("not accepted");
    ends.push_back(*server);
    --waiting;
  }
  for (const int fd : ends) close(fd);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AcceptWaiting);

// A descriptor goes over a Unix socket, is received and closed.
void BM_PassDescriptor(benchmark::State& state) {
  Runtime runtime;
  const std::array<int, 2> fds = *UnixPairFds();
  FdStream::Options options;
  options.keep_descriptors = true;
  FdStream sender(&runtime, fds[0], options);
  FdStream receiver(&runtime, fds[1], options);
  for (auto _ : state) {
    if (!sender.SendDescriptor(fds[0], Deadline::Never()).ok()) {
      return state.SkipWithError("not sent");
    }
    const absl::StatusOr<int> fd = receiver.ReceiveDescriptor(Deadline::Never());
    if (!fd.ok()) return state.SkipWithError("not received");
    close(*fd);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PassDescriptor);

// What it costs a Unix socket that it may carry descriptors, though none come.
void BM_UnixReceive(benchmark::State& state) {
  Runtime runtime;
  const std::array<int, 2> fds = *UnixPairFds();
  FdStream::Options options;
  options.keep_descriptors = state.range(0) != 0;
  FdStream sender(&runtime, fds[0], options);
  FdStream receiver(&runtime, fds[1], options);
  uint8_t bytes[64] = {};
  const IoSlice out(bytes, sizeof(bytes));
  const IoSpan in(bytes, sizeof(bytes));
  for (auto _ : state) {
    if (!sender.Write({&out, 1}, false, Deadline::Never()).ok() ||
        !receiver.Read({&in, 1}, Deadline::Never()).ok()) {
      return state.SkipWithError("the connection failed");
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_UnixReceive)->Arg(0)->Arg(1);

// A datagram there and back.
void BM_UdpRoundTrip(benchmark::State& state) {
  Runtime runtime;
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  UdpSocket server(&runtime, *UdpOpenFd(&address, nullptr, UdpOptions()));
  UdpSocket client(&runtime, *UdpOpenFd(nullptr, &address, UdpOptions()));
  uint8_t bytes[64] = {};
  const IoSlice out(bytes, sizeof(bytes));
  const IoSpan in(bytes, sizeof(bytes));
  IpAddress from;
  for (auto _ : state) {
    if (!client.Send(nullptr, {&out, 1}).ok() ||
        !server.ReceiveFrom({&in, 1}, &from, Deadline::Never()).ok() ||
        !server.Send(&from, {&out, 1}).ok() ||
        !client.ReceiveFrom({&in, 1}, nullptr, Deadline::Never()).ok()) {
      return state.SkipWithError("a datagram was lost");
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_UdpRoundTrip);

}  // namespace
}  // namespace halfpipe
