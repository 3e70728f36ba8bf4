// The C calls of socks5.h: each errno, each transport, and what stays in the stream.

#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/socks5.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/user_protocol.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

enum class Transport { kPair, kUnix, kTcp, kUser };

std::string Bytes(std::initializer_list<int> bytes) {
  return std::string(bytes.begin(), bytes.end());
}

std::string ReplyBytes(int code) { return Bytes({5, code, 0, 1, 0, 0, 0, 0, 0, 0}); }

std::string g_seen;  // what the last call of an authentication function was given

int Remember(const char* username, const char* password) {
  g_seen = std::string(username) + ":" + password;
  return 1;
}
int RememberSlowly(const char* username, const char* password) {
  EXPECT_EQ(yield(), 0);
  return Remember(username, password);
}
int Refuse(const char*, const char*) { return 0; }

class Socks5CallsTest : public CCallTest {
 protected:
  Socks5CallsTest() {
    g_seen.clear();
    EXPECT_EQ(ipaddr_remote(&addr_, "10.1.2.3", 5555, 0, -1), 0);
  }

  std::pair<int, int> Connect(Transport transport) {
    int s[2];
    switch (transport) {
      case Transport::kPair: {
        auto [a, b] = MakePair(&runtime_);
        return {StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b))};
      }
      case Transport::kUnix:
        EXPECT_EQ(ipc_pair(s), 0);
        return {s[0], s[1]};
      case Transport::kUser:
        EXPECT_EQ(ipc_pair(s), 0);
        return {FlipAttach(s[0], nullptr), FlipAttach(s[1], nullptr)};
      case Transport::kTcp:
        break;
    }
    struct ipaddr addr;
    EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
    const int listener = tcp_listen(&addr, 10);
    const int client = tcp_connect(&addr, -1);
    const int server = tcp_accept(listener, nullptr, -1);
    EXPECT_EQ(hclose(listener), 0);
    return {client, server};
  }
  std::pair<int, int> Connect() { return Connect(Transport::kPair); }

  static void Send(int s, absl::string_view bytes) {
    EXPECT_EQ(bsend(s, bytes.data(), bytes.size(), -1), 0);
  }
  static std::string Receive(int s, size_t size) {
    std::string bytes(size, ' ');
    EXPECT_EQ(brecv(s, bytes.data(), size, now() + 60000), 0);
    return bytes;
  }
  static void CloseBoth(std::pair<int, int> s) {
    EXPECT_EQ(hclose(s.first), 0);
    EXPECT_EQ(hclose(s.second), 0);
  }

  // A client's whole talk against the bytes of a proxy, which are there before it begins.
  int ClientAgainst(const std::string& answers, const char* username = nullptr,
                    const char* password = nullptr) {
    auto s = Connect();
    Send(s.second, answers);
    const int result =
        socks5_client_connectbyname(s.first, username, password, "a.example", 80, -1);
    const int error = errno;
    // The handle is still the caller's.
    CloseBoth(s);
    errno = error;
    return result;
  }

  // The proxy's functions against the bytes of a client.
  template <typename Function>
  int ProxyAgainst(const std::string& bytes, Function function, bool end = false) {
    auto s = Connect();
    if (!bytes.empty()) Send(s.second, bytes);
    if (end) hclose(s.second);
    const int result = function(s.first);
    const int error = errno;
    EXPECT_EQ(hclose(s.first), 0);
    if (!end) hclose(s.second);
    errno = error;
    return result;
  }

  struct ipaddr addr_;
};

struct Proxied {
  int command = 0;
  std::string host;
  int port = 0;
};

