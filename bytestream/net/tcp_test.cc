#include "bytestream/net/tcp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

int IntOption(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

class TcpTest : public testing::TestWithParam<IpFamily> {
 protected:
  TcpTest() : address(IpAddress::Loopback(GetParam(), 0)) {}

  // False where this machine lacks the family.
  bool Listen() {
    const absl::StatusOr<int> fd = TcpListenFd(&address, TcpListenOptions());
    if (!fd.ok()) return false;
    listener = std::make_unique<Listener>(&runtime, *fd);
    return true;
  }

  Runtime runtime;
  IpAddress address;
  std::unique_ptr<Listener> listener;
  Bundle bundle{&runtime};
};

INSTANTIATE_TEST_SUITE_P(Families, TcpTest, testing::Values(IpFamily::kIpv4, IpFamily::kIpv6));

TEST_P(TcpTest, ConnectsAndCarriesBytes) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  EXPECT_NE(address.port(), 0);
  absl::StatusOr<std::unique_ptr<FdStream>> client =
      TcpConnect(&runtime, address, Deadline::Never());
  ASSERT_TRUE(client.ok()) << client.status();
  FdStream server(&runtime, *listener->Accept(Deadline::Never()));
  const IoSlice hello("hello");
  EXPECT_TRUE((*client)->Write({&hello, 1}, false, Deadline::Never()).ok());
  EXPECT_EQ(server.Peek(5, Deadline::Never())->size(), 5u);
  EXPECT_EQ(*PeerAddress((*client)->fd()), address);
  EXPECT_EQ(*LocalAddress((*client)->fd()), *PeerAddress(server.fd()));
}

TEST_P(TcpTest, SocketsHaveTheirOptions) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  const int client = *TcpConnectFd(&runtime, address, Deadline::Never());
  const int server = *listener->Accept(Deadline::Never());
  for (const int fd : {client, server, listener->fd()}) {
    EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  }
  EXPECT_EQ(IntOption(listener->fd(), SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(IntOption(listener->fd(), SOL_SOCKET, SO_REUSEPORT), 0);
  close(client);
  close(server);
}

TEST_P(TcpTest, PortInUseAndPortShared) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  IpAddress same = address;
  EXPECT_EQ(StatusErrno(TcpListenFd(&same, TcpListenOptions()).status()), EADDRINUSE);
  TcpListenOptions options;
  options.reuse_port = true;
  IpAddress shared = IpAddress::Loopback(GetParam(), 0);
  const int first = *TcpListenFd(&shared, options);
  const absl::StatusOr<int> second = TcpListenFd(&shared, options);
  ASSERT_TRUE(second.ok());
  close(first);
  close(*second);
}

TEST_P(TcpTest, NobodyListens) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  listener.reset();
  const size_t before = OpenDescriptorCount();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(StatusErrno(TcpConnectFd(&runtime, address, Deadline::Never()).status()),
              ECONNREFUSED);
  }
  EXPECT_LE(OpenDescriptorCount(), before + 2);  // the engine's own
}

// A connection whose listener's queue is full does not come about: it waits.
TEST_P(TcpTest, EndedConnectLeavesNothing) {
  TcpListenOptions options;
  options.backlog = 0;
  const absl::StatusOr<int> fd = TcpListenFd(&address, options);
  if (!fd.ok()) GTEST_SKIP() << "no loopback of this family";
  const int filler = *TcpConnectFd(&runtime, address, Deadline::Never());
  ASSERT_TRUE(AwaitConnections(*fd, 1));
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    WaitFault end(&runtime, reason, 0);
    end.set_except(runtime.current());
    int result = 0;
    size_t before = 0;
    ASSERT_TRUE(bundle
                    .Go([&] {
                      before = OpenDescriptorCount();
                      result =
                          StatusErrno(TcpConnectFd(&runtime, address, Deadline::Never()).status());
                    })
                    .ok());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(end.hit());
    EXPECT_EQ(result, reason);
    EXPECT_LE(OpenDescriptorCount(), before + 2);  // the engine's own
  }
  EXPECT_EQ(StatusErrno(TcpConnectFd(&runtime, address, Deadline::Immediately()).status()),
            ETIMEDOUT);
  close(filler);
  close(*fd);
}

TEST_P(TcpTest, CancelledCoroutineDoesNotConnect) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_EQ(runtime.SleepUntil(Deadline::Never()), ECANCELED);
                    EXPECT_EQ(
                        StatusErrno(TcpConnectFd(&runtime, address, Deadline::Never()).status()),
                        ECANCELED);
                  })
                  .ok());
  bundle.CancelAndJoin();
}

TEST_P(TcpTest, AdoptsOnlyWhatFits) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  const int family = GetParam() == IpFamily::kIpv6 ? AF_INET6 : AF_INET;
  const int plain = socket(family, SOCK_STREAM, 0);
  EXPECT_TRUE(TcpAdoptFd(plain).ok());
  EXPECT_NE(fcntl(plain, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(plain, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(StatusErrno(TcpAdoptListenerFd(plain)), EINVAL);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(listener->fd())), EINVAL);
  EXPECT_TRUE(TcpAdoptListenerFd(listener->fd()).ok());
  const int datagram = socket(family, SOCK_DGRAM, 0);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(datagram)), ENOTSUP);
  EXPECT_EQ(fcntl(datagram, F_GETFL) & O_NONBLOCK, 0);
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(pipe_fds[0])), ENOTSUP);
  const int local = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(local)), ENOTSUP);
  EXPECT_EQ(StatusErrno(LocalAddress(local).status()), ENOTSUP);
  EXPECT_EQ(StatusErrno(PeerAddress(plain).status()), ENOTCONN);
  for (const int fd : {plain, datagram, pipe_fds[0], pipe_fds[1], local}) close(fd);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(local)), EBADF);
  EXPECT_EQ(StatusErrno(TcpAdoptFd(-1)), EBADF);
}

// A peer that takes nothing more: with TCP_USER_TIMEOUT the system gives up, with an ETIMEDOUT of
// its own, which must not be taken for the end of our deadline.
TEST_P(TcpTest, TheSystemsOwnTimeoutIsAReset) {
  if (!Listen()) GTEST_SKIP() << "no loopback of this family";
  FdStream client(&runtime, *TcpConnectFd(&runtime, address, Deadline::Never()));
  const int server = *listener->Accept(Deadline::Never());
  const unsigned int patience_ms = 20;
  ASSERT_EQ(
      setsockopt(client.fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms)), 0);
  // More than the peer's end takes without being read.
  const int room = 1 << 20;
  ASSERT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
  const std::string much(64 * 1024, 'm');
  while (send(client.fd(), much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  const Deadline deadline = Deadline::In(absl::Seconds(60));
  EXPECT_EQ(StatusErrno(client.Peek(1, deadline).status()), ECONNRESET);
  EXPECT_EQ(StatusErrno(client.Peek(1, deadline).status()), ECONNRESET);
  const IoSlice hello("hello");
  EXPECT_EQ(StatusErrno(client.Write({&hello, 1}, false, deadline)), ECONNRESET);
  close(server);
}

}  // namespace
}  // namespace halfpipe
