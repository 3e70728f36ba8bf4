#include "tools/wsecho/listen.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"
#include "tools/wsecho/endpoint.h"
#include "tools/wsecho/socket_directory.h"

namespace halfpipe::tools {
namespace {

TEST(ListenTest, ThePortInUseReplacesNone) {
  Endpoint endpoint;
  endpoint.address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  const absl::StatusOr<int> fd = ListenAt(&endpoint);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_NE(endpoint.address.port(), 0);
  EXPECT_EQ(StatusErrno(ListenAt(&endpoint).status()), EADDRINUSE);
  close(*fd);
}

TEST(ListenTest, TheFileOfAUnixSocketGoes) {
  const SocketDirectory directory;
  Endpoint endpoint;
  endpoint.unix_path = directory.Path("echo");
  {
    const absl::StatusOr<int> fd = ListenAt(&endpoint);
    ASSERT_TRUE(fd.ok()) << fd.status();
    const SocketFile file(endpoint.unix_path);
    EXPECT_EQ(access(endpoint.unix_path.c_str(), F_OK), 0);
    EXPECT_EQ(StatusErrno(ListenAt(&endpoint).status()), EADDRINUSE);
    close(*fd);
  }
  EXPECT_NE(access(endpoint.unix_path.c_str(), F_OK), 0);
}

// A file that is called as the socket is stays.
TEST(ListenTest, AnAbstractNameHasNoFile) {
  Endpoint endpoint;
  endpoint.unix_path = UniqueName("@halfpipe-listen-test-");
  const int other = open(endpoint.unix_path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  ASSERT_GE(other, 0);
  close(other);
  {
    const absl::StatusOr<int> fd = ListenAt(&endpoint);
    ASSERT_TRUE(fd.ok()) << fd.status();
    const SocketFile file(endpoint.unix_path);
    close(*fd);
  }
  EXPECT_EQ(unlink(endpoint.unix_path.c_str()), 0);
}

}  // namespace
}  // namespace halfpipe::tools
