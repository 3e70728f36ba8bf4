// Descriptors that are passed over a Unix socket stay with it while WebSocket is attached to it.

#include <fcntl.h>
#include <libdill.h>

#include <cerrno>

#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

coroutine void SayClose(int s, int passed, int* lower) {
  EXPECT_EQ(ws_send(s, WS_TEXT, "last", 4, -1), 0);
  *lower = ws_detach(s, 1000, nullptr, 0, -1);
  // Right behind our Close, which the peer has not yet looked at.
  EXPECT_EQ(ipc_sendfd(*lower, passed, -1), 0);
  EXPECT_EQ(bsend(*lower, "ab", 2, -1), 0);
}

// What comes behind the peer's Close may have been read ahead, with its descriptors.
TEST(Descriptors, SurviveDetach) {
  FdLeakCheck leaks;
  Runtime runtime;
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const int client = ws_attach_client(s[0], WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
  const int server = ws_attach_server(s[1], WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  ASSERT_GT(client, 0);
  ASSERT_GT(server, 0);
  EXPECT_EQ(ipc_sendfd(client, fds[1], -1), -1);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_EQ(ipc_recvfd(server, -1), -1);
  EXPECT_EQ(errno, ENOTSUP);

  EXPECT_EQ(ws_done(server, 1000, nullptr, 0, -1), 0);
  int client_lower = -1;
  const int h = go(SayClose(client, fds[1], &client_lower));
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
  // All of it has arrived: one receive brings the message, the Close and the descriptor.
  char text[4];
  EXPECT_EQ(ws_recv(server, nullptr, text, sizeof(text), -1), 4);
  const int lower = ws_detach(server, 1000, nullptr, 0, -1);
  ASSERT_GT(lower, 0);
  const int received = ipc_recvfd(lower, -1);
  ASSERT_GE(received, 0);
  EXPECT_EQ(write(received, "x", 1), 1);
  EXPECT_EQ(read(fds[0], text, 1), 1);
  EXPECT_EQ(brecv(lower, text, 2, -1), 0);
  EXPECT_EQ(text[1], 'b');
  for (const int fd : {received, fds[0], fds[1]}) EXPECT_EQ(close(fd), 0);
  for (const int end : {lower, client_lower}) EXPECT_EQ(hclose(end), 0);
}

}  // namespace
}  // namespace halfpipe::websocket
