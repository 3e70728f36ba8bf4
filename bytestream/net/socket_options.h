#ifndef HALFPIPE_BYTESTREAM_NET_SOCKET_OPTIONS_H_
#define HALFPIPE_BYTESTREAM_NET_SOCKET_OPTIONS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace halfpipe {

// How much the system buffers for a socket, in bytes; 0 leaves it to the system, which then adapts
// the sizes of TCP to the connection. The system doubles the number for its own bookkeeping, has a
// least size, and caps it at net.core.wmem_max and rmem_max without a word.
struct SocketBuffers {
  int send_bytes = 0;
  int receive_bytes = 0;

  friend bool operator==(const SocketBuffers&, const SocketBuffers&) = default;
};

// Probes on an idle TCP connection, so that a peer that is gone is noticed (RFC 9293 section 3.8.4):
// ECONNRESET after about idle + count * interval.
struct KeepAlive {
  // Without anything received before the first probe, and between probes; whole seconds, 1 to
  // 32767, fractions are rounded up.
  absl::Duration idle = absl::Minutes(2);
  absl::Duration interval = absl::Seconds(15);
  // Unanswered probes, 1 to 127.
  int count = 4;

  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};

// Options of a TCP connection. Of a listener they are those of the connections that it accepts.
struct TcpOptions {
  // Small messages leave at once (TCP_NODELAY), rather than wait for more (RFC 9293 section 3.7.4).
  bool no_delay = true;
  std::optional<KeepAlive> keep_alive = {};
  // Closing resets the connection: what the system has not sent is lost, nothing lingers in
  // TIME_WAIT. For those who end their connections in a protocol above.
  bool reset_on_close = false;
  // Best set before a connection is made, when the window is agreed (RFC 7323).
  SocketBuffers buffers = {};

  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};

// Sets all of `options` on a TCP socket: connected, listening or neither. EINVAL: a value out of its
// range; some may have been set. ENOTSUP: no TCP socket. EBADF.
absl::Status SetTcpOptions(int fd, const TcpOptions& options);

// The same for what all stream and datagram sockets have. EINVAL: a negative size.
absl::Status SetSocketBuffers(int fd, const SocketBuffers& buffers);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_SOCKET_OPTIONS_H_
