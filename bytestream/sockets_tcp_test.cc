#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/stream_info.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

class SocketsTcpTest : public CCallTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(ipaddr_local(&addr_, "127.0.0.1", 0, 0), 0);
    listener_ = tcp_listen(&addr_, 10);
    ASSERT_GT(listener_, 0);
  }
  void TearDown() override {
    hclose(listener_);
    CCallTest::TearDown();
  }

  dill_ipaddr addr_;
  int listener_ = -1;
};

coroutine void Accept(int s, dill_ipaddr* addr, int* result) {
  *result = tcp_accept(s, addr, -1);
  if (*result < 0) *result = -errno;
}

TEST_F(SocketsTcpTest, ListenWritesThePortBack) {
  EXPECT_NE(ipaddr_port(&addr_), 0);
  dill_ipaddr again = addr_;
  EXPECT_FAILS(EADDRINUSE, tcp_listen(&again, 10));
  EXPECT_TRUE(ipaddr_equal(&again, &addr_, 0));
}

TEST_F(SocketsTcpTest, AcceptTellsThePeer) {
  const int c = tcp_connect(&addr_, -1);
  ASSERT_GT(c, 0);
  dill_ipaddr peer;
  const int s = tcp_accept(listener_, &peer, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(ipaddr_family(&peer), AF_INET);
  EXPECT_TRUE(ipaddr_equal(&peer, &addr_, 1));
  EXPECT_NE(ipaddr_port(&peer), ipaddr_port(&addr_));
  EXPECT_EQ(hclose(c), 0);
  EXPECT_EQ(tcp_close(s, -1), 0);
}

TEST_F(SocketsTcpTest, Ipv6) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "::1", 0, 0), 0);
  const int listener = tcp_listen(&addr, 10);
  if (listener < 0 && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
    GTEST_SKIP() << "no IPv6 here";
  }
  const int c = tcp_connect(&addr, -1);
  ASSERT_GT(c, 0);
  dill_ipaddr peer;
  const int s = tcp_accept(listener, &peer, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(ipaddr_family(&peer), AF_INET6);
  for (const int h : {c, s, listener}) EXPECT_EQ(hclose(h), 0);
}

TEST_F(SocketsTcpTest, TimedOutAcceptLosesNothing) {
  for (int i = 0; i < 3; ++i) EXPECT_FAILS(ETIMEDOUT, tcp_accept(listener_, nullptr, 0));
  EXPECT_FAILS(ETIMEDOUT, tcp_accept(listener_, nullptr, now() + 1));
  const int c = tcp_connect(&addr_, -1);
  const int s = tcp_accept(listener_, nullptr, -1);
  EXPECT_GT(s, 0);
  EXPECT_EQ(hclose(c), 0);
  EXPECT_EQ(hclose(s), 0);
}

TEST_F(SocketsTcpTest, BlockedAccept) {
  int result = 0;
  const int h = go(Accept(listener_, nullptr, &result));
  EXPECT_FAILS(EBUSY, tcp_accept(listener_, nullptr, -1));
  EXPECT_FAILS(EBUSY, hown(listener_));
  EXPECT_EQ(result, 0);
  EXPECT_EQ(hclose(listener_), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, -EBADF);
  EXPECT_EQ(hclose(h), 0);
}

TEST_F(SocketsTcpTest, CancelledAccept) {
  int result = 0;
  const int h = go(Accept(listener_, nullptr, &result));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(result, -ECANCELED);
  const int c = tcp_connect(&addr_, -1);
  const int s = tcp_accept(listener_, nullptr, -1);
  EXPECT_GT(s, 0);
  EXPECT_EQ(hclose(c), 0);
  EXPECT_EQ(hclose(s), 0);
}

// A connection that has come when the coroutine is cancelled is its last one, and not lost.
TEST_F(SocketsTcpTest, CancelledWithAConnectionThere) {
  int result = 0;
  const int h = go(Accept(listener_, nullptr, &result));
  const int c = tcp_connect(&addr_, -1);
  if (result == 0) {
    EXPECT_TRUE(AwaitEvents(stream_fd(listener_), POLLIN));
  }
  EXPECT_EQ(hclose(h), 0);
  ASSERT_GT(result, 0);
  EXPECT_EQ(bsend(c, "x", 1, -1), 0);
  EXPECT_EQ(brecv(result, nullptr, 1, -1), 0);
  EXPECT_EQ(hclose(c), 0);
  EXPECT_EQ(hclose(result), 0);
}