coroutine void Proxy(int s, dill_socks5_auth_function* auth, Proxied* seen) {
  if (socks5_proxy_auth(s, auth, -1) != 0) return;
  char host[256];
  seen->command = socks5_proxy_recvcommandbyname(s, host, &seen->port, -1);
  if (seen->command < 0) return;
  seen->host = host;
  struct ipaddr bound;
  // The client may have gone.
  if (ipaddr_remote(&bound, "::1", 7, IPADDR_IPV6, -1) != 0) return;
  if (socks5_proxy_sendreply(s, SOCKS5_SUCCESS, &bound, -1) == 0) bsend(s, "hello", 5, -1);
}

class Socks5TransportTest : public Socks5CallsTest,
                            public testing::WithParamInterface<Transport> {};

INSTANTIATE_TEST_SUITE_P(All, Socks5TransportTest,
                         testing::Values(Transport::kPair, Transport::kUnix, Transport::kTcp,
                                         Transport::kUser));

TEST_P(Socks5TransportTest, WholeTalk) {
  struct ipaddr v6;
  ASSERT_EQ(ipaddr_remote(&v6, "2001:db8::7", 443, IPADDR_IPV6, -1), 0);
  for (const bool password : {false, true}) {
    for (int way = 0; way < 4; ++way) {
      const std::pair<int, int> ends = Connect(GetParam());
      const int client = ends.first;
      const int proxy = ends.second;
      ASSERT_GT(client, 0);
      ASSERT_GT(proxy, 0);
      Proxied seen;
      const int h = go(Proxy(proxy, password ? RememberSlowly : nullptr, &seen));
      const char* const username = password ? "user" : nullptr;
      const char* const secret = password ? "pass" : nullptr;
      int result = -1;
      std::string host = "10.1.2.3";
      int port = 5555;
      if (way == 0) result = socks5_client_connect(client, username, secret, &addr_, -1);
      if (way == 1) result = socks5_client_connect(client, username, secret, &v6, -1);
      if (way == 1) host = "2001:db8::7", port = 443;
      if (way == 2)
        result = socks5_client_connectbyname(client, username, secret, "10.1.2.3", 5555, -1);
      if (way == 3) host = std::string(255, 'h'), port = 65535;
      if (way == 3) {
        result = socks5_client_connectbyname(client, username, secret, host.c_str(), port, -1);
      }
      EXPECT_EQ(result, 0) << errno;
      EXPECT_EQ(Receive(client, 5), "hello");
      EXPECT_EQ(bundle_wait(h, -1), 0);
      EXPECT_EQ(seen.command, SOCKS5_CONNECT);
      EXPECT_EQ(seen.host, host);
      EXPECT_EQ(seen.port, port);
      EXPECT_EQ(g_seen, password ? "user:pass" : "");
      EXPECT_EQ(hclose(h), 0);
      CloseBoth({client, proxy});
    }
  }
}

// A command that comes in pieces is there for the call in whose time it is whole.
TEST_P(Socks5TransportTest, CallsAgain) {
  const std::string command = Bytes({5, 2, 0, 3, 9}) + "a.example" + Bytes({0, 80});
  auto [client, proxy] = Connect(GetParam());
  char host[256];
  int port = 0;
  for (const char& byte : command) {
    EXPECT_FAILS(ETIMEDOUT, socks5_proxy_recvcommand(proxy, &addr_, 0));
    EXPECT_FAILS(ETIMEDOUT, socks5_proxy_recvcommandbyname(proxy, host, &port, now() + 2));
    Send(client, absl::string_view(&byte, 1));
  }
  EXPECT_EQ(socks5_proxy_recvcommandbyname(proxy, host, &port, -1), SOCKS5_BIND);
  EXPECT_STREQ(host, "a.example");
  EXPECT_EQ(port, 80);
  CloseBoth({client, proxy});
}

