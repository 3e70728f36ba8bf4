#ifndef HALFPIPE_BYTESTREAM_NET_TCP_H_
#define HALFPIPE_BYTESTREAM_NET_TCP_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// TCP connections. All sockets are non-blocking, close-on-exec and have TCP_NODELAY.
//
// Example:
//   absl::StatusOr<std::unique_ptr<FdStream>> stream = TcpConnect(
//       &runtime, IpAddress::Loopback(IpFamily::kIpv4, 8080), Deadline::In(absl::Seconds(5)));

// Connects to `address`. On failure, a timeout or cancellation included, nothing is left.
// Errors: what connect(2) and socket(2) say, such as ECONNREFUSED, EHOSTUNREACH, EMFILE; ETIMEDOUT,
// ECANCELED.
absl::StatusOr<std::unique_ptr<FdStream>> TcpConnect(Runtime* runtime, const IpAddress& address,
                                                     Deadline deadline);

// The same, as a descriptor that the caller owns.
absl::StatusOr<int> TcpConnectFd(Runtime* runtime, const IpAddress& address, Deadline deadline);

struct TcpListenOptions {
  // Connections that the system keeps until they are accepted.
  int backlog = 4096;
  // SO_REUSEPORT: several listeners, one for each thread, share the port.
  bool reuse_port = false;
};

// A listening socket that the caller owns, with SO_REUSEADDR. Port 0 lets the system choose one;
// the port in use is written to *address. Never waits. Errors: EADDRINUSE, EADDRNOTAVAIL, EACCES,
// EMFILE and what else bind(2) and listen(2) say.
absl::StatusOr<int> TcpListenFd(IpAddress* address, TcpListenOptions options);

// Makes a connected (listening) socket of the caller's fit for FdStream (Listener): non-blocking,
// close-on-exec, TCP_NODELAY. Errors as AdoptSocket() in socket.h: EBADF, ENOTSUP, EINVAL.
absl::Status TcpAdoptFd(int fd);
absl::Status TcpAdoptListenerFd(int fd);

// The addresses of a socket's two ends. ENOTSUP: not an IP socket; else the system's errno, such as
// ENOTCONN.
absl::StatusOr<IpAddress> LocalAddress(int fd);
absl::StatusOr<IpAddress> PeerAddress(int fd);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_TCP_H_
