#include "bytestream/stream_info.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "bytestream/net/net_test_support.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/stream_handle.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

class CStreamInfoTest : public CCallTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(ipaddr_local(&address_, "127.0.0.1", 0, 0), 0);
    listener_ = tcp_listen(&address_, 1);
    client_ = tcp_connect(&address_, -1);
    server_ = tcp_accept(listener_, &client_address_, -1);
    ASSERT_GT(server_, 0);
  }
  void TearDown() override {
    for (const int h : {listener_, client_, server_}) hclose(h);
    CCallTest::TearDown();
  }

  dill_ipaddr address_;
  dill_ipaddr client_address_;
  int listener_ = -1;
  int client_ = -1;
  int server_ = -1;
};

TEST_F(CStreamInfoTest, EndsOfAConnection) {
  dill_ipaddr addr;
  EXPECT_EQ(stream_remote(client_, &addr), 0);
  EXPECT_TRUE(ipaddr_equal(&addr, &address_, 0));
  EXPECT_EQ(stream_local(client_, &addr), 0);
  EXPECT_TRUE(ipaddr_equal(&addr, &client_address_, 0));
  EXPECT_EQ(stream_local(listener_, &addr), 0);
  EXPECT_TRUE(ipaddr_equal(&addr, &address_, 0));
  EXPECT_FAILS(ENOTCONN, stream_remote(listener_, &addr));
}

TEST_F(CStreamInfoTest, Descriptor) {
  const int fd = stream_fd(client_);
  ASSERT_GE(fd, 0);
  int type = 0;
  socklen_t size = sizeof(type);
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
  EXPECT_EQ(type, SOCK_STREAM);
  EXPECT_GE(stream_fd(listener_), 0);
  EXPECT_NE(stream_fd(listener_), fd);
}

TEST_F(CStreamInfoTest, Counters) {
  EXPECT_EQ(bsend(client_, "hello", 5, -1), 0);
  EXPECT_EQ(brecv(server_, nullptr, 2, -1), 0);
  dill_stream_info info;
  EXPECT_EQ(stream_query(client_, &info), 0);
  EXPECT_EQ(info.fd, stream_fd(client_));
  EXPECT_EQ(info.bytes_sent, 5u);
  EXPECT_EQ(info.bytes_received, 0u);
  EXPECT_EQ(info.tail_bytes, 0u);
  EXPECT_EQ(info.no_delay, 1);
  EXPECT_EQ(info.keep_alive, 0);
  EXPECT_GT(info.send_buffer_bytes, 0);
  EXPECT_GT(info.receive_buffer_bytes, 0);
  EXPECT_GT(info.round_trip_us, 0);
  EXPECT_GE(info.round_trip_variation_us, 0);
  EXPECT_EQ(stream_query(server_, &info), 0);
  EXPECT_EQ(info.bytes_received, 5u);
  EXPECT_EQ(info.buffered_bytes, 3u);

  const std::string much(1 << 20, 'm');
  EXPECT_EQ(bsend(client_, much.data(), much.size(), now() + 1), 0);
  EXPECT_EQ(stream_query(client_, &info), 0);
  EXPECT_EQ(info.bytes_sent + info.tail_bytes, 5 + much.size());
}

TEST_F(CStreamInfoTest, WhatDoesNotApply) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  dill_ipaddr addr;
  EXPECT_FAILS(ENOTSUP, stream_local(s[0], &addr));
  EXPECT_FAILS(ENOTSUP, stream_remote(s[0], &addr));
  EXPECT_GE(stream_fd(s[0]), 0);
  dill_stream_info info;
  EXPECT_EQ(stream_query(s[0], &info), 0);
  EXPECT_EQ(info.no_delay, -1);
  EXPECT_EQ(info.round_trip_us, -1);
  EXPECT_EQ(info.round_trip_variation_us, -1);
  for (const int h : s) EXPECT_EQ(hclose(h), 0);

  auto [a, b] = MakePair(&runtime_);
  const int pair = StreamHandle::Make(std::move(a));
  EXPECT_FAILS(ENOTSUP, stream_fd(pair));
  EXPECT_FAILS(ENOTSUP, stream_local(pair, &addr));
  EXPECT_EQ(bsend(pair, "abc", 3, -1), 0);
  EXPECT_EQ(stream_query(pair, &info), 0);
  EXPECT_EQ(info.fd, -1);
  EXPECT_EQ(info.bytes_sent, 3u);
  EXPECT_EQ(info.keep_alive, -1);
  EXPECT_EQ(info.send_buffer_bytes, -1);
  EXPECT_EQ(info.receive_buffer_bytes, -1);
  EXPECT_EQ(hclose(pair), 0);
}

