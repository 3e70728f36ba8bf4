// What programs for libdill rely on in the calls for TCP, statement by statement.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/stream_info.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

int Option(int s, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(stream_fd(s), level, option, &value, &size), 0);
  return value;
}

class TcpContractTest : public CCallTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(ipaddr_local(&addr_, "127.0.0.1", 0, 0), 0);
    listener_ = tcp_listen(&addr_, 10);
    client_ = tcp_connect(&addr_, -1);
    server_ = tcp_accept(listener_, nullptr, -1);
    ASSERT_GT(server_, 0);
  }
  void TearDown() override {
    for (const int h : {listener_, client_, server_}) hclose(h);
    CCallTest::TearDown();
  }

  // The client's connection has been reset, and it has not noticed yet.
  void ResetClient() {
    EXPECT_EQ(bsend(client_, "unread", 6, -1), 0);
    EXPECT_TRUE(AwaitEvents(stream_fd(server_), POLLIN));
    EXPECT_EQ(hclose(server_), 0);
    EXPECT_TRUE(AwaitEvents(stream_fd(client_), 0));
  }

  dill_ipaddr addr_;
  int listener_ = -1;
  int client_ = -1;
  int server_ = -1;
};

TEST_F(TcpContractTest, LocalAddressWithoutANameIsAnyIpv4) {
  char text[IPADDR_MAXSTRLEN];
  dill_ipaddr any;
  for (const int mode : {0, IPADDR_IPV4, IPADDR_PREF_IPV4}) {
    ASSERT_EQ(ipaddr_local(&any, nullptr, 80, mode), 0);
    EXPECT_EQ(ipaddr_family(&any), AF_INET);
    EXPECT_STREQ(ipaddr_str(&any, text), "0.0.0.0");
    EXPECT_EQ(ipaddr_port(&any), 80);
  }
  for (const int mode : {IPADDR_IPV6, IPADDR_PREF_IPV6}) {
    ASSERT_EQ(ipaddr_local(&any, nullptr, 80, mode), 0);
    EXPECT_EQ(ipaddr_family(&any), AF_INET6);
    EXPECT_STREQ(ipaddr_str(&any, text), "::");
  }
}

TEST_F(TcpContractTest, ListenWritesThePortBack) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, nullptr, 0, 0), 0);
  const int s = tcp_listen(&addr, 1);
  ASSERT_GT(s, 0);
  EXPECT_NE(ipaddr_port(&addr), 0);
  dill_ipaddr bound;
  EXPECT_EQ(stream_local(s, &bound), 0);
  EXPECT_TRUE(ipaddr_equal(&addr, &bound, 0));
  // Any address of the machine leads there.
  dill_ipaddr loopback;
  ASSERT_EQ(ipaddr_local(&loopback, "127.0.0.1", ipaddr_port(&addr), 0), 0);
  const int c = tcp_connect(&loopback, -1);
  EXPECT_GT(c, 0);
  for (const int h : {s, c}) EXPECT_EQ(hclose(h), 0);
}

TEST_F(TcpContractTest, Options) {
  EXPECT_EQ(Option(listener_, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(Option(listener_, SOL_SOCKET, SO_REUSEPORT), 0);
  for (const int s : {client_, server_}) EXPECT_EQ(Option(s, IPPROTO_TCP, TCP_NODELAY), 1);
}

// A connection of the last run does not keep the next one from listening.
TEST_F(TcpContractTest, PortIsFreeAgainAtOnce) {
  EXPECT_EQ(hclose(listener_), 0);
  EXPECT_EQ(hclose(server_), 0);  // ends first: its port is in TIME_WAIT
  EXPECT_EQ(brecvl(client_, nullptr, nullptr, -1), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(hclose(client_), 0);
  listener_ = tcp_listen(&addr_, 1);
  EXPECT_GT(listener_, 0) << errno;
}

TEST_F(TcpContractTest, CloseOfAnotherKindLeavesItOpen) {
  int ipc[2];
  ASSERT_EQ(ipc_pair(ipc), 0);
  const int b = bundle();
  for (const int h : {ipc[0], b}) {
    EXPECT_FAILS(ENOTSUP, tcp_close(h, -1));
    EXPECT_FAILS(ENOTSUP, tcp_done(h, -1));
  }
  EXPECT_EQ(bsend(ipc[0], "x", 1, -1), 0);
  EXPECT_EQ(brecv(ipc[1], nullptr, 1, -1), 0);
  EXPECT_FAILS(ENOTSUP, ipc_close(client_, -1));
  EXPECT_EQ(bsend(client_, "x", 1, -1), 0);
  EXPECT_EQ(brecv(server_, nullptr, 1, -1), 0);
  for (const int h : {ipc[0], ipc[1], b}) EXPECT_EQ(hclose(h), 0);
}

TEST_F(TcpContractTest, CloseOfAListenerClosesIt) {
  EXPECT_EQ(tcp_close(listener_, 0), 0);
  EXPECT_FAILS(EBADF, tcp_close(listener_, 0));
  EXPECT_FAILS(ECONNREFUSED, tcp_connect(&addr_, -1));
}

TEST_F(TcpContractTest, CloseAfterAFailedReceive) {
  ResetClient();
  char byte;
  EXPECT_FAILS(ECONNRESET, brecv(client_, &byte, 1, -1));
  EXPECT_FAILS(ECONNRESET, tcp_close(client_, -1));
  EXPECT_FAILS(EBADF, hclose(client_));
}

TEST_F(TcpContractTest, CloseAfterAFailedSend) {
  ResetClient();
  EXPECT_FAILS(ECONNRESET, bsend(client_, "x", 1, -1));
  EXPECT_FAILS(ECONNRESET, tcp_close(client_, -1));
  EXPECT_FAILS(EBADF, hclose(client_));
}

TEST_F(TcpContractTest, CloseThatIsTheFirstToNotice) {
  ResetClient();
  EXPECT_FAILS(ECONNRESET, tcp_close(client_, -1));
  EXPECT_FAILS(EBADF, hclose(client_));
}

// The peer goes on sending, and never ends.
TEST_F(TcpContractTest, CloseThatTimesOutClosesToo) {
  EXPECT_EQ(bsend(server_, "more", 4, -1), 0);
  EXPECT_FAILS(ETIMEDOUT, tcp_close(client_, now() + 1));
  EXPECT_FAILS(EBADF, hclose(client_));
}

TEST_F(TcpContractTest, CloseDeliversEverythingFirst) {
  const std::string much(500'000, 'm');
  ASSERT_EQ(bsend(client_, much.data(), much.size(), now() + 1), 0);
  int result = -1;
  const int h = go([](int s, int* closed) { *closed = tcp_close(s, -1); }(client_, &result));
  std::string received(much.size(), '?');
  EXPECT_EQ(brecv(server_, &received[0], received.size(), -1), 0);
  EXPECT_EQ(received, much);
  char byte;
  EXPECT_FAILS(EPIPE, brecv(server_, &byte, 1, -1));
  EXPECT_EQ(result, -1);  // it waits for our end
  EXPECT_EQ(tcp_close(server_, -1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
