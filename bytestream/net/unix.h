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

// Stream sockets of the local machine, by path or in pairs. All are non-blocking and close-on-exec.
//
// A path is 1..kUnixPathBytesMax bytes without NUL: an empty one, or one with a NUL, is EINVAL, a
// longer one ENAMETOOLONG.
constexpr size_t kUnixPathBytesMax = 107;

// Connects to the listener at `path`. On failure, a timeout or cancellation included, nothing is
// left. Errors: those of the path, and what connect(2) and socket(2) say, such as ENOENT,
// ECONNREFUSED, EACCES, EMFILE; ETIMEDOUT, ECANCELED.
absl::StatusOr<std::unique_ptr<FdStream>> UnixConnect(Runtime* runtime, absl::string_view path,
                                                      Deadline deadline);

// The same, as a descriptor that the caller owns.
absl::StatusOr<int> UnixConnectFd(Runtime* runtime, absl::string_view path, Deadline deadline);

// A listening socket that the caller owns, with a file of its own at `path`, which stays when the
// socket is closed: remove it before listening there again. `backlog` connections are kept until
// they are accepted. Never waits. Errors: those of the path; EADDRINUSE (there is a file already),
// ENOENT, EACCES, EMFILE and what else bind(2) says.
absl::StatusOr<int> UnixListenFd(absl::string_view path, int backlog);

// Two connected sockets that the caller owns. EMFILE, ENFILE, ENOMEM.
absl::StatusOr<std::array<int, 2>> UnixPairFds();

// Makes a connected (listening) socket of the caller's fit for FdStream (Listener): non-blocking
// and close-on-exec. Errors as AdoptSocket() in socket.h: EBADF, ENOTSUP, EINVAL.
absl::Status UnixAdoptFd(int fd);
absl::Status UnixAdoptListenerFd(int fd);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_UNIX_H_
