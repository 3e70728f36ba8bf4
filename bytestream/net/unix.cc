#include "bytestream/net/unix.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/socket.h"

namespace halfpipe {
namespace {

static_assert(sizeof(sockaddr_un::sun_path) == kUnixPathBytesMax + 1);
static_assert(sizeof(sockaddr_un::sun_path) == 1 + kUnixAbstractBytesMax);

struct Address {
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool abstract() const { return storage.sun_path[0] == '\0'; }

  sockaddr_un storage = {};
  socklen_t size = sizeof(sockaddr_un);
};

absl::Status TooLong(size_t size, size_t max) {
  return ErrnoStatus(ENAMETOOLONG,
                     absl::StrCat("the name of a socket of ", size, " bytes exceeds ", max));
}

absl::Status MakeAddress(absl::string_view name, Address* address) {
  address->storage.sun_family = AF_UNIX;
  const bool abstract = !name.empty() && (name.front() == '@' || name.front() == '\0');
  if (abstract) name.remove_prefix(1);
  if (name.empty()) return ErrnoStatus(EINVAL, "the name of a socket is empty");
  if (abstract) {
    if (name.size() > kUnixAbstractBytesMax) return TooLong(name.size(), kUnixAbstractBytesMax);
    // The size of the address tells where the name ends.
    std::memcpy(address->storage.sun_path + 1, name.data(), name.size());
    address->size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    return absl::OkStatus();
  }
  if (name.find('\0') != absl::string_view::npos) {
    return ErrnoStatus(EINVAL, "the path of a socket contains NUL");
  }
  if (name.size() > kUnixPathBytesMax) return TooLong(name.size(), kUnixPathBytesMax);
  std::memcpy(address->storage.sun_path, name.data(), name.size());
  return absl::OkStatus();
}

absl::Status Adopt(int fd, bool listening) {
  SocketKind kind;
  kind.domain = SocketKind::Domain::kUnix;
  kind.listening = listening;
  return AdoptSocket(fd, kind);
}

}  // namespace

absl::StatusOr<int> UnixConnectFd(Runtime* runtime, absl::string_view name, Deadline deadline) {
  if (const int error = runtime->CheckCancelled()) {
    return ErrnoStatus(error, "connecting was cancelled");
  }
  Address address;
  absl::Status status = MakeAddress(name, &address);
  if (!status.ok()) return status;
  const absl::StatusOr<int> fd = NewStreamSocket(AF_UNIX);
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  status = ConnectSocket(runtime, *fd, address.get(), address.size, name, deadline);
  if (!status.ok()) return status;
  std::move(closer).Cancel();
  return *fd;
}

absl::StatusOr<std::unique_ptr<FdStream>> UnixConnect(Runtime* runtime, absl::string_view name,
                                                      Deadline deadline) {
  const absl::StatusOr<int> fd = UnixConnectFd(runtime, name, deadline);
  if (!fd.ok()) return fd.status();
  FdStream::Options options;
  options.keep_descriptors = true;
  return std::make_unique<FdStream>(runtime, *fd, options);
}

absl::StatusOr<int> UnixListenFd(absl::string_view name, int backlog) {
  Address address;
  const absl::Status status = MakeAddress(name, &address);
  if (!status.ok()) return status;
  const absl::StatusOr<int> fd = NewStreamSocket(AF_UNIX);
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  if (bind(*fd, address.get(), address.size) < 0) {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat("binding to ", name, " failed"));
  }
  if (listen(*fd, backlog) < 0) {
    const int error = errno;
    // Ours, and it would keep the next one out.
    if (!address.abstract()) unlink(address.storage.sun_path);
    return ErrnoStatus(error, absl::StrCat("listening at ", name, " failed"));
  }
  std::move(closer).Cancel();
  return *fd;
}

absl::StatusOr<std::array<int, 2>> UnixPairFds() {
  std::array<int, 2> fds;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) < 0) {
    return ErrnoStatus(errno, "no pair of sockets");
  }
  return fds;
}

absl::Status UnixAdoptFd(int fd) { return Adopt(fd, /*listening=*/false); }

absl::Status UnixAdoptListenerFd(int fd) { return Adopt(fd, /*listening=*/true); }

}  // namespace halfpipe
