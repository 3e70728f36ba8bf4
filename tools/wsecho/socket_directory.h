#ifndef HALFPIPE_TOOLS_WSECHO_SOCKET_DIRECTORY_H_
#define HALFPIPE_TOOLS_WSECHO_SOCKET_DIRECTORY_H_

#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "bytestream/base/check.h"

namespace halfpipe {

// A fresh directory for a test's Unix sockets. Its name is short whatever TEST_TMPDIR is, because the
// path of a socket has at most 107 bytes. Removed at the end; what the test left in it stays then.
class SocketDirectory {
 public:
  SocketDirectory() { HALFPIPE_CHECK(mkdtemp(name_) != nullptr); }
  ~SocketDirectory() { static_cast<void>(rmdir(name_)); }
  SocketDirectory(const SocketDirectory&) = delete;
  SocketDirectory& operator=(const SocketDirectory&) = delete;

  // The path of `file` in it.
  std::string Path(const char* file) const { return std::string(name_) + "/" + file; }

 private:
  char name_[32] = "/tmp/halfpipe_test_XXXXXX";
};

}  // namespace halfpipe

#endif  // HALFPIPE_TOOLS_WSECHO_SOCKET_DIRECTORY_H_
