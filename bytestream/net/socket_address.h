#ifndef HALFPIPE_BYTESTREAM_NET_SOCKET_ADDRESS_H_
#define HALFPIPE_BYTESTREAM_NET_SOCKET_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// The addresses of a socket's two ends. ENOTSUP: not an IP socket; else the system's errno, such as
// ENOTCONN.
absl::StatusOr<IpAddress> LocalAddress(int fd);
absl::StatusOr<IpAddress> PeerAddress(int fd);

// The names of a Unix socket's two ends, as unix.h spells them; empty for one without a name, as
// those that connect and those of a pair are. ENOTSUP: not a Unix socket; else the system's errno.
absl::StatusOr<std::string> LocalUnixName(int fd);
absl::StatusOr<std::string> PeerUnixName(int fd);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_SOCKET_ADDRESS_H_