TEST_F(Socks5CallsTest, HandlesThatAreNone) {
  char host[256];
  int port = 0;
  const int h = bundle();
  for (const int s : {-1, 0, 12345, h}) {
    const int error = s == h ? ENOTSUP : EBADF;
    EXPECT_FAILS(error, socks5_client_connect(s, nullptr, nullptr, &addr_, -1));
    EXPECT_FAILS(error, socks5_client_connectbyname(s, nullptr, nullptr, "a", 1, -1));
    EXPECT_FAILS(error, socks5_proxy_auth(s, nullptr, -1));
    EXPECT_FAILS(error, socks5_proxy_recvcommand(s, &addr_, -1));
    EXPECT_FAILS(error, socks5_proxy_recvcommandbyname(s, host, &port, -1));
    EXPECT_FAILS(error, socks5_proxy_sendreply(s, 0, &addr_, -1));
  }
  EXPECT_EQ(hclose(h), 0);
}

TEST_F(Socks5CallsTest, BadArguments) {
  auto s = Connect();
  const std::string longer(256, 'x');
  char host[256];
  int port = 0;
  struct ipaddr none;
  std::memset(&none, 0, sizeof(none));
  struct ipaddr no_port = addr_;
  ipaddr_setport(&no_port, 0);
  EXPECT_FAILS(EINVAL, socks5_client_connect(s.first, nullptr, nullptr, nullptr, -1));
  EXPECT_FAILS(EINVAL, socks5_client_connect(s.first, nullptr, nullptr, &none, -1));
  EXPECT_FAILS(EINVAL, socks5_client_connect(s.first, nullptr, nullptr, &no_port, -1));
  const auto by_name = [&](const char* username, const char* password, const char* name, int to) {
    return socks5_client_connectbyname(s.first, username, password, name, to, -1);
  };
  EXPECT_FAILS(EINVAL, by_name(nullptr, nullptr, nullptr, 80));
  EXPECT_FAILS(EINVAL, by_name(nullptr, nullptr, "", 80));
  for (const int bad : {-1, 0, 65536}) EXPECT_FAILS(EINVAL, by_name(nullptr, nullptr, "a", bad));
  EXPECT_FAILS(EMSGSIZE, by_name(nullptr, nullptr, longer.c_str(), 80));
  EXPECT_FAILS(EINVAL, by_name("", "p", "a", 80));
  EXPECT_FAILS(EINVAL, by_name("u", "", "a", 80));
  EXPECT_FAILS(EMSGSIZE, by_name(longer.c_str(), "p", "a", 80));
  EXPECT_FAILS(EMSGSIZE, by_name("u", longer.c_str(), "a", 80));
  EXPECT_FAILS(EINVAL, socks5_proxy_recvcommand(s.first, nullptr, -1));
  EXPECT_FAILS(EINVAL, socks5_proxy_recvcommandbyname(s.first, nullptr, &port, -1));
  EXPECT_FAILS(EINVAL, socks5_proxy_recvcommandbyname(s.first, host, nullptr, -1));
  for (const int bad : {-1, 9, 255, 256, 1 << 20}) {
    EXPECT_FAILS(EINVAL, socks5_proxy_sendreply(s.first, bad, &addr_, -1));
  }
  EXPECT_FAILS(EINVAL, socks5_proxy_sendreply(s.first, 0, nullptr, -1));
  EXPECT_FAILS(EINVAL, socks5_proxy_sendreply(s.first, 0, &none, -1));
  // Nothing was sent.
  char byte;
  EXPECT_FAILS(ETIMEDOUT, brecv(s.second, &byte, 1, 0));
  CloseBoth(s);
}

// A username without a password, or the other way round, is neither.
TEST_F(Socks5CallsTest, HalfTheCredentials) {
  for (const bool username : {false, true}) {
    auto s = Connect();
    Send(s.second, Bytes({5, 0}) + ReplyBytes(0));
    EXPECT_EQ(socks5_client_connect(s.first, username ? "u" : nullptr, username ? nullptr : "p",
                                    &addr_, -1),
              0);
    EXPECT_EQ(Receive(s.second, 3), Bytes({5, 1, 0}));
    CloseBoth(s);
  }
}

