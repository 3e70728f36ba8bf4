#include "bytestream/net/stream_info.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/status/statusor.h"
#include "bytestream/net/socket_address.h"

namespace halfpipe {
namespace {

// An option of the socket; nothing where it has none of that kind.
std::optional<int> IntOption(int fd, int level, int option) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, option, &value, &size) < 0) return std::nullopt;
  return value;
}

std::optional<bool> Flag(int fd, int level, int option) {
  const std::optional<int> value = IntOption(fd, level, option);
  if (!value.has_value()) return std::nullopt;
  return *value != 0;
}

void DescribeTcp(int fd, StreamInfo* info) {
  info->no_delay = Flag(fd, IPPROTO_TCP, TCP_NODELAY);
  tcp_info tcp = {};
  socklen_t size = sizeof(tcp);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &size) < 0) return;
  // Nothing has been measured before the handshake is done.
  if (tcp.tcpi_rtt == 0 || tcp.tcpi_state == TCP_LISTEN) return;
  info->round_trip = absl::Microseconds(tcp.tcpi_rtt);
  info->round_trip_variation = absl::Microseconds(tcp.tcpi_rttvar);
}

void DescribeEnds(int fd, int domain, StreamInfo* info) {
  if (domain == AF_UNIX) {
    absl::StatusOr<std::string> name = LocalUnixName(fd);
    if (name.ok()) info->local_name = *std::move(name);
    name = PeerUnixName(fd);
    if (name.ok()) info->peer_name = *std::move(name);
    return;
  }
  absl::StatusOr<IpAddress> address = LocalAddress(fd);
  if (address.ok()) info->local = *address;
  address = PeerAddress(fd);
  if (address.ok()) info->peer = *address;
}

}  // namespace

StreamInfo GetStreamInfo(const StreamInfoSource& source) {
  StreamInfo info;
  source.Describe(&info);
  return info;
}

void DescribeSocket(int fd, StreamInfo* info) {
  const int saved_errno = errno;
  info->fd = fd;
  const std::optional<int> domain = fd >= 0 ? IntOption(fd, SOL_SOCKET, SO_DOMAIN) : std::nullopt;
  if (domain.has_value()) {
    DescribeEnds(fd, *domain, info);
    if (IntOption(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP) DescribeTcp(fd, info);
    info->keep_alive = Flag(fd, SOL_SOCKET, SO_KEEPALIVE);
    info->send_buffer_bytes = IntOption(fd, SOL_SOCKET, SO_SNDBUF);
    info->receive_buffer_bytes = IntOption(fd, SOL_SOCKET, SO_RCVBUF);
  }
  errno = saved_errno;
}

}  // namespace halfpipe
