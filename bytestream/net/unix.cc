#include "bytestream/net/unix.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/socket.h"

namespace halfpipe {
namespace {

static_assert(sizeof(sockaddr_un::sun_path) == kUnixPathBytesMax + 1);

absl::Status MakeAddress(absl::string_view path, sockaddr_un* address) {
  if (path.empty()) return ErrnoStatus(EINVAL, "the path of a socket is empty");
  if (path.find('\0') != absl::string_view::npos) {
    return ErrnoStatus(EINVAL, "the path of a socket contains NUL");
  }
  if (path.size() > kUnixPathBytesMax) {
    return ErrnoStatus(ENAMETOOLONG, absl::StrCat("the path of a socket of ", path.size(),
                                                  " bytes exceeds ", kUnixPathBytesMax));
  }
  *address = {};
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, path.data(), path.size());
  return absl::OkStatus();
}

absl::Status Adopt(int fd, bool listening) {
  SocketKind kind;
  kind.domain = SocketKind::Domain::kUnix;
  kind.listening = listening;
  return AdoptSocket(fd, kind);
}

}  // namespace

absl::StatusOr<int> UnixConnectFd(Runtime* runtime, absl::string_view path, Deadline deadline) {
  if (const int error = runtime->CheckCancelled()) {
    return ErrnoStatus(error, "connecting was cancelled");
  }
  sockaddr_un address;
  absl::Status status = MakeAddress(path, &address);
  if (!status.ok()) return status;
  const absl::StatusOr<int> fd = NewStreamSocket(AF_UNIX);
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  status = ConnectSocket(runtime, *fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address),
                         path, deadline);
  if (!status.ok()) return status;
  std::move(closer).Cancel();
  return *fd;
}

absl::StatusOr<std::unique_ptr<FdStream>> UnixConnect(Runtime* runtime, absl::string_view path,
                                                      Deadline deadline) {
  const absl::StatusOr<int> fd = UnixConnectFd(runtime, path, deadline);
  if (!fd.ok()) return fd.status();
  return std::make_unique<FdStream>(runtime, *fd);
}

absl::StatusOr<int> UnixListenFd(absl::string_view path, int backlog) {
  sockaddr_un address;
  const absl::Status status = MakeAddress(path, &address);
  if (!status.ok()) return status;
  const absl::StatusOr<int> fd = NewStreamSocket(AF_UNIX);
  if (!fd.ok()) return fd.status();
  absl::Cleanup closer = [&fd] { close(*fd); };
  if (bind(*fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat("binding to ", path, " failed"));
  }
  if (listen(*fd, backlog) < 0) {
    const int error = errno;
    // Ours, and it would keep the next one out.
    unlink(address.sun_path);
    return ErrnoStatus(error, absl::StrCat("listening at ", path, " failed"));
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
