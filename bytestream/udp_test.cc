#include "bytestream/udp.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "bytestream/msocket.h"
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

class CUdpTest : public CCallTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(ipaddr_local(&server_address_, "127.0.0.1", 0, 0), 0);
    server_ = udp_open(&server_address_, nullptr);
    ASSERT_GT(server_, 0);
    ASSERT_EQ(ipaddr_local(&client_address_, "127.0.0.1", 0, 0), 0);
    client_ = udp_open(&client_address_, &server_address_);
    ASSERT_GT(client_, 0);
  }
  void TearDown() override {
    hclose(client_);
    hclose(server_);
    CCallTest::TearDown();
  }

  dill_ipaddr server_address_;
  dill_ipaddr client_address_;
  int server_ = -1;
  int client_ = -1;
};

TEST_F(CUdpTest, ThereAndBack) {
  EXPECT_NE(ipaddr_port(&server_address_), 0);
  EXPECT_EQ(udp_send(client_, nullptr, "ABC", 3), 0);
  char buffer[2000];
  dill_ipaddr from;
  EXPECT_EQ(udp_recv(server_, &from, buffer, sizeof(buffer), -1), 3);
  EXPECT_EQ(std::string(buffer, 3), "ABC");
  EXPECT_TRUE(ipaddr_equal(&from, &client_address_, 0));
  EXPECT_EQ(udp_send(server_, &from, "DE", 2), 0);
  EXPECT_EQ(udp_recv(client_, nullptr, buffer, sizeof(buffer), -1), 2);
}

TEST_F(CUdpTest, EmptyDatagramsAndSkipping) {
  EXPECT_EQ(udp_send(client_, nullptr, nullptr, 0), 0);
  char byte;
  EXPECT_EQ(udp_recv(server_, nullptr, &byte, 1, -1), 0);
  EXPECT_EQ(udp_send(client_, nullptr, "abc", 3), 0);
  EXPECT_EQ(udp_recv(server_, nullptr, nullptr, 3, -1), 3);
  EXPECT_EQ(udp_send(client_, nullptr, "abc", 3), 0);
  EXPECT_EQ(udp_recvl(server_, nullptr, nullptr, nullptr, -1), 3);
}

TEST_F(CUdpTest, Lists) {
  char text[] = "hello, world";
  dill_iolist second = {text + 5, 7, nullptr, 0};
  dill_iolist first = {text, 5, &second, 0};
  EXPECT_EQ(udp_sendl(client_, nullptr, &first, &second), 0);
  EXPECT_EQ(udp_sendl(server_, &client_address_, &first, &second), 0);
  char head[7], tail[5];
  dill_iolist rest = {tail, 5, nullptr, 0};
  dill_iolist skipped = {nullptr, 7, &rest, 0};
  dill_ipaddr from;
  EXPECT_EQ(udp_recvl(server_, &from, &skipped, &rest, -1), 12);
  EXPECT_EQ(std::string(tail, 5), "world");
  EXPECT_TRUE(ipaddr_equal(&from, &client_address_, 0));
  skipped.iol_base = head;
  EXPECT_EQ(udp_recvl(client_, nullptr, &skipped, &rest, -1), 12);
  EXPECT_EQ(std::string(head, 7), "hello, ");

  EXPECT_FAILS(EINVAL, udp_sendl(client_, nullptr, nullptr, nullptr));
  EXPECT_FAILS(EINVAL, udp_sendl(client_, nullptr, &first, &first));
  second.iol_next = &first;
  EXPECT_FAILS(EINVAL, udp_sendl(client_, nullptr, &first, &second));
  EXPECT_FAILS(EINVAL, udp_recvl(server_, nullptr, &first, &second, -1));
  EXPECT_FAILS(EINVAL, udp_recvl(server_, nullptr, &first, nullptr, -1));
}

TEST_F(CUdpTest, Sizes) {
  const std::string text(65508, 'x');
  for (const size_t size : {65506, 65507}) {
    EXPECT_EQ(udp_send(client_, nullptr, text.data(), size), 0);
    EXPECT_EQ(udp_recv(server_, nullptr, nullptr, SIZE_MAX, -1), static_cast<ssize_t>(size));
  }
  EXPECT_FAILS(EMSGSIZE, udp_send(client_, nullptr, text.data(), 65508));
  EXPECT_EQ(udp_send(client_, nullptr, "long", 4), 0);
  EXPECT_EQ(udp_send(client_, nullptr, "next", 4), 0);
  char buffer[4];
  EXPECT_FAILS(EMSGSIZE, udp_recv(server_, nullptr, buffer, 3, -1));
  EXPECT_EQ(udp_recv(server_, nullptr, buffer, 4, -1), 4);
  EXPECT_EQ(std::string(buffer, 4), "next");
}

