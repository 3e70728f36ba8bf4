// Each errno of the client's calls of socks5.h, by either of them, where socks5_c_calls_test.cc has
// it by one.

#include <cerrno>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

#include "bytestream/sockets_test_support.h"
#include "bytestream/socks5.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

std::string Bytes(std::initializer_list<int> bytes) {
  return std::string(bytes.begin(), bytes.end());
}

std::string ReplyBytes(int code) { return Bytes({5, code, 0, 1, 0, 0, 0, 0, 0, 0}); }

// What a proxy says that wants nothing to be known of the client.
std::string Welcome() { return Bytes({5, 0}); }

struct Client {
  const char* name;
  std::function<int(int s, const char* username, const char* password, int64_t deadline)> connect;
};

class Socks5ErrorsTest : public CCallTest {
 protected:
  Socks5ErrorsTest() {
    EXPECT_EQ(ipaddr_remote(&addr_, "10.1.2.3", 5555, 0, -1), 0);
    clients_[0] = {"socks5_client_connect", [this](int s, const char* u, const char* p, int64_t d) {
                     return socks5_client_connect(s, u, p, &addr_, d);
                   }};
    clients_[1] = {"socks5_client_connectbyname",
                   [](int s, const char* u, const char* p, int64_t d) {
                     return socks5_client_connectbyname(s, u, p, "a.example", 80, d);
                   }};
  }

  // The call fails with that against the bytes of a proxy, and leaves the handle open.
  void Expect(int error, const Client& client, const std::string& answers,
              const char* username = nullptr, const char* password = nullptr) {
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    EXPECT_EQ(bsend(s[1], answers.data(), answers.size(), -1), 0);
    EXPECT_EQ(ipc_done(s[1], -1), 0);
    EXPECT_FAILS(error, client.connect(s[0], username, password, -1));
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  }

  dill_ipaddr addr_;
  Client clients_[2];
};

TEST_F(Socks5ErrorsTest, Replies) {
  const std::pair<int, int> replies[] = {{DILL_SOCKS5_GENERAL_FAILURE, EIO},
                                         {DILL_SOCKS5_CONNECTION_NOT_ALLOWED, EACCES},
                                         {DILL_SOCKS5_NETWORK_UNREACHABLE, ENETUNREACH},
                                         {DILL_SOCKS5_HOST_UNREACHABLE, EHOSTUNREACH},
                                         {DILL_SOCKS5_CONNECTION_REFUSED, ECONNREFUSED},
                                         {DILL_SOCKS5_TTL_EXPIRED, ETIMEDOUT},
                                         {DILL_SOCKS5_COMMAND_NOT_SUPPORTED, EOPNOTSUPP},
                                         {DILL_SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED, EAFNOSUPPORT},
                                         {9, EPROTO},
                                         {255, EPROTO}};
  for (const Client& client : clients_) {
    SCOPED_TRACE(client.name);
    for (const auto& [code, error] : replies) {
      SCOPED_TRACE(code);
      Expect(error, client, Welcome() + ReplyBytes(code));
    }
  }
}

TEST_F(Socks5ErrorsTest, TalksThatGoWrong) {
  const std::string longest(255, 'x');
  const std::string longer(256, 'x');
  for (const Client& client : clients_) {
    SCOPED_TRACE(client.name);
    Expect(EINVAL, client, "", "", "password");
    Expect(EINVAL, client, "", "name", "");
    Expect(EMSGSIZE, client, "", longer.c_str(), "password");
    Expect(EMSGSIZE, client, "", "name", longer.c_str());
    // These are sent, and refused.
    Expect(EACCES, client, Bytes({5, 2, 1, 1}), longest.c_str(), longest.c_str());
    Expect(EACCES, client, Bytes({5, 255}));
    Expect(EPROTO, client, Bytes({4, 0}));
    Expect(ECONNRESET, client, "");
    Expect(ECONNRESET, client, Welcome());
    Expect(ECONNRESET, client, Welcome() + ReplyBytes(0).substr(0, 9));
    int s[2];
    ASSERT_EQ(ipc_pair(s), 0);
    EXPECT_EQ(ipc_done(s[0], -1), 0);
    EXPECT_FAILS(EPIPE, client.connect(s[0], nullptr, nullptr, -1));
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  }
}

}  // namespace
}  // namespace halfpipe
