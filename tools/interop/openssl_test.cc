// TLS of ours with the program of OpenSSL at the other end, both ways.

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bytestream/sockets.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

class OpensslTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Installed("openssl", {"openssl", "version"}, "apt-get install openssl")) {
      GTEST_SKIP() << "the program openssl is not installed";
    }
    ASSERT_EQ(tls_trust_file(ca_.c_str()), 0);
    ASSERT_EQ(ipaddr_local(&address_, "127.0.0.1", 0, IPADDR_IPV4), 0);
  }

  static void Record(const char* role, const char* ours, const char* version) {
    RecordResult({.peer = "openssl",
                  .version = VersionOf("openssl"),
                  .role = role,
                  .ours = ours,
                  .compression = "no",
                  .what = absl::StrCat(version + 1, ", verified, a line each way, close_notify"),
                  .outcome = ""});
  }

  const std::string ca_ = WriteTestFile("ca.pem", TestCerts::Get().ca.certificate);
  const std::string cert_ = WriteTestFile("cert.pem", TestCerts::Get().server.certificate);
  const std::string key_ = WriteTestFile("key.pem", TestCerts::Get().server.key);
  const int64_t soon_ = now() + 120'000;
  dill_ipaddr address_;
};

TEST_F(OpensslTest, AsAClient) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    SCOPED_TRACE(version);
    dill_ipaddr address = address_;
    const int listener = tcp_listen(&address, 1);
    ASSERT_GT(listener, 0);
    ChildProcess client({"openssl", "s_client", version, "-quiet", "-connect",
                         "127.0.0.1:" + std::to_string(ipaddr_port(&address)), "-servername",
                         "localhost", "-CAfile", ca_, "-verify_return_error", "-verify_hostname",
                         "localhost"});
    int s = tcp_accept(listener, nullptr, soon_);
    s = tls_attach_server(s, cert_.c_str(), key_.c_str(), soon_);
    ASSERT_GT(s, 0) << errno;
    client.Write("hello\n");
    char line[6];
    EXPECT_EQ(brecv(s, line, sizeof(line), soon_), 0) << errno;
    EXPECT_EQ(std::string(line, sizeof(line)), "hello\n");
    EXPECT_EQ(bsend(s, "world\n", 6, soon_), 0);
    EXPECT_EQ(client.ReadLine(), "world");
    // Our close_notify ends it.
    EXPECT_EQ(tls_done(s, soon_), 0);
    EXPECT_EQ(client.Wait(), 0);
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(hclose(listener), 0);
    Record("client", "tls_attach_server()", version);
  }
}

TEST_F(OpensslTest, AsAServer) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    SCOPED_TRACE(version);
    // It sends each line back in reverse.
    ChildProcess server({"openssl", "s_server", version, "-accept", "127.0.0.1:0", "-cert", cert_,
                         "-key", key_, "-rev", "-naccept", "1"});
    std::string line;
    do {
      line = server.ReadLine();
    } while (!line.empty() && !absl::StartsWith(line, "ACCEPT "));
    const size_t colon = line.rfind(':');
    ASSERT_NE(colon, std::string::npos) << line;
    dill_ipaddr address;
    ASSERT_EQ(ipaddr_local(&address, "127.0.0.1", std::stoi(line.substr(colon + 1)), IPADDR_IPV4),
              0);
    int s = tcp_connect(&address, soon_);
    ASSERT_GT(s, 0) << errno;
    s = tls_attach_client_host(s, "localhost", soon_);
    ASSERT_GT(s, 0) << errno;
    EXPECT_EQ(bsend(s, "hello\n", 6, soon_), 0);
    char back[6];
    EXPECT_EQ(brecv(s, back, sizeof(back), soon_), 0) << errno;
    EXPECT_EQ(std::string(back, sizeof(back)), "olleh\n");
    EXPECT_EQ(tls_done(s, soon_), 0);
    EXPECT_EQ(server.Wait(), 0);
    EXPECT_EQ(hclose(s), 0);
    Record("server", "tls_attach_client_host()", version);
  }
}

}  // namespace
}  // namespace halfpipe::tools