TEST_F(Socks5CallsTest, EachReply) {
  const int errors[] = {
      0,         EIO,        EACCES,       ENETUNREACH, EHOSTUNREACH, ECONNREFUSED,
      ETIMEDOUT, EOPNOTSUPP, EAFNOSUPPORT, EPROTO};
  for (int code = 1; code < 10; ++code) {
    EXPECT_FAILS(errors[code], ClientAgainst(Bytes({5, 0}) + ReplyBytes(code)));
    if (code > 8) continue;
    auto s = Connect();
    EXPECT_EQ(socks5_proxy_sendreply(s.first, code, &addr_, -1), 0);
    EXPECT_EQ(Receive(s.second, 10), Bytes({5, code, 0, 1, 10, 1, 2, 3, 0x15, 0xb3}));
    CloseBoth(s);
  }
}

TEST_F(Socks5CallsTest, ProxyRefusesTheClient) {
  EXPECT_FAILS(EACCES, ClientAgainst(Bytes({5, 255})));
  EXPECT_FAILS(EACCES, ClientAgainst(Bytes({5, 2, 1, 1}), "u", "p"));
  EXPECT_FAILS(EPROTO, ClientAgainst(Bytes({5, 2, 1, 0})));  // was not offered
  EXPECT_FAILS(EPROTO, ClientAgainst("HTTP/1.1 400\r\n"));
}

TEST_F(Socks5CallsTest, ProxyGoesAway) {
  auto s = Connect();
  EXPECT_EQ(hclose(s.second), 0);
  EXPECT_FAILS(ECONNRESET, socks5_client_connect(s.first, nullptr, nullptr, &addr_, -1));
  EXPECT_EQ(hclose(s.first), 0);
  int u[2];
  ASSERT_EQ(ipc_pair(u), 0);
  Send(u[1], Bytes({5, 0, 5}));
  ASSERT_EQ(ipc_done(u[1], -1), 0);
  EXPECT_FAILS(ECONNRESET, socks5_client_connect(u[0], nullptr, nullptr, &addr_, -1));
  // And our own end:
  ASSERT_EQ(ipc_done(u[0], -1), 0);
  EXPECT_FAILS(EPIPE, socks5_client_connect(u[0], nullptr, nullptr, &addr_, -1));
  EXPECT_FAILS(EPIPE, socks5_proxy_sendreply(u[0], 0, &addr_, -1));
  CloseBoth({u[0], u[1]});
}

TEST_F(Socks5CallsTest, AuthErrors) {
  const auto auth = [](dill_socks5_auth_function* function) {
    return [function](int s) { return socks5_proxy_auth(s, function, -1); };
  };
  const std::string password = Bytes({5, 1, 2, 1, 1}) + "u" + Bytes({1}) + "p";
  EXPECT_EQ(ProxyAgainst(password, auth(Remember)), 0);
  EXPECT_EQ(g_seen, "u:p");
  EXPECT_FAILS(EACCES, ProxyAgainst(password, auth(Refuse)));
  EXPECT_FAILS(EACCES, ProxyAgainst(password, auth(nullptr)));
  EXPECT_FAILS(EACCES, ProxyAgainst(Bytes({5, 1, 0}), auth(Refuse)));
  EXPECT_FAILS(EPROTO, ProxyAgainst(Bytes({4, 1}), auth(nullptr)));
  EXPECT_FAILS(EPROTO, ProxyAgainst(Bytes({5, 1, 2, 1, 2}) + "u" + Bytes({0}), auth(Remember)));
  EXPECT_FAILS(EPIPE, ProxyAgainst("", auth(nullptr), true));
  EXPECT_FAILS(ECONNRESET, ProxyAgainst(Bytes({5}), auth(nullptr), true));
  // The longest ones arrive whole.
  const std::string longest(255, 'x');
  EXPECT_EQ(
      ProxyAgainst(Bytes({5, 1, 2, 1, 255}) + longest + Bytes({255}) + longest, auth(Remember)), 0);
  EXPECT_EQ(g_seen, longest + ":" + longest);
}