TEST_F(CStreamInfoTest, BadArgumentsAndHandles) {
  dill_ipaddr addr;
  dill_stream_info info;
  EXPECT_FAILS(EINVAL, stream_query(client_, nullptr));
  EXPECT_FAILS(EINVAL, stream_local(client_, nullptr));
  EXPECT_FAILS(EINVAL, stream_remote(client_, nullptr));
  const int b = bundle();
  EXPECT_FAILS(ENOTSUP, stream_query(b, &info));
  EXPECT_FAILS(ENOTSUP, stream_local(b, &addr));
  EXPECT_FAILS(ENOTSUP, stream_remote(b, &addr));
  EXPECT_FAILS(ENOTSUP, stream_fd(b));
  EXPECT_EQ(hclose(b), 0);
  EXPECT_FAILS(EBADF, stream_query(b, &info));
  EXPECT_FAILS(EBADF, stream_local(b, &addr));
  EXPECT_FAILS(EBADF, stream_remote(b, &addr));
  EXPECT_FAILS(EBADF, stream_fd(b));
}

// The peer has gone with a reset: the system knows no peer any more.
TEST_F(CStreamInfoTest, FailedConnection) {
  EXPECT_EQ(bsend(client_, "unread", 6, -1), 0);
  char byte;
  EXPECT_EQ(brecv(server_, &byte, 1, -1), 0);
  EXPECT_EQ(bsend(server_, "unread", 6, -1), 0);
  EXPECT_TRUE(AwaitEvents(stream_fd(client_), POLLIN));
  EXPECT_EQ(hclose(client_), 0);  // with unread input: a reset
  EXPECT_EQ(brecv(server_, nullptr, 5, -1), 0);
  EXPECT_FAILS(ECONNRESET, brecv(server_, &byte, 1, -1));
  dill_ipaddr addr;
  EXPECT_FAILS(ENOTCONN, stream_remote(server_, &addr));
  EXPECT_EQ(stream_local(server_, &addr), 0);
}

// One that we have reset, because the tail was above its limit, has no descriptor any more.
TEST_F(CStreamInfoTest, ConnectionThatWasReset) {
  const std::string much(8 << 20, 'm');
  EXPECT_FAILS(ECONNRESET, bsend(client_, much.data(), much.size(), 0));
  dill_ipaddr addr;
  dill_stream_info info;
  EXPECT_FAILS(ENOTSUP, stream_fd(client_));
  EXPECT_FAILS(ENOTSUP, stream_local(client_, &addr));
  EXPECT_FAILS(ENOTSUP, stream_remote(client_, &addr));
  EXPECT_EQ(stream_query(client_, &info), 0);
  EXPECT_EQ(info.fd, -1);
}

// Asking disturbs nobody who is waiting.
TEST_F(CStreamInfoTest, WhileOthersWait) {
  int result = 1;
  const int h = go([](int s, int* received) {
    char byte;
    *received = brecv(s, &byte, 1, -1);
  }(server_, &result));
  dill_stream_info info;
  EXPECT_EQ(stream_query(server_, &info), 0);
  EXPECT_EQ(result, 1);
  EXPECT_EQ(bsend(client_, "x", 1, -1), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(hclose(h), 0);
}

}  // namespace
}  // namespace halfpipe
