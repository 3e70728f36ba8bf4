#include "bytestream/net/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/socket.h"

namespace halfpipe {
namespace {

int SystemFamily(const IpAddress& address) {
  return address.family() == IpFamily::kIpv6 ? AF_INET6 : AF_INET;
}

// Small messages leave at once. A connection inherits it from its listener.
void SetNoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

absl::Status Adopt(int fd, bool listening) {
  SocketKind kind;
  kind.domain = SocketKind::Domain::kIp;
  kind.listening = listening;
  absl::Status status = AdoptSocket(fd, kind);
  if (status.ok()) SetNoDelay(fd);
  return status;
}

absl::StatusOr<IpAddress> EndAddress(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage = {};
  sockaddr* const address = reinterpret_cast<sockaddr*>(&storage);
  socklen_t size = sizeof(storage);
  if (ask(fd, address, &size) < 0) {
    return ErrnoStatus(errno, "the socket does not tell its address");
  }
  const std::optional<IpAddress> result = IpAddress::FromSockaddr(address, size);
  if (!result) return ErrnoStatus(ENOTSUP, "the socket has no IP address");
  return *result;
}

}  // namespace

absl::StatusOr<int> TcpConnectFd(Runtime* runtime, const IpAddress& address, Deadline deadline) {
  if (const int error = runtime->CheckCancelled()) {
    return ErrnoStatus(error, "connecting was cancelled");
  }
  const absl::StatusOr<int> fd = NewStreamSocket(SystemFamily(address));
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  SetNoDelay(*fd);
  absl::Status status = ConnectSocket(runtime, *fd, address.sockaddr_ptr(), address.sockaddr_size(),
                                      address.ToString(), deadline);
  if (!status.ok()) return status;
  // A connection to a free port of this machine may be given that same port, and so meets itself.
  const absl::StatusOr<IpAddress> local = LocalAddress(*fd);
  if (local.ok() && *local == address) {
    return ErrnoStatus(ECONNREFUSED, absl::StrCat("nobody listens at ", address.ToString()));
  }
  std::move(closer).Cancel();
  return *fd;
}

absl::StatusOr<std::unique_ptr<FdStream>> TcpConnect(Runtime* runtime, const IpAddress& address,
                                                     Deadline deadline) {
  const absl::StatusOr<int> fd = TcpConnectFd(runtime, address, deadline);
  if (!fd.ok()) return fd.status();
  return std::make_unique<FdStream>(runtime, *fd);
}

absl::StatusOr<int> TcpListenFd(IpAddress* address, TcpListenOptions options) {
  const absl::StatusOr<int> fd = NewStreamSocket(SystemFamily(*address));
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  const int on = 1;
  setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (options.reuse_port) setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  SetNoDelay(*fd);
  if (bind(*fd, address->sockaddr_ptr(), address->sockaddr_size()) < 0 ||
      listen(*fd, options.backlog) < 0) {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat("listening at ", address->ToString(), " failed"));
  }
  const absl::StatusOr<IpAddress> bound = LocalAddress(*fd);
  if (!bound.ok()) return bound.status();
  address->set_port(bound->port());
  std::move(closer).Cancel();
  return *fd;
}

absl::Status TcpAdoptFd(int fd) { return Adopt(fd, /*listening=*/false); }

absl::Status TcpAdoptListenerFd(int fd) { return Adopt(fd, /*listening=*/true); }

absl::StatusOr<IpAddress> LocalAddress(int fd) { return EndAddress(fd, &getsockname); }

absl::StatusOr<IpAddress> PeerAddress(int fd) { return EndAddress(fd, &getpeername); }

}  // namespace halfpipe