TEST_F(Socks5CallsTest, CommandErrors) {
  const auto by_address = [&](int s) { return socks5_proxy_recvcommand(s, &addr_, -1); };
  const auto by_name = [](int s) {
    char host[256];
    int port;
    return socks5_proxy_recvcommandbyname(s, host, &port, -1);
  };
  for (const int command : {SOCKS5_CONNECT, SOCKS5_BIND, SOCKS5_UDP_ASSOCIATE}) {
    const std::string bytes = Bytes({5, command, 0, 1, 1, 2, 3, 4, 0, 0});
    EXPECT_EQ(ProxyAgainst(bytes, by_address), command);
    EXPECT_EQ(ProxyAgainst(bytes, by_name), command);
  }
  for (const std::string& bytes : {Bytes({5, 4, 0, 1, 1, 2, 3, 4, 0, 80}), Bytes({5, 1, 0, 2, 1}),
                                   Bytes({5, 1, 9, 1, 1}), Bytes({4, 1, 0, 1, 1})}) {
    EXPECT_FAILS(EPROTO, ProxyAgainst(bytes, by_address));
    EXPECT_FAILS(EPROTO, ProxyAgainst(bytes, by_name));
  }
  EXPECT_FAILS(EPIPE, ProxyAgainst("", by_address, true));
  EXPECT_FAILS(EPIPE, ProxyAgainst("", by_name, true));
  EXPECT_FAILS(ECONNRESET, ProxyAgainst(Bytes({5, 1}), by_address, true));
  EXPECT_FAILS(ECONNRESET, ProxyAgainst(Bytes({5, 1}), by_name, true));
}

TEST_F(Socks5CallsTest, AddressesOfCommands) {
  const auto receive = [&](int s) { return socks5_proxy_recvcommand(s, &addr_, -1); };
  char text[IPADDR_MAXSTRLEN];
  EXPECT_EQ(ProxyAgainst(Bytes({5, 1, 0, 1, 1, 2, 3, 4, 1, 2}), receive), SOCKS5_CONNECT);
  EXPECT_STREQ(ipaddr_str(&addr_, text), "1.2.3.4");
  EXPECT_EQ(ipaddr_port(&addr_), 0x102);
  EXPECT_EQ(ProxyAgainst(Bytes({5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0,   0,
                                0, 0, 0, 0, 0,    0, 0,   0,    9, 255, 255}),
                         receive),
            SOCKS5_CONNECT);
  EXPECT_STREQ(ipaddr_str(&addr_, text), "2001:db8::9");
  EXPECT_EQ(ipaddr_port(&addr_), 65535);
}

// ---- Names that the proxy looks up ----

class Socks5LookupTest : public Socks5CallsTest {
 protected:
  Socks5LookupTest() {
    auto resolver = std::make_unique<FakeResolver>(&runtime_);
    resolver_ = resolver.get();
    SetRuntimeResolver(&runtime_, std::move(resolver));
    connection_ = Connect();
    Send(connection_.second, Bytes({5, 1, 0, 3, 9}) + "a.example" + Bytes({0, 80}) + "rest");
  }
  void TearDown() override {
    EXPECT_EQ(Receive(connection_.first, 4), "rest");
    CloseBoth(connection_);
    Socks5CallsTest::TearDown();
  }

  int Command(int64_t deadline = -1) {
    return socks5_proxy_recvcommand(connection_.first, &addr_, deadline);
  }
  void Know() { resolver_->Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}}); }
  void ExpectCommand() {
    EXPECT_EQ(Command(), SOCKS5_CONNECT);
    char text[IPADDR_MAXSTRLEN];
    EXPECT_STREQ(ipaddr_str(&addr_, text), "192.0.2.1");
    EXPECT_EQ(ipaddr_port(&addr_), 80);
  }

  FakeResolver* resolver_;
  std::pair<int, int> connection_;
};

