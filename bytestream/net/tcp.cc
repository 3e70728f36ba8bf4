#include "bytestream/net/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
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

absl::Status SetOptions(int fd, const TcpOptions& options) {
  // A new socket has the others already.
  if (options == TcpOptions()) {
    SetNoDelay(fd);
    return absl::OkStatus();
  }
  return SetTcpOptions(fd, options);
}

SocketKind KindOf(bool listening) {
  SocketKind kind;
  kind.domain = SocketKind::Domain::kIp;
  kind.listening = listening;
  return kind;
}

absl::Status Adopt(int fd, bool listening) {
  absl::Status status = AdoptSocket(fd, KindOf(listening));
  if (status.ok()) SetNoDelay(fd);
  return status;
}

absl::Status Adopt(int fd, bool listening, const TcpOptions& options) {
  absl::Status status = CheckSocket(fd, KindOf(listening));
  if (status.ok()) status = SetTcpOptions(fd, options);
  return status.ok() ? AdoptSocket(fd, KindOf(listening)) : status;
}

// Whatever the system's default is, net.ipv6.bindv6only.
absl::Status SetIpv6Only(int fd, bool on) {
  const int value = on;
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof(value)) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "IPV6_V6ONLY could not be set");
}

}  // namespace

absl::StatusOr<int> TcpConnectFd(Runtime* runtime, const IpAddress& address, Deadline deadline) {
  return TcpConnectFd(runtime, address, TcpOptions(), deadline);
}

absl::StatusOr<int> TcpConnectFd(Runtime* runtime, const IpAddress& address,
                                 const TcpOptions& options, Deadline deadline) {
  if (const int error = runtime->CheckCancelled()) {
    return ErrnoStatus(error, "connecting was cancelled");
  }
  const absl::StatusOr<int> fd = NewStreamSocket(SystemFamily(address));
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  absl::Status status = SetOptions(*fd, options);
  if (!status.ok()) return status;
  status = ConnectSocket(runtime, *fd, address.sockaddr_ptr(), address.sockaddr_size(),
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

absl::StatusOr<int> TcpListenFd(IpAddress* address, const TcpListenOptions& options) {
  const absl::StatusOr<int> fd = NewStreamSocket(SystemFamily(*address));
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  const int on = 1;
  setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (options.reuse_port) setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  absl::Status status = SetOptions(*fd, options.connection);
  if (status.ok() && address->family() == IpFamily::kIpv6) {
    status = SetIpv6Only(*fd, options.ipv6_only);
  }
  if (!status.ok()) return status;
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

namespace {

void CloseAll(std::vector<int>* fds) {
  for (const int fd : *fds) close(fd);
  fds->clear();
}

// Listens at all, those of port 0 at the port that the first of them was given.
absl::Status ListenAtAll(absl::Span<IpAddress> addresses, const TcpListenOptions& options,
                         std::vector<int>* fds) {
  uint16_t chosen = 0;
  for (IpAddress& address : addresses) {
    const bool any_port = address.port() == 0;
    if (any_port) address.set_port(chosen);
    const absl::StatusOr<int> fd = TcpListenFd(&address, options);
    if (!fd.ok()) return fd.status();
    fds->push_back(*fd);
    if (any_port) chosen = address.port();
  }
  return absl::OkStatus();
}

// How often another port is asked for, where the one that one address was given is in use at
// another.
constexpr int kPortAttempts = 8;

}  // namespace

absl::StatusOr<std::vector<int>> TcpListenFds(absl::Span<IpAddress> addresses,
                                              const TcpListenOptions& options) {
  TcpListenOptions each = options;
  each.ipv6_only = true;
  std::vector<int> fds;
  for (int attempt = 1;; ++attempt) {
    std::vector<IpAddress> bound(addresses.begin(), addresses.end());
    const absl::Status status = ListenAtAll(absl::MakeSpan(bound), each, &fds);
    if (status.ok()) {
      std::copy(bound.begin(), bound.end(), addresses.begin());
      return fds;
    }
    CloseAll(&fds);
    if (StatusErrno(status) != EADDRINUSE || attempt == kPortAttempts) return status;
  }
}

absl::Status TcpAdoptFd(int fd) { return Adopt(fd, /*listening=*/false); }

absl::Status TcpAdoptFd(int fd, const TcpOptions& options) {
  return Adopt(fd, /*listening=*/false, options);
}

absl::Status TcpAdoptListenerFd(int fd) { return Adopt(fd, /*listening=*/true); }

absl::Status TcpAdoptListenerFd(int fd, const TcpOptions& options) {
  return Adopt(fd, /*listening=*/true, options);
}

}  // namespace halfpipe
