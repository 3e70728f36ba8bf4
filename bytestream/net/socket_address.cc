#include "bytestream/net/socket_address.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

using AskFunction = int (*)(int, sockaddr*, socklen_t*);

struct Address {
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
};

absl::Status Ask(int fd, AskFunction ask, Address* address) {
  if (ask(fd, address->get(), &address->size) == 0) return absl::OkStatus();
  const int error = errno;
  return ErrnoStatus(error == ENOTSOCK ? ENOTSUP : error, "the socket does not tell its address");
}

absl::StatusOr<IpAddress> EndAddress(int fd, AskFunction ask) {
  Address address;
  absl::Status status = Ask(fd, ask, &address);
  if (!status.ok()) return status;
  const std::optional<IpAddress> result = IpAddress::FromSockaddr(address.get(), address.size);
  if (!result) return ErrnoStatus(ENOTSUP, "the socket has no IP address");
  return *result;
}

absl::StatusOr<std::string> EndUnixName(int fd, AskFunction ask) {
  Address address;
  absl::Status status = Ask(fd, ask, &address);
  if (!status.ok()) return status;
  if (address.storage.ss_family != AF_UNIX) {
    return ErrnoStatus(ENOTSUP, "the socket has no Unix name");
  }
  constexpr size_t kBegin = offsetof(sockaddr_un, sun_path);
  if (address.size <= kBegin) return std::string();
  const char* const path = reinterpret_cast<const char*>(&address.storage) + kBegin;
  const size_t size = address.size - kBegin;
  if (path[0] != '\0') return std::string(path, strnlen(path, size));
  std::string name(path, size);
  name[0] = '@';
  return name;
}

}  // namespace

absl::StatusOr<IpAddress> LocalAddress(int fd) { return EndAddress(fd, &getsockname); }

absl::StatusOr<IpAddress> PeerAddress(int fd) { return EndAddress(fd, &getpeername); }

absl::StatusOr<std::string> LocalUnixName(int fd) { return EndUnixName(fd, &getsockname); }

absl::StatusOr<std::string> PeerUnixName(int fd) { return EndUnixName(fd, &getpeername); }

}  // namespace halfpipe
