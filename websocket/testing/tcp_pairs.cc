#include "websocket/testing/tcp_pairs.h"

#include "absl/time/time.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/tcp.h"

namespace halfpipe::websocket {
namespace {

int Listen(IpAddress* address) {
  const auto fd = TcpListenFd(address, {});
  HALFPIPE_CHECK(fd.ok());
  return *fd;
}

}  // namespace

TcpPairs::TcpPairs(Runtime* runtime)
    : runtime_(runtime),
      address_(IpAddress::Loopback(IpFamily::kIpv4, 0)),
      listener_(runtime, Listen(&address_)) {}

std::pair<BytestreamPtr, BytestreamPtr> TcpPairs::Make() {
  const Deadline deadline = Deadline::In(absl::Seconds(60));
  auto client = TcpConnect(runtime_, address_, deadline);
  HALFPIPE_CHECK(client.ok());
  auto server = listener_.Accept(deadline);
  HALFPIPE_CHECK(server.ok());
  return {BytestreamPtr(client->release()), BytestreamPtr(new FdStream(runtime_, *server))};
}

}  // namespace halfpipe::websocket
