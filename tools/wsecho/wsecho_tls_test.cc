// The program wsecho with TLS, from outside, and wscat as its client.

#include <csignal>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/testing/test_certs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/child_process.h"
#include "tools/wsecho/raw_socket.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kProgram[] = "tools/wsecho/wsecho";
constexpr char kClient[] = "tools/wscat/wscat";

std::string CertificateFlag() {
  return absl::StrCat("--tls_certificate=",
                      WriteTestFile("server.pem", TestCerts::Get().server.certificate));
}

std::string KeyFlag() {
  return absl::StrCat("--tls_key=", WriteTestFile("server.key", TestCerts::Get().server.key));
}

std::string TrustFlag() {
  return absl::StrCat("--trust_file=", WriteTestFile("ca.pem", TestCerts::Get().ca.certificate));
}

// wsecho with a certificate for localhost and 127.0.0.1.
class TlsEcho {
 public:
  explicit TlsEcho(const std::vector<std::string>& flags = {}) : process_(Command(flags)) {
    constexpr absl::string_view kBegin = "listening on wss://127.0.0.1:";
    const std::string line = process_.ReadLine();
    EXPECT_THAT(line, StartsWith(std::string(kBegin)));
    if (absl::StartsWith(line, kBegin)) port_ = line.substr(kBegin.size());
    EXPECT_THAT(port_, ::testing::EndsWith("/"));
  }

  // With the "/" behind it.
  const std::string& port() const { return port_; }
  std::string Url(absl::string_view host) const { return absl::StrCat("wss://", host, ":", port_); }
  ChildProcess& process() { return process_; }

 private:
  static std::vector<std::string> Command(const std::vector<std::string>& flags) {
    std::vector<std::string> command = {kProgram, "--listen=127.0.0.1:0", CertificateFlag(),
                                        KeyFlag()};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  }

  ChildProcess process_;
  std::string port_;
};

TEST(WsechoTlsTest, MessagesComeBack) {
  const TlsEcho echo;
  const std::string large = std::string(1 << 20, 'l') + "\n";
  for (const char* host : {"localhost", "127.0.0.1"}) {
    ChildProcess cat({kClient, TrustFlag(), echo.Url(host)});
    cat.Write("hello\n");
    EXPECT_EQ(cat.ReadLine(), "hello") << host;
    EXPECT_EQ(cat.Finish(large), 0) << host << cat.errors();
    EXPECT_TRUE(cat.output() == large);
  }
}

TEST(WsechoTlsTest, Compressed) {
  const TlsEcho echo({"--deflate"});
  ChildProcess cat(
      {kClient, TrustFlag(), "--deflate", "--deflate_min_bytes=0", echo.Url("localhost")});
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  EXPECT_EQ(cat.Finish(""), 0);
}

TEST(WsechoTlsTest, ASignalEndsItCleanly) {
  TlsEcho echo({"--drain_timeout=60"});
  ChildProcess cat({kClient, TrustFlag(), echo.Url("localhost")});
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
  echo.process().Signal(SIGTERM);
  EXPECT_EQ(cat.Wait(), 0) << cat.errors();
  EXPECT_EQ(echo.process().Wait(), 0);
  EXPECT_EQ(echo.process().errors(), "");
}

TEST(WsechoTlsTest, WhoDoesNotTrustItOrSpeaksNoTlsDoesNotHarmIt) {
  const TlsEcho echo;
  ChildProcess untrusting({kClient, echo.Url("localhost")});
  EXPECT_EQ(untrusting.Finish(""), 3);
  EXPECT_THAT(untrusting.errors(), HasSubstr("certificate is refused"));
  ChildProcess plain({kClient, absl::StrCat("ws://127.0.0.1:", echo.port())});
  EXPECT_EQ(plain.Finish(""), 3);
  ChildProcess cat({kClient, TrustFlag(), echo.Url("localhost")});
  cat.Write("hello\n");
  EXPECT_EQ(cat.ReadLine(), "hello");
}

// A connection on which TLS does not begin has the handshake's time.
TEST(WsechoTlsTest, GivesUpAnUnfinishedHandshake) {
  const TlsEcho echo({"--handshake_timeout=5"});
  const auto port = static_cast<uint16_t>(std::stoi(echo.port()));
  RawSocket silent(RawConnect(port));
  RawSocket half(RawConnect(port));
  half.Send("\x16\x03\x01");
  EXPECT_EQ(silent.ReceiveAll(), "");
  static_cast<void>(half.ReceiveAll());
}

TEST(WsechoTlsTest, FilesThatDoNotDo) {
  const std::string garbage = WriteTestFile("garbage.pem", "no certificate\n");
  const std::string other =
      absl::StrCat("--tls_key=", WriteTestFile("other.key", TestCerts::Get().wrong_host.key));
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{CertificateFlag()},
        {KeyFlag()},
        {"--tls_certificate=/none/here", KeyFlag()},
        {CertificateFlag(), "--tls_key=/none/here"},
        {"--tls_certificate=" + garbage, KeyFlag()},
        {CertificateFlag(), "--tls_key=" + garbage},
        {CertificateFlag(), other},
        {CertificateFlag(), KeyFlag(), "--listen=unix:echo"}}) {
    std::vector<std::string> command = {kProgram, "--listen=127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    ChildProcess process(command);
    EXPECT_EQ(process.Finish(""), 1) << flags.front();
    EXPECT_THAT(process.errors(), StartsWith("wsecho: "));
    EXPECT_EQ(process.output(), "");
  }
}

}  // namespace
}  // namespace halfpipe::tools
