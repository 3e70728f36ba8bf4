// A handle of HTTP or WebSocket is asked for the connection below it.

#include <cerrno>

#include "bytestream/runtime/runtime.h"
#include "bytestream/stream_info.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"
#include "http/http.h"
#include "websocket/ws.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe::websocket {
namespace {

void ExpectConnection(int s, const dill_ipaddr& peer, int fd) {
  dill_ipaddr addr;
  EXPECT_EQ(stream_remote(s, &addr), 0);
  EXPECT_TRUE(ipaddr_equal(&addr, &peer, 0));
  EXPECT_EQ(stream_fd(s), fd);
}

TEST(LayersInfo, HandlesOfLayersTellOfTheConnection) {
  FdLeakCheck leaks;
  Runtime runtime;
  dill_ipaddr address, client_address;
  ASSERT_EQ(ipaddr_local(&address, "127.0.0.1", 0, 0), 0);
  const int listener = tcp_listen(&address, 1);
  int client = tcp_connect(&address, -1);
  int server = tcp_accept(listener, &client_address, -1);
  const int client_fd = stream_fd(client);
  const int server_fd = stream_fd(server);

  client = http_attach(client);
  ASSERT_GT(client, 0);
  ExpectConnection(client, address, client_fd);
  client = http_detach(client, -1);

  client = ws_attach_client(client, WS_TEXT | WS_NOHTTP, nullptr, nullptr, -1);
  server = ws_attach_server(server, WS_TEXT | WS_NOHTTP, nullptr, 0, nullptr, 0, -1);
  ExpectConnection(client, address, client_fd);
  ExpectConnection(server, client_address, server_fd);
  EXPECT_EQ(ws_send(client, WS_TEXT, "hello", 5, -1), 0);
  dill_stream_info info;
  EXPECT_EQ(stream_query(client, &info), 0);
  EXPECT_EQ(info.bytes_sent, 11u);  // a header with its masking key, and five bytes
  EXPECT_GT(info.round_trip_us, 0);
  for (const int h : {client, server, listener}) EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(stream_fd(client), -1);
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace halfpipe::websocket
