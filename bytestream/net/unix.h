#ifndef HALFPIPE_BYTESTREAM_NET_UNIX_H_
#define HALFPIPE_BYTESTREAM_NET_UNIX_H_

#include <array>
#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// Stream sockets of the local machine, by name or in pairs. All are non-blocking and close-on-exec.
//
// A name is one of:
// * a path: 1..kUnixPathBytesMax bytes without NUL. The socket is a file there, which stays when it
//   is closed.
// * an abstract name (unix(7)): "@" and 1..kUnixAbstractBytesMax bytes, among which NUL is one like
//   the others; the "@" stands for the NUL that the system has there, and that may be written
//   instead. There is no file, and the name is free again when the socket is closed; whoever is in
//   the same network namespace can connect. For a file whose name begins with "@" write "./@file".
// An empty name, or a path with a NUL, is EINVAL, a longer one ENAMETOOLONG.
constexpr size_t kUnixPathBytesMax = 107;
constexpr size_t kUnixAbstractBytesMax = 107;

// Connects to the listener at `name`. On failure, a timeout or cancellation included, nothing is
// left. The stream keeps descriptors that are passed. Errors: those of the name, and what connect(2) and socket(2) say, such as ENOENT,
// ECONNREFUSED, EACCES, EMFILE; ETIMEDOUT, ECANCELED.
absl::StatusOr<std::unique_ptr<FdStream>> UnixConnect(Runtime* runtime, absl::string_view name,
                                                      Deadline deadline);

// The same, as a descriptor that the caller owns.
absl::StatusOr<int> UnixConnectFd(Runtime* runtime, absl::string_view name, Deadline deadline);

// A listening socket that the caller owns at `name`. The file of a path is to be removed before
// somebody listens there again. `backlog` connections are kept until they are accepted. Never waits.
// Errors: those of the name; EADDRINUSE (there is a file, or an abstract socket, already), ENOENT,
// EACCES, EMFILE and what else bind(2) says.
absl::StatusOr<int> UnixListenFd(absl::string_view name, int backlog);

// Two connected sockets that the caller owns. EMFILE, ENFILE, ENOMEM.
absl::StatusOr<std::array<int, 2>> UnixPairFds();

// Makes a connected (listening) socket of the caller's fit for FdStream (Listener): non-blocking
// and close-on-exec. Errors as AdoptSocket() in socket.h: EBADF, ENOTSUP, EINVAL.
absl::Status UnixAdoptFd(int fd);
absl::Status UnixAdoptListenerFd(int fd);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_UNIX_H_
