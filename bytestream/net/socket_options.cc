#include "bytestream/net/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

constexpr int64_t kKeepAliveSecondsMax = 32767;
constexpr int kKeepAliveCountMax = 127;

int SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

// Whole seconds, rounded up; above the limit for what is too long or infinite.
int Seconds(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(duration, absl::Seconds(1)));
  return static_cast<int>(std::clamp<int64_t>(seconds, 0, kKeepAliveSecondsMax + 1));
}

bool Valid(const KeepAlive& keep_alive) {
  const auto valid = [](absl::Duration duration) {
    const int seconds = Seconds(duration);
    return duration > absl::ZeroDuration() && seconds <= kKeepAliveSecondsMax;
  };
  return valid(keep_alive.idle) && valid(keep_alive.interval) && keep_alive.count >= 1 &&
         keep_alive.count <= kKeepAliveCountMax;
}

int SetKeepAlive(int fd, const std::optional<KeepAlive>& keep_alive) {
  if (const int error = SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, keep_alive.has_value())) return error;
  if (!keep_alive.has_value()) return 0;
  int error = SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, Seconds(keep_alive->idle));
  if (error == 0) error = SetInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, Seconds(keep_alive->interval));
  if (error == 0) error = SetInt(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_alive->count);
  return error;
}

absl::Status SetStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENOTSOCK:
      return ErrnoStatus(ENOTSUP, "the descriptor is no socket that has these options");
    default:
      return ErrnoStatus(error, "an option of the socket could not be set");
  }
}

}  // namespace

absl::Status SetSocketBuffers(int fd, const SocketBuffers& buffers) {
  if (buffers.send_bytes < 0 || buffers.receive_bytes < 0) {
    return ErrnoStatus(EINVAL, "the size of a socket's buffer is negative");
  }
  int error = 0;
  if (buffers.send_bytes > 0) error = SetInt(fd, SOL_SOCKET, SO_SNDBUF, buffers.send_bytes);
  if (error == 0 && buffers.receive_bytes > 0) {
    error = SetInt(fd, SOL_SOCKET, SO_RCVBUF, buffers.receive_bytes);
  }
  return SetStatus(error);
}

absl::Status SetTcpOptions(int fd, const TcpOptions& options) {
  if (options.keep_alive.has_value() && !Valid(*options.keep_alive)) {
    return ErrnoStatus(EINVAL, "keep-alive out of range: seconds 1..32767, count 1..127");
  }
  int error = SetInt(fd, IPPROTO_TCP, TCP_NODELAY, options.no_delay);
  if (error == 0) error = SetKeepAlive(fd, options.keep_alive);
  if (error == 0) {
    const linger at_close = {options.reset_on_close, 0};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_close, sizeof(at_close)) < 0) error = errno;
  }
  if (error != 0) return SetStatus(error);
  return SetSocketBuffers(fd, options.buffers);
}

}  // namespace halfpipe
