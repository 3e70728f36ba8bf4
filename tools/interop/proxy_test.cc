// wsecho behind reverse proxies that others wrote, with our clients and others in front.

#include "tools/interop/proxy.h"

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bytestream/sockets.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"
#include "websocket/ws.h"

namespace halfpipe::tools {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kWscat[] = "tools/wscat/wscat";

class Echo {
 public:
  explicit Echo(const std::vector<std::string>& flags = {})
      : process_(With({"tools/wsecho/wsecho", "--listen=127.0.0.1:0"}, flags)) {
    const std::string url = After("listening on ws://", process_.ReadLine());
    address_ = url.substr(0, url.find('/'));
  }

  // Once: a second signal could meet a program that is about to exit, and end it otherwise.
  void Stop() {
    if (!std::exchange(stopped_, true)) process_.Signal(SIGTERM);
  }

  ~Echo() {
    Stop();
    EXPECT_EQ(process_.Wait(), 0);
  }

  const std::string& address() const { return address_; }

 private:
  ChildProcess process_;
  std::string address_;
  bool stopped_ = false;
};

class ProxyTest : public testing::TestWithParam<ProxyKind> {
 protected:
  void SetUp() override {
    if (!Installed(GetParam().name, GetParam().version, GetParam().install) ||
        !Installed("curl", {"curl", "--version"}, "apt-get install curl")) {
      RecordAbsence(GetParam().name);
      GTEST_SKIP() << GetParam().name << ", or curl, is not installed";
    }
  }

  // The clients in front of it; one that is missing leaves rows out.
  static std::vector<Peer> Clients() {
    std::vector<Peer> clients;
    for (const Peer& client : {NpmWs(), PythonWebsockets()}) {
      if (Ready(client)) {
        clients.push_back(client);
      } else {
        RecordAbsence(GetParam().name);
      }
    }
    return clients;
  }

