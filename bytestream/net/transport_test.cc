#include <array>
#include <cstddef>
#include <utility>

#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/transport_suite.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

template <Transport kTransport>
struct SocketTransport {
  using RuntimeType = Runtime;
  static constexpr bool kHasReset = kTransport == Transport::kTcp;
  static constexpr size_t kLongBytes = size_t{1} << 20;

  static std::pair<BytestreamPtr, BytestreamPtr> Connect(Runtime* runtime,
                                                         size_t send_tail_bytes_max) {
    const std::array<int, 2> fds = ConnectedFds(kTransport);
    FdStream::Options options;
    options.send_tail_bytes_max = send_tail_bytes_max;
    return {BytestreamPtr(new FdStream(runtime, fds[0], options)),
            BytestreamPtr(new FdStream(runtime, fds[1], options))};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Unix, TransportSuite, SocketTransport<Transport::kUnix>);
INSTANTIATE_TYPED_TEST_SUITE_P(Tcp, TransportSuite, SocketTransport<Transport::kTcp>);

}  // namespace
}  // namespace halfpipe
