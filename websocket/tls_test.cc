// WebSocket over TLS, with the C calls, over TCP and over memory,
// taken off layer by layer.

#include "bytestream/tls/tls.h"

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/msocket.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/test_certs.h"
#include "gtest/gtest.h"
#include "websocket/ws.h"

namespace halfpipe::websocket {
namespace {

class WebSocketOverTlsTest : public testing::Test {
 protected:
  WebSocketOverTlsTest() {
    const TestCerts& certs = TestCerts::Get();
    EXPECT_EQ(tls_trust_file(WriteTestFile("ca.pem", certs.ca.certificate).c_str()), 0);
    cert_ = WriteTestFile("cert.pem", certs.server.certificate);
    key_ = WriteTestFile("key.pem", certs.server.key);
  }
  ~WebSocketOverTlsTest() override {
    EXPECT_EQ(tls_trust_file(nullptr), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
  }

  static std::string Message(size_t size) {
    std::string message(size, '\0');
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<char>(i * 7 + i / 251);
    return message;
  }

  void Serve(int s) {
    s = tls_attach_server(s, cert_.c_str(), key_.c_str(), -1);
    ASSERT_GT(s, 0) << errno;
    char resource[64];
    char host[64];
    s = ws_attach_server(s, WS_BINARY, resource, sizeof(resource), host, sizeof(host), -1);
    ASSERT_GT(s, 0) << errno;
    EXPECT_STREQ(resource, "/chat");
    EXPECT_STREQ(host, "localhost");
    std::vector<char> buffer(300'000);
    ssize_t size;
    while ((size = mrecv(s, buffer.data(), buffer.size(), -1)) >= 0) {
      EXPECT_EQ(msend(s, buffer.data(), static_cast<size_t>(size), -1), 0);
    }
    EXPECT_EQ(errno, EPIPE);
    s = ws_detach(s, 1000, nullptr, 0, -1);
    ASSERT_GT(s, 0) << errno;
    s = tls_detach(s, -1);
    ASSERT_GT(s, 0) << errno;
    EXPECT_EQ(bsend(s, "plain", 5, -1), 0);
    EXPECT_EQ(hclose(s), 0);
  }

  void Talk(int s) {
    s = tls_attach_client_host(s, "localhost", -1);
    ASSERT_GT(s, 0) << errno;
    s = ws_attach_client(s, WS_BINARY, "/chat", "localhost", -1);
    ASSERT_GT(s, 0) << errno;
    std::vector<char> buffer(300'000);
    for (const size_t size : {0, 1, 125, 126, 16'383, 16'384, 65'536, 250'000}) {
      const std::string message = Message(size);
      EXPECT_EQ(msend(s, message.data(), message.size(), -1), 0);
      EXPECT_EQ(mrecv(s, buffer.data(), buffer.size(), -1), static_cast<ssize_t>(size));
      EXPECT_TRUE(message == std::string(buffer.data(), size));
    }
    s = ws_detach(s, 1000, nullptr, 0, -1);
    ASSERT_GT(s, 0) << errno;
    s = tls_detach(s, -1);
    ASSERT_GT(s, 0) << errno;
    EXPECT_EQ(brecv(s, buffer.data(), 5, -1), 0);
    EXPECT_EQ(std::string(buffer.data(), 5), "plain");
    EXPECT_EQ(hclose(s), 0);
  }

  void Run(int client, int server) {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { Serve(server); }), IsOk());
    Talk(client);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  std::string cert_;
  std::string key_;
};

// RFC 9110 section 7.4: a resource of https is to be had over TLS alone.
TEST_F(WebSocketOverTlsTest, TargetsOfHttps) {
  constexpr absl::string_view kRequest =
      "GET https://localhost/chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  for (const bool secured : {false, true}) {
    SCOPED_TRACE(secured);
    auto [a, b] = MakePair(&runtime_);
    int client = StreamHandle::Make(std::move(a));
    int server = StreamHandle::Make(std::move(b));
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      if (secured) server = tls_attach_server(server, cert_.c_str(), key_.c_str(), -1);
      ASSERT_GT(server, 0) << errno;
      const int ws = ws_attach_server(server, WS_BINARY, nullptr, 0, nullptr, 0, -1);
      EXPECT_EQ(ws > 0, secured);
      if (ws > 0) {
        EXPECT_EQ(hclose(ws), 0);
      }
    }),
                IsOk());
    if (secured) client = tls_attach_client_host(client, "localhost", -1);
    ASSERT_GT(client, 0) << errno;
    EXPECT_EQ(bsend(client, kRequest.data(), kRequest.size(), -1), 0);
    char answer[13];
    EXPECT_EQ(brecv(client, answer, sizeof(answer), -1), 0);
    EXPECT_EQ(absl::string_view(answer, sizeof(answer)),
              secured ? "HTTP/1.1 101 " : "HTTP/1.1 421 ");
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(hclose(client), 0);
  }
}

TEST_F(WebSocketOverTlsTest, OverTcp) {
  dill_ipaddr address;
  ASSERT_EQ(ipaddr_local(&address, "127.0.0.1", 0, IPADDR_IPV4), 0);
  const int listener = tcp_listen(&address, 5);
  const int client = tcp_connect(&address, -1);
  const int server = tcp_accept(listener, nullptr, -1);
  ASSERT_GT(server, 0);
  Run(client, server);
  EXPECT_EQ(hclose(listener), 0);
}

TEST_F(WebSocketOverTlsTest, OverMemory) {
  auto [a, b] = MakePair(&runtime_);
  const int client = StreamHandle::Make(std::move(a));
  const int server = StreamHandle::Make(std::move(b));
  Run(client, server);
}

}  // namespace
}  // namespace halfpipe::websocket