TEST_F(SocketsTcpTest, ListenerIsClosedByTcpClose) {
  int result = 0;
  const int h = go(Accept(listener_, nullptr, &result));
  EXPECT_EQ(tcp_close(listener_, -1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, -EBADF);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_FAILS(EBADF, tcp_close(listener_, -1));
}

TEST_F(SocketsTcpTest, ListenerIsNoStream) {
  char byte;
  EXPECT_FAILS(ENOTSUP, brecv(listener_, &byte, 1, -1));
  EXPECT_FAILS(ENOTSUP, bsend(listener_, &byte, 1, -1));
  EXPECT_FAILS(ENOTSUP, tcp_done(listener_, -1));
  EXPECT_FAILS(ENOTSUP, ipc_close(listener_, -1));
  EXPECT_FAILS(ENOTSUP, ipc_accept(listener_, -1));
  const int c = tcp_connect(&addr_, -1);
  EXPECT_FAILS(ENOTSUP, tcp_accept(c, nullptr, -1));
  EXPECT_EQ(hclose(c), 0);
  EXPECT_FAILS(EBADF, tcp_accept(c, nullptr, -1));
}

TEST_F(SocketsTcpTest, ConnectRefused) {
  EXPECT_EQ(hclose(listener_), 0);
  EXPECT_FAILS(ECONNREFUSED, tcp_connect(&addr_, -1));
}

TEST_F(SocketsTcpTest, EveryWaitOfConnect) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      const int h = go([](WaitFault* wait_fault, const dill_ipaddr* addr, int expected) {
        wait_fault->set_only(Runtime::Current().current());
        const int c = tcp_connect(addr, -1);
        if (wait_fault->hit()) {
          EXPECT_EQ(c, -1);
          EXPECT_EQ(errno, expected);
        } else {
          EXPECT_GT(c, 0);
          EXPECT_EQ(hclose(c), 0);
        }
      }(&fault, &addr_, error));
      while (runtime_.coroutine_count() > 0) EXPECT_EQ(yield(), 0);
      EXPECT_EQ(hclose(h), 0);
    });
  }
}

TEST_F(SocketsTcpTest, BadArguments) {
  dill_ipaddr none = {};
  dill_tcp_storage storage;
  EXPECT_FAILS(EINVAL, tcp_listen(nullptr, 10));
  EXPECT_FAILS(EINVAL, tcp_listen(&none, 10));
  EXPECT_FAILS(EINVAL, tcp_listen(&addr_, 0));
  EXPECT_FAILS(EINVAL, tcp_listen_mem(&addr_, 10, nullptr));
  EXPECT_FAILS(EINVAL, tcp_accept_mem(listener_, nullptr, nullptr, -1));
  EXPECT_FAILS(EINVAL, tcp_connect(nullptr, -1));
  EXPECT_FAILS(EINVAL, tcp_connect(&none, -1));
  EXPECT_FAILS(EINVAL, tcp_connect_mem(&addr_, nullptr, -1));
  EXPECT_FAILS(EINVAL, tcp_connect_mem(nullptr, &storage, -1));
  EXPECT_FAILS(EINVAL, tcp_fromfd_mem(0, nullptr));
  EXPECT_FAILS(EINVAL, tcp_listener_fromfd_mem(0, nullptr));
}

TEST_F(SocketsTcpTest, AddressThatIsNotOurs) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "192.0.2.1", 0, 0), 0);  // RFC 5737
  EXPECT_FAILS(EADDRNOTAVAIL, tcp_listen(&addr, 10));
}

TEST_F(SocketsTcpTest, StorageOfTheCaller) {
  dill_tcp_listener_storage listener_storage;
  dill_tcp_storage storages[2];
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  const int listener = tcp_listen_mem(&addr, 10, &listener_storage);
  ASSERT_GT(listener, 0);
  for (int i = 0; i < 3; ++i) {
    const int c = tcp_connect_mem(&addr, &storages[0], -1);
    ASSERT_GT(c, 0);
    const int s = tcp_accept_mem(listener, nullptr, &storages[1], -1);
    ASSERT_GT(s, 0);
    EXPECT_EQ(bsend(c, "abc", 3, -1), 0);
    EXPECT_EQ(brecv(s, nullptr, 3, -1), 0);
    EXPECT_EQ(tcp_done(c, -1), 0);
    EXPECT_EQ(tcp_done(s, -1), 0);
    EXPECT_EQ(tcp_close(c, -1), 0);
    EXPECT_EQ(tcp_close(s, -1), 0);
  }
  EXPECT_EQ(hclose(listener), 0);
}

