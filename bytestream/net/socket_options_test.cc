#include "bytestream/net/socket_options.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/socket_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

int IntOption(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

linger Linger(int fd) {
  linger value = {};
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &size), 0);
  return value;
}

// Options that are all different from the system's own.
TcpOptions Unusual() {
  TcpOptions options;
  options.no_delay = false;
  options.keep_alive = KeepAlive{absl::Seconds(77), absl::Milliseconds(6500), 3};
  options.reset_on_close = true;
  options.buffers = {20'000, 30'000};
  return options;
}

void ExpectUnusual(int fd) {
  EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
  EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
  EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(Linger(fd).l_onoff, 1);
  EXPECT_EQ(Linger(fd).l_linger, 0);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_SNDBUF), 40'000);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_RCVBUF), 60'000);
}

// The connection that a listener which does not wait is about to have.
int AcceptFd(int listener) {
  EXPECT_TRUE(AwaitEvents(listener, POLLIN));
  return accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
}

class SocketOptionsTest : public testing::Test {
 protected:
  FdLeakCheck leaks_;
  Runtime runtime_;
  IpAddress address_ = IpAddress::Loopback(IpFamily::kIpv4, 0);
};

TEST_F(SocketOptionsTest, ConnectAndAccept) {
  TcpListenOptions listen_options;
  listen_options.connection = Unusual();
  const int listener = *TcpListenFd(&address_, listen_options);
  const int client = *TcpConnectFd(&runtime_, address_, Unusual(), Deadline::Never());
  const int server = AcceptFd(listener);
  for (const int fd : {listener, client, server}) {
    ExpectUnusual(fd);
    close(fd);
  }
}

TEST_F(SocketOptionsTest, AdoptSetsAll) {
  const int connected = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_TRUE(TcpAdoptFd(connected, Unusual()).ok());
  ExpectUnusual(connected);
  EXPECT_NE(fcntl(connected, F_GETFL) & O_NONBLOCK, 0);
  // And takes back what is not asked for, but for the sizes of buffers.
  ASSERT_TRUE(TcpAdoptFd(connected, TcpOptions()).ok());
  EXPECT_EQ(IntOption(connected, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(IntOption(connected, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(Linger(connected).l_onoff, 0);
  ASSERT_EQ(listen(connected, 1), 0);
  ASSERT_TRUE(TcpAdoptListenerFd(connected, Unusual()).ok());
  ExpectUnusual(connected);
  close(connected);
}

TEST_F(SocketOptionsTest, RefusedAdoptionLeavesTheSocketAlone) {
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(listen(listening, 1), 0);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(listening, Unusual())), EINVAL);
  EXPECT_EQ(IntOption(listening, SOL_SOCKET, SO_KEEPALIVE), 0);
  TcpOptions bad;
  bad.keep_alive = KeepAlive{absl::Seconds(1), absl::Seconds(1), 0};
  EXPECT_EQ(StatusErrno(TcpAdoptListenerFd(listening, bad)), EINVAL);
  EXPECT_EQ(fcntl(listening, F_GETFL) & O_NONBLOCK, 0);
  close(listening);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(listening, TcpOptions())), EBADF);
}

TEST_F(SocketOptionsTest, LimitsOfKeepAlive) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const auto set = [fd](absl::Duration idle, absl::Duration interval, int count) {
    TcpOptions options;
    options.keep_alive = KeepAlive{idle, interval, count};
    return StatusErrno(SetTcpOptions(fd, options));
  };
  const absl::Duration one = absl::Seconds(1);
  const absl::Duration most = absl::Seconds(32767);
  EXPECT_EQ(set(one, one, 1), 0);
  EXPECT_EQ(set(most, most, 127), 0);
  EXPECT_EQ(set(absl::Nanoseconds(1), one, 1), 0);
  EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1);
  EXPECT_EQ(set(most - absl::Nanoseconds(1), one, 126), 0);
  EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_KEEPIDLE), 32767);
  for (const absl::Duration bad : {absl::ZeroDuration(), -one, most + absl::Nanoseconds(1),
                                   absl::InfiniteDuration(), -absl::InfiniteDuration()}) {
    EXPECT_EQ(set(bad, one, 1), EINVAL);
    EXPECT_EQ(set(one, bad, 1), EINVAL);
  }
  for (const int bad : {-1, 0, 128}) EXPECT_EQ(set(one, one, bad), EINVAL);
  close(fd);
}

TEST_F(SocketOptionsTest, Buffers) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const int usual = IntOption(fd, SOL_SOCKET, SO_SNDBUF);
  EXPECT_TRUE(SetSocketBuffers(fd, {}).ok());
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_SNDBUF), usual);
  EXPECT_TRUE(SetSocketBuffers(fd, {0, 10'000}).ok());
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_SNDBUF), usual);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_RCVBUF), 20'000);
  EXPECT_TRUE(SetSocketBuffers(fd, {1, 0}).ok());
  EXPECT_GT(IntOption(fd, SOL_SOCKET, SO_SNDBUF), 2);  // the least that the system takes
  EXPECT_EQ(StatusErrno(SetSocketBuffers(fd, {-1, 0})), EINVAL);
  EXPECT_EQ(StatusErrno(SetSocketBuffers(fd, {0, -1})), EINVAL);
  EXPECT_EQ(StatusErrno(SetTcpOptions(fd, TcpOptions())), ENOTSUP);
  close(fd);
  EXPECT_EQ(StatusErrno(SetSocketBuffers(fd, {1, 1})), EBADF);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  EXPECT_EQ(StatusErrno(SetSocketBuffers(fds[0], {1, 1})), ENOTSUP);
  EXPECT_EQ(StatusErrno(SetTcpOptions(fds[0], TcpOptions())), ENOTSUP);
  for (const int end : fds) close(end);
}

