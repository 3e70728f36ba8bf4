// The program wscat with wss: URLs, from outside.

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/tls/tls_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/child_process.h"
#include "websocket/connection.h"
#include "websocket/server.h"
#include "websocket/stream.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;

constexpr char kProgram[] = "tools/wscat/wscat";

std::unique_ptr<TlsContext> ContextOf(const TestIdentity& identity) {
  TlsServerOptions options;
  options.identity.certificates.text = identity.certificate;
  options.identity.key.text = identity.key;
  auto context = TlsContext::ForServer(options);
  EXPECT_TRUE(context.ok()) << context.status();
  return context.ok() ? *std::move(context) : nullptr;
}

// A server that sends every message back, over TLS, on a thread of its own.
class TlsEcho {
 public:
  explicit TlsEcho(const TestIdentity& identity) : context_(ContextOf(identity)) {
    server_.Handle(
        "/", {.on_message = [](websocket::Connection& connection, websocket::MessageView message) {
          static_cast<void>(connection.Send(message));
        }});
    const auto address = server_.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0), context_.get());
    EXPECT_TRUE(address.ok()) << address.status();
    if (address.ok()) port_ = address->port();
    EXPECT_TRUE(server_.Start().ok());
  }

  std::string Url(absl::string_view scheme, absl::string_view host) const {
    return absl::StrCat(scheme, "://", host, ":", port_, "/");
  }

 private:
  const std::unique_ptr<TlsContext> context_;
  websocket::Server server_;
  int port_ = 0;
};

std::string Trust() {
  return absl::StrCat("--trust_file=", WriteTestFile("ca.pem", TestCerts::Get().ca.certificate));
}

TEST(WscatTlsTest, LinesComeBack) {
  const TlsEcho echo(TestCerts::Get().server);
  for (const char* host : {"localhost", "127.0.0.1"}) {
    ChildProcess cat({kProgram, Trust(), echo.Url("wss", host)});
    cat.Write("hello\n");
    EXPECT_EQ(cat.ReadLine(), "hello") << host;
    EXPECT_EQ(cat.Finish(""), 0) << host;
  }
}

// Neither a certificate that is not trusted nor one for another host is good enough.
TEST(WscatTlsTest, CertificatesAreVerified) {
  const TlsEcho echo(TestCerts::Get().server);
  ChildProcess untrusting({kProgram, echo.Url("wss", "localhost")});
  EXPECT_EQ(untrusting.Finish(""), 3);
  EXPECT_THAT(untrusting.errors(), HasSubstr("certificate"));

  const TlsEcho other(TestCerts::Get().wrong_host);
  ChildProcess elsewhere({kProgram, Trust(), other.Url("wss", "localhost")});
  EXPECT_EQ(elsewhere.Finish(""), 3);
  EXPECT_THAT(elsewhere.errors(), HasSubstr("certificate"));
}

TEST(WscatTlsTest, WhoSpeaksNoTlsIsRefused) {
  const TlsEcho echo(TestCerts::Get().server);
  ChildProcess plain({kProgram, echo.Url("ws", "localhost")});
  EXPECT_EQ(plain.Finish(""), 3);
}

}  // namespace
}  // namespace halfpipe::tools