int Flag(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

TEST_F(SocketsTcpTest, FromDescriptors) {
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(listening, 0);
  EXPECT_FAILS(EINVAL, tcp_listener_fromfd(listening));  // not listening yet
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  ASSERT_EQ(bind(listening, ipaddr_sockaddr(&addr), ipaddr_len(&addr)), 0);
  ASSERT_EQ(listen(listening, 5), 0);
  socklen_t size = sizeof(addr);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&addr), &size), 0);
  EXPECT_FAILS(EINVAL, tcp_fromfd(listening));

  const int connecting = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(connect(connecting, ipaddr_sockaddr(&addr), ipaddr_len(&addr)), 0);
  const int listener = tcp_listener_fromfd(listening);
  ASSERT_GT(listener, 0);
  const int c = tcp_fromfd(connecting);
  ASSERT_GT(c, 0);
  for (const int fd : {listening, connecting}) {
    EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(Flag(connecting, IPPROTO_TCP, TCP_NODELAY), 1);
  const int s = tcp_accept(listener, nullptr, -1);
  ASSERT_GT(s, 0);
  EXPECT_EQ(bsend(s, "x", 1, -1), 0);
  EXPECT_EQ(brecv(c, nullptr, 1, -1), 0);
  for (const int h : {s, c, listener}) EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(fcntl(listening, F_GETFD), -1);
}

TEST_F(SocketsTcpTest, FromDescriptorsInStorageOfTheCaller) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(listen(fd, 5), 0);
  dill_tcp_listener_storage storage;
  const int listener = tcp_listener_fromfd_mem(fd, &storage);
  ASSERT_GT(listener, 0);
  EXPECT_EQ(hclose(listener), 0);
  const int connected = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(connect(connected, ipaddr_sockaddr(&addr_), ipaddr_len(&addr_)), 0);
  dill_tcp_storage stream_storage;
  const int c = tcp_fromfd_mem(connected, &stream_storage);
  ASSERT_GT(c, 0);
  EXPECT_EQ(hclose(c), 0);
}

TEST_F(SocketsTcpTest, DescriptorsThatDoNotFit) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const int datagram = socket(AF_INET, SOCK_DGRAM, 0);
  for (const int fd : {fds[0], datagram}) {
    EXPECT_FAILS(ENOTSUP, tcp_fromfd(fd));
    EXPECT_FAILS(ENOTSUP, tcp_listener_fromfd(fd));
    // Still ours.
    EXPECT_EQ(close(fd), 0);
  }
  EXPECT_EQ(close(fds[1]), 0);
  EXPECT_FAILS(EBADF, tcp_fromfd(fds[0]));
  EXPECT_FAILS(EBADF, tcp_listener_fromfd(-1));
}

// Out of descriptors: the connection stays in the queue and is accepted later.
TEST_F(SocketsTcpTest, OutOfDescriptors) {
  const int c = tcp_connect(&addr_, -1);
  ASSERT_GT(c, 0);
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const int probe = dup(0);
  rlimit none = {static_cast<rlim_t>(probe), old.rlim_max};
  EXPECT_EQ(close(probe), 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  // Again and again: each time told, and with pauses between (accept_pacing_test).
  for (int i = 0; i < 3; ++i) EXPECT_FAILS(EMFILE, tcp_accept(listener_, nullptr, -1));
  EXPECT_FAILS(EMFILE, tcp_connect(&addr_, -1));
  dill_ipaddr any;
  ASSERT_EQ(ipaddr_local(&any, nullptr, 0, 0), 0);
  EXPECT_FAILS(EMFILE, tcp_listen(&any, 10));
  int pair[2];
  EXPECT_FAILS(EMFILE, ipc_pair(pair));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  const int s = tcp_accept(listener_, nullptr, -1);
  EXPECT_GT(s, 0);
  EXPECT_EQ(hclose(s), 0);
  EXPECT_EQ(hclose(c), 0);
}

coroutine void EverythingCancelled(int listener, dill_ipaddr* addr, bool* checked) {
  CancelSelf();
  dill_tcp_storage storage;
  dill_tcp_listener_storage listener_storage;
  EXPECT_FAILS(ECANCELED, tcp_listen(addr, 10));
  EXPECT_FAILS(ECANCELED, tcp_listen_mem(addr, 10, &listener_storage));
  EXPECT_FAILS(ECANCELED, tcp_accept(listener, nullptr, 0));
  EXPECT_FAILS(ECANCELED, tcp_accept_mem(listener, nullptr, &storage, 0));
  EXPECT_FAILS(ECANCELED, tcp_connect(addr, -1));
  EXPECT_FAILS(ECANCELED, tcp_connect_mem(addr, &storage, -1));
  EXPECT_FAILS(ECANCELED, tcp_fromfd(0));
  EXPECT_FAILS(ECANCELED, tcp_listener_fromfd(0));
  EXPECT_FAILS(ECANCELED, ipaddr_remote(addr, "127.0.0.1", 1, 0, -1));
  EXPECT_FAILS(ECANCELED, ipaddr_remotes(addr, 1, "127.0.0.1", 1, 0, -1));
  *checked = true;
}

TEST_F(SocketsTcpTest, CancelledCoroutine) {
  bool checked = false;
  const int h = go(EverythingCancelled(listener_, &addr_, &checked));
  EXPECT_TRUE(checked);
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