TEST_F(SocketOptionsTest, BadOptionsLeaveNothing) {
  TcpOptions bad;
  bad.buffers.send_bytes = -1;
  EXPECT_EQ(StatusErrno(TcpConnectFd(&runtime_, address_, bad, Deadline::Never()).status()),
            EINVAL);
  TcpListenOptions listen_options;
  listen_options.connection = bad;
  EXPECT_EQ(StatusErrno(TcpListenFd(&address_, listen_options).status()), EINVAL);
}

TEST_F(SocketOptionsTest, ResetOnClose) {
  const int listener = *TcpListenFd(&address_, TcpListenOptions());
  TcpOptions options;
  for (const bool reset : {false, true}) {
    options.reset_on_close = reset;
    const int client = *TcpConnectFd(&runtime_, address_, options, Deadline::Never());
    const int server = AcceptFd(listener);
    close(client);
    char byte;
    const ssize_t count = recv(server, &byte, 1, 0);
    EXPECT_EQ(count, reset ? -1 : 0);
    EXPECT_EQ(reset ? errno : 0, reset ? ECONNRESET : 0);
    close(server);
  }
  close(listener);
}

// Two listeners at one port: the system gives connections to both. That all of a hundred go to the
// same one is out of the question.
TEST_F(SocketOptionsTest, SharedPortServesBoth) {
  TcpListenOptions options;
  options.reuse_port = true;
  const int listeners[] = {*TcpListenFd(&address_, options), *TcpListenFd(&address_, options)};
  constexpr int kConnections = 100;
  int accepted[2] = {0, 0};
  for (int i = 0; i < kConnections; ++i) {
    const int client = *TcpConnectFd(&runtime_, address_, Deadline::Never());
    for (int k = 0; k < 2; ++k) {
      const int server = accept4(listeners[k], nullptr, nullptr, SOCK_CLOEXEC);
      if (server < 0) continue;
      ++accepted[k];
      close(server);
    }
    close(client);
  }
  // The last ones may not be there yet, but none goes elsewhere.
  EXPECT_GT(accepted[0], 0);
  EXPECT_GT(accepted[1], 0);
  EXPECT_LE(accepted[0] + accepted[1], kConnections);
  for (const int fd : listeners) close(fd);
}

TEST_F(SocketOptionsTest, Ipv6Only) {
  for (const bool only : {false, true}) {
    TcpListenOptions options;
    options.ipv6_only = only;
    IpAddress any = IpAddress::Any(IpFamily::kIpv6, 0);
    const absl::StatusOr<int> listener = TcpListenFd(&any, options);
    if (!listener.ok()) GTEST_SKIP() << "no IPv6 here: " << listener.status();
    EXPECT_EQ(IntOption(*listener, IPPROTO_IPV6, IPV6_V6ONLY), only);
    const absl::StatusOr<int> client = TcpConnectFd(
        &runtime_, IpAddress::Loopback(IpFamily::kIpv4, any.port()), Deadline::Never());
    EXPECT_EQ(StatusErrno(client.status()), only ? ECONNREFUSED : 0);
    if (client.ok()) {
      const int server = AcceptFd(*listener);
      EXPECT_EQ(PeerAddress(server)->ToString(),
                absl::StrCat("[::ffff:127.0.0.1]:", LocalAddress(*client)->port()));
      close(server);
      close(*client);
    }
    close(*listener);
  }
}

TEST_F(SocketOptionsTest, UnixNames) {
  const std::string name = UniqueName("@halfpipe/socket_options_test/");
  const int listener = *UnixListenFd(name, 1);
  const int client = *UnixConnectFd(&runtime_, name, Deadline::Never());
  EXPECT_EQ(*LocalUnixName(listener), name);
  EXPECT_EQ(*PeerUnixName(client), name);
  EXPECT_EQ(*LocalUnixName(client), "");
  EXPECT_EQ(StatusErrno(PeerUnixName(listener).status()), ENOTCONN);
  EXPECT_EQ(StatusErrno(LocalAddress(client).status()), ENOTSUP);
  const int tcp = *TcpListenFd(&address_, TcpListenOptions());
  EXPECT_EQ(StatusErrno(LocalUnixName(tcp).status()), ENOTSUP);
  for (const int fd : {listener, client, tcp}) close(fd);
  EXPECT_EQ(StatusErrno(LocalUnixName(tcp).status()), EBADF);
  char folder[] = "/tmp/halfpipe_optXXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = absl::StrCat(folder, "/s");
  const int at_path = *UnixListenFd(path, 1);
  EXPECT_EQ(*LocalUnixName(at_path), path);
  close(at_path);
  unlink(path.c_str());
  rmdir(folder);
}

}  // namespace
}  // namespace halfpipe
