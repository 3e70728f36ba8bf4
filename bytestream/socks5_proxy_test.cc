// A proxy as a program would write it with the C calls: it accepts TCP connections, connects to
// where its clients want to go, and carries bytes both ways until either side is done.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bytestream/sockets.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/socks5.h"
#include "bytestream/testing/refusing_port.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

int Allow(const char* username, const char* password) {
  return std::string(username) == "user" && std::string(password) == "secret";
}

int Listen(int* port) {
  struct ipaddr addr;
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  const int listener = tcp_listen(&addr, 10);
  EXPECT_GT(listener, 0);
  *port = ipaddr_port(&addr);
  return listener;
}

// Everything from one connection to the other, byte by byte, and then the end of the stream.
coroutine void Carry(int from, int to) {
  char byte;
  while (brecv(from, &byte, 1, -1) == 0 && bsend(to, &byte, 1, -1) == 0) {
  }
  tcp_done(to, -1);
}

coroutine void Echo(int listener) {
  const int s = tcp_accept(listener, nullptr, -1);
  if (s < 0) return;
  char byte;
  while (brecv(s, &byte, 1, -1) == 0 && bsend(s, &byte, 1, -1) == 0) {
  }
  tcp_done(s, -1);
  hclose(s);
}

int ReplyFor(int error) {
  switch (error) {
    case ECONNREFUSED:
      return SOCKS5_CONNECTION_REFUSED;
    case EADDRNOTAVAIL:
    case EHOSTUNREACH:
      return SOCKS5_HOST_UNREACHABLE;
    default:
      return SOCKS5_GENERAL_FAILURE;
  }
}

// The target that the client asks for, or -1 with a reply for the client.
int ConnectToTarget(int s, bool by_name, int* reply) {
  struct ipaddr addr;
  int command = 0;
  if (by_name) {
    char host[256];
    int port = 0;
    command = socks5_proxy_recvcommandbyname(s, host, &port, -1);
    if (command > 0 && ipaddr_remote(&addr, host, port, 0, -1) != 0) command = -1;
  } else {
    command = socks5_proxy_recvcommand(s, &addr, -1);
  }
  *reply = command < 0 ? ReplyFor(errno) : SOCKS5_COMMAND_NOT_SUPPORTED;
  if (command != SOCKS5_CONNECT) return -1;
  const int target = tcp_connect(&addr, -1);
  *reply = target < 0 ? ReplyFor(errno) : SOCKS5_SUCCESS;
  return target;
}

// One client of the proxy.
coroutine void Proxy(int listener, bool password, bool by_name) {
  const int s = tcp_accept(listener, nullptr, -1);
  if (s < 0) return;
  if (socks5_proxy_auth(s, password ? Allow : nullptr, -1) == 0) {
    int reply = 0;
    const int target = ConnectToTarget(s, by_name, &reply);
    struct ipaddr bound;
    EXPECT_EQ(ipaddr_remote(&bound, "127.0.0.1", 0, 0, -1), 0);
    EXPECT_EQ(socks5_proxy_sendreply(s, reply, &bound, -1), 0);
    if (target >= 0) {
      const int both = bundle();
      bundle_go(both, Carry(s, target));
      bundle_go(both, Carry(target, s));
      bundle_wait(both, -1);
      hclose(both);
      hclose(target);
    }
  }
  tcp_close(s, now() + 10000);
}

class Socks5ProxyTest : public CCallTest {
 protected:
  // Connects to the proxy, and to nobody yet.
  int ConnectToProxy() {
    struct ipaddr addr;
    EXPECT_EQ(ipaddr_remote(&addr, "127.0.0.1", proxy_port_, 0, -1), 0);
    return tcp_connect(&addr, -1);
  }

  // Through the connection `s`, with an end of its own in each direction.
  void ExpectEcho(int s) {
    const std::string text = "there and back";
    ASSERT_EQ(bsend(s, text.data(), text.size(), -1), 0);
    ASSERT_EQ(tcp_done(s, -1), 0);
    std::string back(text.size(), ' ');
    ASSERT_EQ(brecv(s, back.data(), back.size(), -1), 0);
    EXPECT_EQ(back, text);
    char byte;
    EXPECT_FAILS(EPIPE, brecv(s, &byte, 1, -1));
  }

  int proxy_port_ = 0;
};

TEST_F(Socks5ProxyTest, EachWayToAsk) {
  for (const bool password : {false, true}) {
    for (const bool resolve_here : {false, true}) {
      for (const char* host : {"", "127.0.0.1", "localhost"}) {
        SCOPED_TRACE(testing::Message() << password << resolve_here << "'" << host << "'");
        int port = 0;
        const int echo_listener = Listen(&port);
        const int proxy_listener = Listen(&proxy_port_);
        const int all = bundle();
        ASSERT_EQ(bundle_go(all, Echo(echo_listener)), 0);
        ASSERT_EQ(bundle_go(all, Proxy(proxy_listener, password, resolve_here)), 0);
        const int s = ConnectToProxy();
        ASSERT_GT(s, 0);
        const char* const username = password ? "user" : nullptr;
        const char* const secret = password ? "secret" : nullptr;
        struct ipaddr target;
        ASSERT_EQ(ipaddr_remote(&target, "127.0.0.1", port, 0, -1), 0);
        EXPECT_EQ(*host == '\0' ? socks5_client_connect(s, username, secret, &target, -1)
                                : socks5_client_connectbyname(s, username, secret, host, port, -1),
                  0);
        ExpectEcho(s);
        EXPECT_EQ(bundle_wait(all, -1), 0);
        for (const int h : {s, all, echo_listener, proxy_listener}) EXPECT_EQ(hclose(h), 0);
      }
    }
  }
}

// Each failure has its errno at the client, whose connection is there to be closed.
TEST_F(Socks5ProxyTest, Failures) {
  const RefusingPort refusing;
  const struct {
    const char* host;
    const char* secret;
    int error;
  } kCases[] = {
      {"127.0.0.1", "secret", ECONNREFUSED},
      {"nobody.invalid", "secret", EHOSTUNREACH},
      {"127.0.0.1", "wrong", EACCES},
      {"127.0.0.1", nullptr, EACCES},
  };
  for (const auto& test : kCases) {
    for (const bool resolve_here : {false, true}) {
      SCOPED_TRACE(testing::Message() << test.host << " " << resolve_here);
      const int proxy_listener = Listen(&proxy_port_);
      const int proxy = go(Proxy(proxy_listener, true, resolve_here));
      const int s = ConnectToProxy();
      EXPECT_FAILS(test.error, socks5_client_connectbyname(s, "user", test.secret, test.host,
                                                           refusing.number(), -1));
      EXPECT_EQ(hclose(s), 0);
      EXPECT_EQ(bundle_wait(proxy, -1), 0);
      for (const int h : {proxy, proxy_listener}) EXPECT_EQ(hclose(h), 0);
    }
  }
}

}  // namespace
}  // namespace halfpipe
