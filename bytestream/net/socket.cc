#include "bytestream/net/socket.h"

#include <fcntl.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/engine.h"

namespace halfpipe {
namespace {

// An integer option of the socket; 0 or an errno.
int GetOption(int fd, int option, int* value) {
  socklen_t size = sizeof(*value);
  return getsockopt(fd, SOL_SOCKET, option, value, &size) == 0 ? 0 : errno;
}

}  // namespace

absl::Status CheckSocket(int fd, SocketKind kind) {
  int type = 0;
  if (const int error = GetOption(fd, SO_TYPE, &type)) {
    if (error == ENOTSOCK) return ErrnoStatus(ENOTSUP, "the descriptor is not a socket");
    return ErrnoStatus(error, "no such descriptor, or one that does not tell what it is");
  }
  int domain = 0;
  int listening = 0;
  int error = GetOption(fd, SO_DOMAIN, &domain);
  if (error == 0) error = GetOption(fd, SO_ACCEPTCONN, &listening);
  if (error != 0) return ErrnoStatus(error, "the socket does not tell what it is");
  const bool right_domain = kind.domain == SocketKind::Domain::kUnix
                                ? domain == AF_UNIX
                                : domain == AF_INET || domain == AF_INET6;
  if (type != SOCK_STREAM || !right_domain) {
    return ErrnoStatus(ENOTSUP, "the socket is not a stream socket of the right family");
  }
  if ((listening != 0) != kind.listening) {
    return ErrnoStatus(EINVAL, kind.listening ? "the socket does not listen"
                                              : "the socket listens, it is not a connection");
  }
  return absl::OkStatus();
}

absl::Status AdoptSocket(int fd, SocketKind kind) {
  absl::Status status = CheckSocket(fd, kind);
  if (!status.ok()) return status;
  const int status_flags = fcntl(fd, F_GETFL);
  const int fd_flags = fcntl(fd, F_GETFD);
  if (status_flags < 0 || fd_flags < 0 || fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC) < 0) {
    return ErrnoStatus(errno, "the descriptor's flags could not be set");
  }
  if (fcntl(fd, F_SETFL, status_flags | O_NONBLOCK) < 0) {
    const int error = errno;
    fcntl(fd, F_SETFD, fd_flags);
    return ErrnoStatus(error, "the descriptor could not be made non-blocking");
  }
  return absl::OkStatus();
}

absl::StatusOr<int> NewStreamSocket(int family) {
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoStatus(errno, "no socket");
  return fd;
}

absl::Status ConnectSocket(Runtime* runtime, int fd, const sockaddr* address, socklen_t size,
                           absl::string_view peer, Deadline deadline) {
  EngineFd entry;
  runtime->engine().Attach(&entry, fd);
  const int error = runtime->engine().Connect(&entry, address, size, deadline);
  runtime->engine().Detach(&entry);
  if (error == 0) return absl::OkStatus();
  return ErrnoStatus(error, absl::StrCat("connecting to ", peer, " failed"));
}

}  // namespace halfpipe