TEST_F(Socks5LookupTest, Found) {
  Know();
  ExpectCommand();
}

TEST_F(Socks5LookupTest, NoSuchName) {
  EXPECT_FAILS(EADDRNOTAVAIL, Command());
  EXPECT_EQ(socks5_proxy_sendreply(connection_.first, SOCKS5_HOST_UNREACHABLE, &addr_, -1), 0);
}

TEST_F(Socks5LookupTest, NoAnswer) {
  for (const IpFamily family : {IpFamily::kIpv4, IpFamily::kIpv6}) {
    resolver_->Say("a.example", family, {.error = EHOSTUNREACH});
  }
  EXPECT_FAILS(EHOSTUNREACH, Command());
}

// The command is received by a later call.
TEST_F(Socks5LookupTest, Interrupted) {
  for (const IpFamily family : {IpFamily::kIpv4, IpFamily::kIpv6}) {
    resolver_->Say("a.example", family, {.delay = absl::InfiniteDuration()});
  }
  EXPECT_FAILS(ETIMEDOUT, Command(now() + 20));
  const int h = go([](int s) {
    struct ipaddr addr;
    EXPECT_FAILS(ECANCELED, socks5_proxy_recvcommand(s, &addr, -1));
  }(connection_.first));
  EXPECT_EQ(hclose(h), 0);
  for (const IpFamily family : {IpFamily::kIpv4, IpFamily::kIpv6}) {
    resolver_->Say("a.example", family, {.error = EMFILE});
  }
  EXPECT_FAILS(EMFILE, Command());
  Know();
  ExpectCommand();
}

// ---- Time, cancelling, others ----

TEST_F(Socks5CallsTest, OtherCoroutines) {
  auto s = Connect();
  const int h = go([](int socket) {
    char byte;
    EXPECT_FAILS(ECANCELED, brecv(socket, &byte, 1, -1));
  }(s.first));
  char host[256];
  int port;
  EXPECT_FAILS(EBUSY, socks5_client_connect(s.first, nullptr, nullptr, &addr_, -1));
  EXPECT_FAILS(EBUSY, socks5_client_connectbyname(s.first, nullptr, nullptr, "a", 1, -1));
  EXPECT_FAILS(EBUSY, socks5_proxy_auth(s.first, nullptr, -1));
  EXPECT_FAILS(EBUSY, socks5_proxy_recvcommand(s.first, &addr_, -1));
  EXPECT_FAILS(EBUSY, socks5_proxy_recvcommandbyname(s.first, host, &port, -1));
  EXPECT_EQ(hclose(h), 0);
  char byte;
  EXPECT_FAILS(ETIMEDOUT, brecv(s.second, &byte, 1, 0));
  CloseBoth(s);

  // A sender that is blocked: sendreply cannot be one more.
  s = Connect(Transport::kUnix);
  const int sender = go([](int socket) {
    const std::string block(1 << 16, 'x');
    while (bsend(socket, block.data(), block.size(), -1) == 0) {
    }
    EXPECT_EQ(errno, ECANCELED);
  }(s.first));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(yield(), 0);  // as many turns as it can need
  EXPECT_FAILS(EBUSY, socks5_proxy_sendreply(s.first, 0, &addr_, -1));
  EXPECT_EQ(hclose(sender), 0);
  CloseBoth(s);
}

TEST_F(Socks5CallsTest, NothingComes) {
  auto s = Connect();
  char host[256];
  int port;
  EXPECT_FAILS(ETIMEDOUT, socks5_proxy_auth(s.first, nullptr, 0));
  EXPECT_FAILS(ETIMEDOUT, socks5_proxy_recvcommand(s.first, &addr_, now() + 5));
  EXPECT_FAILS(ETIMEDOUT, socks5_proxy_recvcommandbyname(s.first, host, &port, now() + 5));
  EXPECT_FAILS(ETIMEDOUT, socks5_client_connect(s.first, nullptr, nullptr, &addr_, now() + 5));
  CloseBoth(s);
}

