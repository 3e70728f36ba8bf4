#include <array>
#include <cstddef>
#include <random>
#include <utility>

#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/choppy_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/transport_suite.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "bytestream/tls/tls_test_support.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::pair<BytestreamPtr, BytestreamPtr> Secure(Runtime* runtime,
                                               std::pair<BytestreamPtr, BytestreamPtr> lower,
                                               size_t send_tail_bytes_max,
                                               const TlsContext& client = TestClientContext()) {
  TlsStream::Options options;
  options.send_tail_bytes_max = send_tail_bytes_max;
  TlsPair tls = ConnectTls(runtime, std::move(lower), options, client);
  return {BytestreamPtr(tls.first.release()), BytestreamPtr(tls.second.release())};
}

template <size_t kCapacity>
std::pair<BytestreamPtr, BytestreamPtr> LowerPair(Runtime* runtime) {
  PairOptions options;
  options.capacity_bytes = kCapacity;
  return MakePair(runtime, options);
}

template <size_t kCapacity>
struct TlsOverPair {
  using RuntimeType = SimRuntime;
  static constexpr bool kHasReset = true;
  static constexpr size_t kLongBytes = size_t{1} << 20;

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    return Secure(runtime, LowerPair<kCapacity>(runtime), send_tail_bytes_max);
  }
};

// The older version, which ends each direction in its own way.
struct Tls12OverPair {
  using RuntimeType = SimRuntime;
  static constexpr bool kHasReset = true;
  static constexpr size_t kLongBytes = size_t{1} << 20;

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    static const TlsContext* const kClient = [] {
      TlsContext* const context = MakeClientContext(TestClientOptions()).release();
      SSL_CTX_set_max_proto_version(context->ssl_context(), TLS1_2_VERSION);
      return context;
    }();
    return Secure(runtime, LowerPair<64 * 1024>(runtime), send_tail_bytes_max, *kClient);
  }
};

// Records that come and go in pieces.
struct TlsOverChoppyPair {
  using RuntimeType = SimRuntime;
  static constexpr bool kHasReset = true;
  static constexpr size_t kLongBytes = size_t{1} << 20;

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    const uint32_t seed = std::random_device()();
    auto [a, b] = LowerPair<64 * 1024>(runtime);
    return Secure(runtime,
                  {BytestreamPtr(new ChoppyBytestream(std::move(a), seed)),
                   BytestreamPtr(new ChoppyBytestream(std::move(b), seed + 1))},
                  send_tail_bytes_max);
  }
};

struct TlsOverTcp {
  using RuntimeType = Runtime;
  static constexpr bool kHasReset = true;
  static constexpr size_t kLongBytes = size_t{1} << 20;

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    const std::array<int, 2> fds = ConnectedFds(Transport::kTcp);
    return Secure(runtime,
                  {BytestreamPtr(new FdStream(runtime, fds[0])),
                   BytestreamPtr(new FdStream(runtime, fds[1]))},
                  send_tail_bytes_max);
  }
};

// TLS inside TLS.
struct TlsOverTls {
  using RuntimeType = SimRuntime;
  static constexpr bool kHasReset = true;
  static constexpr size_t kLongBytes = size_t{1} << 20;

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    return Secure(
        runtime,
        Secure(runtime, LowerPair<64 * 1024>(runtime), Bytestream::kDefaultSendTailBytesMax),
        send_tail_bytes_max);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Pair, TransportSuite, TlsOverPair<64 * 1024>);
INSTANTIATE_TYPED_TEST_SUITE_P(SmallPair, TransportSuite, TlsOverPair<500>);
INSTANTIATE_TYPED_TEST_SUITE_P(Tls12, TransportSuite, Tls12OverPair);
INSTANTIATE_TYPED_TEST_SUITE_P(Choppy, TransportSuite, TlsOverChoppyPair);
INSTANTIATE_TYPED_TEST_SUITE_P(Tcp, TransportSuite, TlsOverTcp);
INSTANTIATE_TYPED_TEST_SUITE_P(Tls, TransportSuite, TlsOverTls);

}  // namespace
}  // namespace halfpipe
