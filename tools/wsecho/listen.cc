#include "tools/wsecho/listen.h"

#include <unistd.h>

#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"

namespace halfpipe::tools {

SocketFile::~SocketFile() {
  if (!path_.empty() && path_.front() != '@') unlink(path_.c_str());
}

absl::StatusOr<int> ListenAt(Endpoint* endpoint) {
  const TcpListenOptions options;
  if (endpoint->unix_path.empty()) return TcpListenFd(&endpoint->address, options);
  return UnixListenFd(endpoint->unix_path, options.backlog);
}

}  // namespace halfpipe::tools