TEST_F(Socks5CallsTest, InACoroutineThatIsBeingClosed) {
  auto s = Connect();
  const int h = go([](int socket, struct ipaddr addr) {
    CancelSelf();
    char host[256];
    int port;
    EXPECT_FAILS(ECANCELED, socks5_client_connect(socket, nullptr, nullptr, &addr, -1));
    EXPECT_FAILS(ECANCELED, socks5_client_connectbyname(socket, nullptr, nullptr, "a", 1, -1));
    EXPECT_FAILS(ECANCELED, socks5_proxy_auth(socket, nullptr, -1));
    EXPECT_FAILS(ECANCELED, socks5_proxy_recvcommand(socket, &addr, -1));
    EXPECT_FAILS(ECANCELED, socks5_proxy_recvcommandbyname(socket, host, &port, -1));
    EXPECT_FAILS(ECANCELED, socks5_proxy_sendreply(socket, 0, &addr, -1));
  }(s.first, addr_));
  EXPECT_EQ(hclose(h), 0);
  char byte;
  EXPECT_FAILS(ETIMEDOUT, brecv(s.second, &byte, 1, 0));
  CloseBoth(s);
}

TEST_F(Socks5CallsTest, ClosedDuringTheTalk) {
  auto s = Connect();
  const int h = go([](int socket, struct ipaddr addr) {
    EXPECT_FAILS(EBADF, socks5_client_connect(socket, nullptr, nullptr, &addr, -1));
  }(s.first, addr_));
  EXPECT_EQ(hclose(s.first), 0);
  EXPECT_EQ(bundle_wait(h, -1), 0);
  EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(hclose(s.second), 0);
}

coroutine void ClientOfSweep(int s, WaitFault* fault, int error, struct ipaddr addr) {
  fault->set_only(Runtime::Current().current());
  const int result = socks5_client_connect(s, "user", "pass", &addr, -1);
  const int told = errno;
  EXPECT_EQ(result, fault->hit() ? -1 : 0);
  if (result != 0) {
    EXPECT_EQ(told, error);
  } else {
    char hello[5];
    EXPECT_EQ(brecv(s, hello, sizeof(hello), -1), fault->hit() ? -1 : 0);
  }
  hclose(s);
}

int g_socket = -1;  // what CloseIt closes
int CloseIt(const char*, const char*) {
  EXPECT_EQ(hclose(g_socket), 0);
  return 1;
}

// The function that decides may close the very connection.
TEST_F(Socks5CallsTest, ClosedByTheDecision) {
  auto s = Connect();
  g_socket = s.first;
  Send(s.second, Bytes({5, 1, 2, 1, 1}) + "u" + Bytes({1}) + "p");
  EXPECT_FAILS(EBADF, socks5_proxy_auth(s.first, CloseIt, -1));
  EXPECT_EQ(Receive(s.second, 2), Bytes({5, 2}));
  char byte;
  EXPECT_FAILS(EPIPE, brecv(s.second, &byte, 1, -1));
  EXPECT_EQ(hclose(s.second), 0);
}

// The client at each of its waits, over sockets and over a protocol of the user's own.
TEST_F(Socks5CallsTest, SweepOfTheClient) {
  for (const Transport transport : {Transport::kPair, Transport::kUnix, Transport::kUser}) {
    for (const int error : {ETIMEDOUT, ECANCELED}) {
      const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
        auto s = Connect(transport);
        Proxied seen;
        const int client = go(ClientOfSweep(s.first, &fault, error, addr_));
        const int proxy = go(Proxy(s.second, Remember, &seen));
        EXPECT_EQ(bundle_wait(client, -1), 0);
        for (const int h : {client, proxy, s.second}) EXPECT_EQ(hclose(h), 0);
      });
      EXPECT_GE(waits, 3);
    }
  }
}

}  // namespace
}  // namespace halfpipe