TEST_F(CUdpTest, MessageSocket) {
  EXPECT_EQ(msend(client_, "abc", 3, -1), 0);
  EXPECT_EQ(msend(client_, nullptr, 0, -1), 0);
  char buffer[3];
  EXPECT_EQ(mrecv(server_, buffer, 3, -1), 3);
  EXPECT_EQ(mrecv(server_, buffer, 3, -1), 0);
  EXPECT_FAILS(ETIMEDOUT, mrecv(server_, buffer, 3, 0));
  EXPECT_FAILS(EINVAL, msend(server_, "abc", 3, -1));
  EXPECT_EQ(udp_send(server_, &client_address_, "abc", 3), 0);
  EXPECT_EQ(mrecvl(client_, nullptr, nullptr, -1), 3);
}

TEST_F(CUdpTest, BadArguments) {
  dill_ipaddr none = {};
  dill_ipaddr v6, no_port;
  ASSERT_EQ(ipaddr_local(&v6, "::1", 5555, 0), 0);
  ASSERT_EQ(ipaddr_local(&no_port, "127.0.0.1", 0, 0), 0);
  dill_ipaddr local = no_port;
  EXPECT_FAILS(EINVAL, udp_open(&none, nullptr));
  EXPECT_FAILS(EINVAL, udp_open(nullptr, &none));
  EXPECT_FAILS(EINVAL, udp_open(&local, &v6));
  EXPECT_FAILS(EINVAL, udp_open(&local, &no_port));
  EXPECT_FAILS(EINVAL, udp_open_mem(&local, nullptr, nullptr));
  EXPECT_EQ(ipaddr_port(&local), 0);
  EXPECT_FAILS(EINVAL, udp_send(client_, nullptr, nullptr, 1));
  EXPECT_FAILS(EINVAL, udp_send(server_, nullptr, "x", 1));
  EXPECT_FAILS(EINVAL, udp_send(server_, &none, "x", 1));
  EXPECT_FAILS(EINVAL, udp_send(server_, &v6, "x", 1));
  EXPECT_FAILS(EINVAL, udp_send(server_, &no_port, "x", 1));
  local = server_address_;
  EXPECT_FAILS(EADDRINUSE, udp_open(&local, nullptr));
  ASSERT_EQ(ipaddr_local(&local, "192.0.2.1", 0, 0), 0);  // RFC 5737
  EXPECT_FAILS(EADDRNOTAVAIL, udp_open(&local, nullptr));
}

TEST_F(CUdpTest, OtherHandles) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  char byte;
  dill_iolist list = {&byte, 1, nullptr, 0};
  EXPECT_FAILS(ENOTSUP, udp_send(s[0], &client_address_, "x", 1));
  EXPECT_FAILS(ENOTSUP, udp_send(s[0], &client_address_, nullptr, 1));
  EXPECT_FAILS(ENOTSUP, udp_sendl(s[0], &client_address_, &list, &list));
  EXPECT_FAILS(ENOTSUP, udp_recv(s[0], nullptr, &byte, 1, -1));
  EXPECT_FAILS(ENOTSUP, udp_recvl(s[0], nullptr, &list, &list, -1));
  for (const int h : s) EXPECT_EQ(hclose(h), 0);
  EXPECT_FAILS(EBADF, udp_send(s[0], &client_address_, "x", 1));
  EXPECT_FAILS(EBADF, udp_sendl(s[0], &client_address_, &list, &list));
  EXPECT_FAILS(EBADF, udp_recv(s[0], nullptr, &byte, 1, -1));
  EXPECT_FAILS(EBADF, udp_recvl(s[0], nullptr, &list, &list, -1));
  EXPECT_FAILS(ENOTSUP, brecv(server_, &byte, 1, -1));
  EXPECT_FAILS(ENOTSUP, tcp_close(server_, -1));
}

