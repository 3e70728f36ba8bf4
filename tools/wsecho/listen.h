#ifndef HALFPIPE_TOOLS_WSECHO_LISTEN_H_
#define HALFPIPE_TOOLS_WSECHO_LISTEN_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/wsecho/endpoint.h"

namespace halfpipe::tools {

// The file of a Unix socket, removed at the end of the object's life. An abstract name ("@name")
// has none.
class SocketFile {
 public:
  explicit SocketFile(std::string path) : path_(std::move(path)) {}  // Empty: no file.
  ~SocketFile();
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

 private:
  const std::string path_;
};

// A listening socket at `endpoint` that the caller owns. The port in use replaces port 0. Never
// waits. Errors: those of TcpListenFd() and UnixListenFd().
absl::StatusOr<int> ListenAt(Endpoint* endpoint);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_LISTEN_H_