  static void Record(const std::string& ours, const std::string& compression,
                     const std::string& what, const std::string& outcome = "") {
    RecordResult({.peer = GetParam().name,
                  .version = VersionOf(GetParam().name),
                  .role = "proxy",
                  .ours = ours,
                  .compression = compression,
                  .what = what,
                  .outcome = outcome});
  }
};

TEST_P(ProxyTest, PassesWscatOn) {
  for (const bool deflate : {false, true}) {
    const std::vector<std::string> flags =
        deflate ? std::vector<std::string>{"--deflate", "--deflate_min_bytes=0"}
                : std::vector<std::string>{};
    Echo echo(flags);
    Proxy proxy(GetParam(), echo.address());
    const std::string url = absl::StrCat("ws://", proxy.address(), "/path?query");
    ChildProcess cat(With({kWscat, "--ping", "--close=4004,bye", url}, flags));
    cat.Write("h\xc3\xa9llo\n\n");
    EXPECT_EQ(cat.ReadLine(), "h\xc3\xa9llo");
    EXPECT_EQ(cat.ReadLine(), "");
    const std::string large(1 << 20, 'm');
    cat.Write(large + "\n");
    EXPECT_TRUE(cat.ReadLine() == large);
    EXPECT_EQ(cat.Finish(""), 0) << cat.errors();

    ChildProcess binary(With({kWscat, "--binary", url}, flags));
    binary.Write(absl::string_view("\0\xff\n", 3));
    EXPECT_EQ(binary.ReadLine(), std::string("\0\xff", 2));
    EXPECT_EQ(binary.Finish(""), 0) << binary.errors();
    Record("wscat to wsecho", deflate ? "yes" : "no",
           "ping, text, empty, 1 MiB, binary, close with code and reason");
  }
}

TEST_P(ProxyTest, PassesOtherClientsOn) {
  Echo echo({"--deflate", "--deflate_min_bytes=0", "--message_bytes_max=1048576"});
  Proxy proxy(GetParam(), echo.address());
  const std::string url = absl::StrCat("ws://", proxy.address(), "/");
  for (const Peer& peer : Clients()) {
    SCOPED_TRACE(peer.name);
    const auto run = [&](const std::vector<std::string>& arguments,
                         const std::string& compression) {
      ChildProcess client(With(peer.client, arguments));
      EXPECT_EQ(client.Finish(""), 0) << client.errors();
      const std::string& output = client.output();
      const size_t agreed = output.find("permessage-deflate");
      EXPECT_EQ(agreed == std::string::npos, arguments[0] != "deflate") << output;
      Record(absl::StrCat(peer.name, " to wsecho"), compression, CasesIn(output),
             agreed == std::string::npos ? "" : output.substr(agreed, output.find('\n') - agreed));
    };
    run({"exchange", url}, "no");
    run({"deflate", url, peer.client_deflate.plain}, "yes");
    run({"deflate", url, peer.client_deflate.windows}, "small windows");
    run({"too-large", url, "1048576"}, "no");
  }
}

TEST_P(ProxyTest, PassesOurCloseOn) {
  for (const Peer& peer : Clients()) {
    Echo echo({"--drain_timeout=60"});
    Proxy proxy(GetParam(), echo.address());
    ChildProcess client(
        With(peer.client, {"await-close", absl::StrCat("ws://", proxy.address(), "/"), "1001",
                           "the server is stopping"}));
    EXPECT_EQ(client.ReadLine(), "open");
    echo.Stop();
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    Record(absl::StrCat(peer.name, " to wsecho, SIGTERM"), "no", "close from our side");
  }
}

TEST_P(ProxyTest, EndsTlsForOtherClients) {
  Echo echo;
  Proxy proxy(GetParam(), echo.address());
  const std::string ca = WriteTestFile("ca.pem", TestCerts::Get().ca.certificate);
  for (const Peer& peer : Clients()) {
    SCOPED_TRACE(peer.name);
    const std::vector<std::string> command =
        With(peer.client, {"exchange", absl::StrCat("wss://127.0.0.1:", proxy.tls_port(), "/")});
    ChildProcess::Options trusting;
    trusting.environment = {absl::StrCat("NODE_EXTRA_CA_CERTS=", ca),
                            absl::StrCat("SSL_CERT_FILE=", ca)};
    ChildProcess client(command, trusting);
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    ChildProcess doubting(command);
    EXPECT_NE(doubting.Finish(""), 0);
    Record(absl::StrCat(peer.name, " with TLS to wsecho"), "no", CasesIn(client.output()));
  }
}

TEST_P(ProxyTest, EndsTlsForWscat) {
  Echo echo;
  Proxy proxy(GetParam(), echo.address());
  const std::string url = absl::StrCat("wss://localhost:", proxy.tls_port(), "/");
  const std::string ca = WriteTestFile("ca.pem", TestCerts::Get().ca.certificate);
  ChildProcess cat({kWscat, absl::StrCat("--trust_file=", ca), "--close=4004,bye", url});
  const std::string line(100'000, 'x');
  cat.Write(line + "\n");
  EXPECT_TRUE(cat.ReadLine() == line);
  EXPECT_EQ(cat.Finish(""), 0) << cat.errors();
  ChildProcess doubting({kWscat, url});
  EXPECT_EQ(doubting.Finish(""), 3);
  Record("wscat with TLS to wsecho", "no", "text, close with code and reason");
}

TEST_P(ProxyTest, EndsTlsForTheCallsInC) {
  Echo echo;
  Proxy proxy(GetParam(), echo.address());
  const int64_t soon = now() + 120'000;
  const std::string ca = WriteTestFile("ca.pem", TestCerts::Get().ca.certificate);
  ASSERT_EQ(tls_trust_file(ca.c_str()), 0);
  dill_ipaddr address;
  ASSERT_EQ(ipaddr_local(&address, "127.0.0.1", proxy.tls_port(), IPADDR_IPV4), 0);
  int s = tcp_connect(&address, soon);
  ASSERT_GT(s, 0) << errno;
  s = tls_attach_client_host(s, "localhost", soon);
  ASSERT_GT(s, 0) << errno;
  s = ws_attach_client(s, WS_BINARY, "/", "localhost", soon);
  ASSERT_GT(s, 0) << errno;
  const std::string sent(100'000, 'x');
  EXPECT_EQ(ws_send(s, WS_BINARY, sent.data(), sent.size(), soon), 0) << errno;
  std::string received(sent.size() + 1, '\0');
  int flags = 0;
  EXPECT_EQ(ws_recv(s, &flags, &received[0], received.size(), soon), sent.size()) << errno;
  received.pop_back();
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(ws_done(s, 4004, "bye", 3, soon), 0) << errno;
  EXPECT_EQ(ws_recv(s, &flags, &received[0], received.size(), soon), -1);
  EXPECT_EQ(errno, EPIPE);
  int status = 0;
  EXPECT_GE(ws_status(s, &status, nullptr, 0), 0);
  EXPECT_EQ(status, 4004);
  EXPECT_EQ(hclose(s), 0);
  Record("tls_attach_client_host() and ws_attach_client() to wsecho", "no",
         "binary, close with code and reason");
}

// Both requests come on one connection, and so may they reach wsecho.
TEST_P(ProxyTest, PassesPlainRequestsOn) {
  Echo echo;
  Proxy proxy(GetParam(), echo.address());
  const std::string url = absl::StrCat("http://", proxy.address(), "/");
  ChildProcess curl({"curl", "-sS", "--max-time", "100", "-w", "%{http_code} %{num_connects}\n",
                     "-o", "/dev/null", url, "-o", "/dev/null", url, "-o", "/dev/null",
                     url + "nothing", "-o", "/dev/null", url});
  EXPECT_EQ(curl.Finish(""), 0) << curl.errors();
  EXPECT_EQ(curl.output(), "200 1\n200 0\n404 0\n200 0\n");
  ChildProcess page({"curl", "-sS", "--max-time", "100", url});
  EXPECT_EQ(page.Finish(""), 0) << page.errors();
  EXPECT_THAT(page.output(), HasSubstr("</html>"));
  Record("curl to wsecho", "no", "the page, four GETs on one connection, 404");
}

TEST_P(ProxyTest, TellsThatNobodyIsBehindIt) {
  Echo echo;
  Proxy proxy(GetParam(), echo.address());
  ChildProcess cat({kWscat, absl::StrCat("ws://", proxy.address(), "/refusing")});
  EXPECT_EQ(cat.Finish(""), 3);
  // Gateways differ in what they call it.
  EXPECT_THAT(cat.errors(), AnyOf(HasSubstr("502"), HasSubstr("503")));
  Record("wscat to nobody", "no", "the handshake is refused, status 3 of wscat",
         absl::StrContains(cat.errors(), "502") ? "502" : "503");
}

// A WebSocket through which nothing goes is given up; pings are enough to keep another.
TEST_P(ProxyTest, PingsOutliveItsIdleTime) {
  Echo echo;
  Proxy proxy(GetParam(), echo.address());
  const std::string url = absl::StrCat("ws://", proxy.address(), "/idle");
  for (const Peer& peer : Clients()) {
    ChildProcess client(With(peer.client, {"outlive", url}));
    EXPECT_EQ(client.Finish(""), 0) << client.errors();
    Record(absl::StrCat(peer.name, " to wsecho"), "no", CasesIn(client.output()));
  }
  ChildProcess cat({kWscat, url});
  // Its input stays open, and no Close has come.
  EXPECT_EQ(cat.Wait(), 4) << cat.errors();
  Record("wscat to wsecho", "no", "an idle one ends without a Close, status 4 of wscat");
}

INSTANTIATE_TEST_SUITE_P(All, ProxyTest, testing::Values(Nginx(), Haproxy()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halfpipe::tools