TEST_F(CUdpTest, NobodyThere) {
  EXPECT_EQ(hclose(server_), 0);
  EXPECT_EQ(udp_send(client_, nullptr, "x", 1), 0);
  char byte;
  EXPECT_FAILS(ECONNREFUSED, udp_recv(client_, nullptr, &byte, 1, -1));
  EXPECT_FAILS(ETIMEDOUT, udp_recv(client_, nullptr, &byte, 1, 0));
  EXPECT_EQ(udp_send(client_, nullptr, "x", 1), 0);
  EXPECT_TRUE(AwaitEvents(stream_fd(client_), 0));  // the answer
  EXPECT_FAILS(ECONNREFUSED, udp_send(client_, nullptr, "x", 1));
}

coroutine void ReceiveOne(int s, ssize_t* result) {
  char byte;
  *result = udp_recv(s, nullptr, &byte, 1, -1);
  if (*result < 0) *result = -errno;
}

TEST_F(CUdpTest, BlockedReceiver) {
  char byte;
  EXPECT_FAILS(ETIMEDOUT, udp_recv(server_, nullptr, &byte, 1, now() + 1));
  ssize_t result = 0;
  int h = go(ReceiveOne(server_, &result));
  EXPECT_FAILS(EBUSY, udp_recv(server_, nullptr, &byte, 1, -1));
  EXPECT_FAILS(EBUSY, mrecv(server_, &byte, 1, -1));
  EXPECT_EQ(udp_send(client_, nullptr, "x", 1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, 1);
  EXPECT_EQ(hclose(h), 0);
  h = go(ReceiveOne(server_, &result));
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(result, -ECANCELED);
  h = go(ReceiveOne(server_, &result));
  EXPECT_EQ(hclose(server_), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, -EBADF);
  EXPECT_EQ(hclose(h), 0);
}

coroutine void EverythingCancelled(int s, bool* checked) {
  CancelSelf();
  dill_udp_storage storage;
  char byte;
  EXPECT_FAILS(ECANCELED, udp_open(nullptr, nullptr));
  EXPECT_FAILS(ECANCELED, udp_open_mem(nullptr, nullptr, &storage));
  EXPECT_FAILS(ECANCELED, udp_recv(s, nullptr, &byte, 1, -1));
  EXPECT_FAILS(ECANCELED, msend(s, "x", 1, -1));
  EXPECT_EQ(udp_send(s, nullptr, "x", 1), 0);
  *checked = true;
}

TEST_F(CUdpTest, CancelledCoroutine) {
  bool checked = false;
  const int h = go(EverythingCancelled(client_, &checked));
  EXPECT_TRUE(checked);
  EXPECT_EQ(hclose(h), 0);
  char byte;
  EXPECT_EQ(udp_recv(server_, nullptr, &byte, 1, -1), 1);
}

TEST_F(CUdpTest, StorageOfTheCaller) {
  dill_udp_storage storage;
  for (int i = 0; i < 3; ++i) {
    const int s = udp_open_mem(nullptr, &server_address_, &storage);
    ASSERT_GT(s, 0);
    EXPECT_EQ(udp_send(s, nullptr, "x", 1), 0);
    EXPECT_EQ(udp_recvl(server_, nullptr, nullptr, nullptr, -1), 1);
    EXPECT_EQ(hclose(s), 0);
  }
}

TEST_F(CUdpTest, OutOfDescriptors) {
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const int probe = dup(0);
  const rlimit none = {static_cast<rlim_t>(probe), old.rlim_max};
  EXPECT_EQ(close(probe), 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_FAILS(EMFILE, udp_open(nullptr, nullptr));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
}

TEST_F(CUdpTest, Info) {
  EXPECT_EQ(udp_send(client_, nullptr, "hello", 5), 0);
  EXPECT_EQ(udp_recvl(server_, nullptr, nullptr, nullptr, -1), 5);
  dill_stream_info info;
  EXPECT_EQ(stream_query(client_, &info), 0);
  EXPECT_EQ(info.bytes_sent, 5u);
  EXPECT_EQ(stream_query(server_, &info), 0);
  EXPECT_EQ(info.bytes_received, 5u);
  dill_ipaddr addr;
  EXPECT_EQ(stream_remote(client_, &addr), 0);
  EXPECT_TRUE(ipaddr_equal(&addr, &server_address_, 0));
  EXPECT_FAILS(ENOTCONN, stream_remote(server_, &addr));
  EXPECT_GE(stream_fd(server_), 0);
}

}  // namespace
}  // namespace halfpipe
