#ifndef HALFPIPE_BYTESTREAM_NET_SOCKET_H_
#define HALFPIPE_BYTESTREAM_NET_SOCKET_H_

#include <sys/socket.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// What TCP and Unix sockets have in common. None of these functions keeps the descriptor.

// What a descriptor that somebody hands in must be.
struct SocketKind {
  enum class Domain { kIp, kUnix };
  Domain domain = Domain::kIp;
  bool listening = false;
};

// Sees whether `fd` is a stream socket of `kind`, and changes nothing. Errors as below.
absl::Status CheckSocket(int fd, SocketKind kind);

// Sees whether `fd` is a stream socket of `kind`, and makes it non-blocking and close-on-exec.
// Errors, with `fd` unchanged:
//   EBADF    no such descriptor
//   ENOTSUP  not a stream socket, or of another family
//   EINVAL   listening where a connection is meant, or the other way round
absl::Status AdoptSocket(int fd, SocketKind kind);

// A new stream socket of `family` (AF_...), non-blocking and close-on-exec.
absl::StatusOr<int> NewStreamSocket(int family);

// Connects `fd`, which is non-blocking. Waits. Errors are the system's, ETIMEDOUT and ECANCELED
// among them; `fd` is then good for nothing but close(2). `peer` is for the message.
absl::Status ConnectSocket(Runtime* runtime, int fd, const sockaddr* address, socklen_t size,
                           absl::string_view peer, Deadline deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_SOCKET_H_
