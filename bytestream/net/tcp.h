#ifndef HALFPIPE_BYTESTREAM_NET_TCP_H_
#define HALFPIPE_BYTESTREAM_NET_TCP_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/socket_address.h"
#include "bytestream/net/socket_options.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// TCP connections. All sockets are non-blocking and close-on-exec, and have TCP_NODELAY unless
// TcpOptions (socket_options.h) say otherwise.
//
// Example:
//   absl::StatusOr<std::unique_ptr<FdStream>> stream = TcpConnect(
//       &runtime, IpAddress::Loopback(IpFamily::kIpv4, 8080), Deadline::In(absl::Seconds(5)));

// Connects to `address`. On failure, a timeout or cancellation included, nothing is left.
// Errors: what connect(2) and socket(2) say, such as ECONNREFUSED, EHOSTUNREACH, EMFILE; ETIMEDOUT,
// ECANCELED.
absl::StatusOr<std::unique_ptr<FdStream>> TcpConnect(Runtime* runtime, const IpAddress& address,
                                                     Deadline deadline);

// The same, as a descriptor that the caller owns; and with options, where EINVAL is one of them out
// of range.
absl::StatusOr<int> TcpConnectFd(Runtime* runtime, const IpAddress& address, Deadline deadline);
absl::StatusOr<int> TcpConnectFd(Runtime* runtime, const IpAddress& address,
                                 const TcpOptions& options, Deadline deadline);

struct TcpListenOptions {
  // Connections that the system keeps until they are accepted.
  int backlog = 4096;
  // SO_REUSEPORT: several listeners, one for each thread, share the port.
  bool reuse_port = false;
  // A listener at an IPv6 address takes IPv6 connections only (RFC 3493 section 5.3). Else one at ::
  // takes those of IPv4 too, whose peers are then ::ffff:a.b.c.d, whatever the system's default.
  bool ipv6_only = false;
  // Of the connections that are accepted; they inherit them from the listener.
  TcpOptions connection = {};
};

// A listening socket that the caller owns, with SO_REUSEADDR. Port 0 lets the system choose one;
// the port in use is written to *address. Never waits. Errors: EADDRINUSE, EADDRNOTAVAIL, EACCES,
// EMFILE, EINVAL (an option) and what else bind(2) and listen(2) say.
absl::StatusOr<int> TcpListenFd(IpAddress* address, const TcpListenOptions& options);

// Listening sockets at all of `addresses`, in their order, for MultiListener. All or none. The port
// that the system chooses for the first address with port 0 is used for the others with port 0 as
// well. ipv6_only is always on, so that :: and 0.0.0.0 can share a port. Errors as above.
absl::StatusOr<std::vector<int>> TcpListenFds(absl::Span<IpAddress> addresses,
                                              const TcpListenOptions& options);

// Makes a connected (listening) socket of the caller's fit for FdStream (Listener): non-blocking,
// close-on-exec, and with these options or, where there are none, TCP_NODELAY alone. Errors as
// AdoptSocket() in socket.h: EBADF, ENOTSUP, EINVAL (also for an option; the socket is as before
// but for others of them).
absl::Status TcpAdoptFd(int fd);
absl::Status TcpAdoptFd(int fd, const TcpOptions& options);
absl::Status TcpAdoptListenerFd(int fd);
absl::Status TcpAdoptListenerFd(int fd, const TcpOptions& options);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_TCP_H_
