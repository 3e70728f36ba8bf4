#include "bytestream/net/tcp_by_name.h"

#include <unistd.h>

#include "bytestream/net/happy_eyeballs.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/net/source_address.h"
#include "bytestream/net/tcp.h"

namespace halfpipe {

std::optional<IpAddress> TcpConnector::SourceFor(const IpAddress& destination) {
  return SourceAddressFor(destination);
}

absl::StatusOr<int> TcpConnector::Connect(const IpAddress& address, Deadline deadline) {
  return TcpConnectFd(runtime_, address, deadline);
}

void TcpConnector::Close(int connection) { close(connection); }

absl::StatusOr<int> TcpConnectFdByName(Runtime* runtime, absl::string_view name, uint16_t port,
                                       Deadline deadline) {
  TcpConnector connector(runtime);
  HappyEyeballsParts parts;
  parts.runtime = runtime;
  parts.resolver = RuntimeResolver(runtime);
  parts.connector = &connector;
  return HappyEyeballsConnect(parts, name, port, HappyEyeballsOptions(), deadline);
}

absl::StatusOr<std::unique_ptr<FdStream>> TcpConnectByName(Runtime* runtime, absl::string_view name,
                                                           uint16_t port, Deadline deadline) {
  const absl::StatusOr<int> fd = TcpConnectFdByName(runtime, name, port, deadline);
  if (!fd.ok()) return fd.status();
  return std::make_unique<FdStream>(runtime, *fd);
}

}  // namespace halfpipe
