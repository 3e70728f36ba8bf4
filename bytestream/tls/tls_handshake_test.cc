// How TLS connections come to be, and why they do not.

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "bytestream/testing/transport_suite.h"
#include "bytestream/testing/wait_sweep.h"
#include "bytestream/tls/tls_context.h"
#include "bytestream/tls/tls_stream.h"
#include "bytestream/tls/tls_test_support.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Only its helpers are used here.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportSuite);

namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using transport_suite::Peek;
using transport_suite::Read;
using transport_suite::Write;

class TlsHandshakeTest : public testing::Test {
 protected:
  TlsHandshakeTest() { Reset(); }

  void Reset() {
    auto [a, b] = MakePair(&runtime_);
    client_ = std::make_unique<TlsStream>(&runtime_, std::move(a));
    server_ = std::make_unique<TlsStream>(&runtime_, std::move(b));
  }

  // Both sides at once; a side that fails closes its end, as whoever uses the class would.
  void Handshake(const TlsContext& client, absl::string_view host, const TlsContext& server) {
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      server_status_ = server_->Handshake(server, "", Deadline::Never());
      if (!server_status_.ok()) server_->Abort();
    }),
                IsOk());
    client_status_ = client_->Handshake(client, host, Deadline::Never());
    if (!client_status_.ok()) client_->Abort();
    ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
  }

  // The client's view of a server with that certificate.
  absl::Status Judge(const TestIdentity& identity, absl::string_view host,
                     const TlsContext& client = TestClientContext()) {
    Reset();
    Handshake(client, host, *MakeServerContext(TestServerOptions(identity)));
    return client_status_;
  }

  SimRuntime runtime_;
  std::unique_ptr<TlsStream> client_;
  std::unique_ptr<TlsStream> server_;
  absl::Status client_status_;
  absl::Status server_status_;
};

TEST_F(TlsHandshakeTest, BothKnowWhatWasAgreed) {
  TlsClientOptions client = TestClientOptions();
  client.alpn = {"h2", "http/1.1"};
  TlsServerOptions server = TestServerOptions();
  server.alpn = {"http/1.1", "h2"};
  EXPECT_THAT(client_->tls_info().version, IsEmpty());
  Handshake(*MakeClientContext(client), "localhost", *MakeServerContext(server));
  ASSERT_THAT(client_status_, IsOk());
  ASSERT_THAT(server_status_, IsOk());
  const TlsInfo mine = client_->tls_info();
  const TlsInfo theirs = server_->tls_info();
  EXPECT_EQ(mine.version, "TLSv1.3");
  EXPECT_EQ(mine.version, theirs.version);
  EXPECT_THAT(mine.cipher, HasSubstr("TLS_"));
  EXPECT_EQ(mine.cipher, theirs.cipher);
  EXPECT_EQ(mine.alpn, "http/1.1");  // The server's preference.
  EXPECT_EQ(theirs.alpn, "http/1.1");
  EXPECT_EQ(theirs.server_name, "localhost");
  EXPECT_EQ(mine.peer_subject, "CN=test server");
  EXPECT_GT(mine.peer_certificate_der.size(), 100u);
  EXPECT_THAT(theirs.peer_subject, IsEmpty());
  EXPECT_THAT(Write(*client_, "ping"), IsOk());
  EXPECT_THAT(Read(*server_, 4), IsOkAndHolds(std::string("ping")));
}

TEST_F(TlsHandshakeTest, TheNameOrAddressIsVerified) {
  const TestCerts& certs = TestCerts::Get();
  EXPECT_THAT(Judge(certs.server, "localhost"), IsOk());
  EXPECT_EQ(server_->tls_info().server_name, "localhost");
  EXPECT_THAT(Judge(certs.server, "localhost."), IsOk());
  EXPECT_EQ(server_->tls_info().server_name, "localhost");
  EXPECT_THAT(Judge(certs.server, "LocalHost"), IsOk());
  EXPECT_THAT(Judge(certs.server, "127.0.0.1"), IsOk());
  // Addresses are not names (RFC 6066 section 3).
  EXPECT_THAT(server_->tls_info().server_name, IsEmpty());
  EXPECT_THAT(Judge(certs.server, "::1"), IsOk());
  EXPECT_THAT(Judge(certs.server, "a.wild.test"), IsOk());

  for (const char* host : {"127.0.0.2", "::2", "example.test", "a.b.wild.test", "wild.test",
                           "xlocalhost", "localhost.test"}) {
    EXPECT_THAT(Judge(certs.server, host), IsErrno(EACCES)) << host;
    EXPECT_THAT(server_status_, IsErrno(EACCES)) << host;
  }
  // The common name does not count.
  EXPECT_THAT(Judge(certs.wrong_host, "localhost"), IsErrno(EACCES));
  EXPECT_THAT(std::string(client_status_.message()), HasSubstr("hostname mismatch"));
  EXPECT_THAT(Judge(certs.wrong_host, "wrong.test"), IsOk());
}

TEST_F(TlsHandshakeTest, TheChainIsVerified) {
  const TestCerts& certs = TestCerts::Get();
  const std::pair<const TestIdentity*, const char*> refused[] = {
      {&certs.expired, "certificate has expired"},
      {&certs.not_yet, "certificate is not yet valid"},
      {&certs.untrusted, "unable to get local issuer certificate"},
      {&certs.self_signed, "self-signed certificate"},
      {&certs.chained, "unable to get local issuer certificate"}};
  for (const auto& [identity, reason] : refused) {
    EXPECT_THAT(Judge(*identity, "localhost"), IsErrno(EACCES));
    EXPECT_THAT(std::string(client_status_.message()), HasSubstr(reason));
    EXPECT_THAT(server_status_, IsErrno(EACCES));  // By the client's alert.
  }
  TestIdentity chain = certs.chained;
  chain.certificate += certs.intermediate.certificate;
  EXPECT_THAT(Judge(chain, "localhost"), IsOk());
}

// Where another error of OpenSSL's comes before the verdict, it is one about the certificate still.
TEST_F(TlsHandshakeTest, MalformedCertificates) {
  TestCertOptions options;
  options.dns_names = {"localhost"};
  options.is_malformed = true;
  const TestIdentity malformed = MakeTestIdentity(options, &TestCerts::Get().ca);
  EXPECT_THAT(Judge(malformed, "localhost"), IsErrno(EACCES));
  EXPECT_THAT(std::string(client_status_.message()), HasSubstr("certificate is refused"));
  EXPECT_THAT(server_status_, IsErrno(EACCES));
}

TEST_F(TlsHandshakeTest, VerificationCanBeWeakenedByName) {
  const TestCerts& certs = TestCerts::Get();
  TlsClientOptions options = TestClientOptions();
  options.verification = TlsVerification::kChainOnly;
  const auto chain_only = MakeClientContext(options);
  EXPECT_THAT(Judge(certs.server, "other.test", *chain_only), IsOk());
  EXPECT_EQ(server_->tls_info().server_name, "other.test");
  EXPECT_THAT(Judge(certs.server, "192.0.2.1", *chain_only), IsOk());
  EXPECT_THAT(Judge(certs.server, "", *chain_only), IsOk());  // No SNI either.
  EXPECT_THAT(server_->tls_info().server_name, IsEmpty());
  EXPECT_THAT(Judge(certs.untrusted, "localhost", *chain_only), IsErrno(EACCES));
  options.verification = TlsVerification::kInsecureAcceptAnyone;
  const auto anyone = MakeClientContext(options);
  EXPECT_THAT(Judge(certs.self_signed, "other.test", *anyone), IsOk());
  EXPECT_THAT(Judge(certs.expired, "", *anyone), IsOk());
}

// Without any trust of ours, the system's roots decide, and they know nothing of tests.
TEST_F(TlsHandshakeTest, TheSystemsTrustIsTheDefault) {
  const auto system = MakeClientContext(TlsClientOptions());
  EXPECT_THAT(Judge(TestCerts::Get().server, "localhost", *system), IsErrno(EACCES));
}

TEST_F(TlsHandshakeTest, HostsThatAreNone) {
  EXPECT_THAT(client_->Handshake(TestClientContext(), "", Deadline::Never()), IsErrno(EINVAL));
  Reset();
  EXPECT_THAT(
      client_->Handshake(TestClientContext(), absl::string_view("a\0b", 3), Deadline::Never()),
      IsErrno(EINVAL));
  Reset();
  EXPECT_THAT(client_->Handshake(TestClientContext(), std::string(256, 'a'), Deadline::Never()),
              IsErrno(EINVAL));
}

TEST_F(TlsHandshakeTest, ClientCertificates) {
  const TestCerts& certs = TestCerts::Get();
  TlsServerOptions server = TestServerOptions();
  server.client_trust.text = certs.ca.certificate;
  const auto demanding = MakeServerContext(server);
  TlsClientOptions client = TestClientOptions();
  const auto with = [&](const TestIdentity& identity) {
    client.identity.certificates.text = identity.certificate;
    client.identity.key.text = identity.key;
    Reset();
    Handshake(*MakeClientContext(client), "localhost", *demanding);
  };
  with(certs.client);
  ASSERT_THAT(server_status_, IsOk());
  EXPECT_EQ(server_->tls_info().peer_subject, "CN=test client");
  // With TLS 1.3 the client has done its part when it is refused, and learns it when it reads.
  with(certs.untrusted);
  EXPECT_THAT(server_status_, IsErrno(EACCES));
  EXPECT_THAT(client_status_, IsOk());
  const auto refused = Peek(*client_, 1);
  EXPECT_THAT(refused, IsErrno(EACCES));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("alert"));
  EXPECT_THAT(Write(*client_, "x"), IsErrno(EACCES));
  EXPECT_THAT(Peek(*client_, 1), IsErrno(EACCES));

  Reset();
  Handshake(TestClientContext(), "localhost", *demanding);
  EXPECT_THAT(server_status_, IsErrno(EACCES));
  EXPECT_THAT(Peek(*client_, 1), IsErrno(EACCES));
}

TEST_F(TlsHandshakeTest, TheTwoMustAgree) {
  TlsClientOptions client = TestClientOptions();
  client.alpn = {"h2"};
  TlsServerOptions server = TestServerOptions();
  server.alpn = {"http/1.1"};
  Handshake(*MakeClientContext(client), "localhost", *MakeServerContext(server));
  EXPECT_THAT(client_status_, IsErrno(EPROTO));
  EXPECT_THAT(server_status_, IsErrno(EPROTO));
  EXPECT_THAT(std::string(client_status_.message()), HasSubstr("alert"));

  Reset();
  Handshake(TestClientContext(), "localhost", *MakeServerContext(server));
  EXPECT_THAT(client_status_, IsOk());
  EXPECT_THAT(client_->tls_info().alpn, IsEmpty());

  const auto old = MakeClientContext(TestClientOptions());
  SSL_CTX_set_max_proto_version(old->ssl_context(), TLS1_2_VERSION);
  Reset();
  Handshake(*old, "localhost", TestServerContext());
  ASSERT_THAT(client_status_, IsOk());
  EXPECT_EQ(client_->tls_info().version, "TLSv1.2");
  server = TestServerOptions();
  server.minimum_version = TlsMinimumVersion::kTls13;
  Reset();
  Handshake(*old, "localhost", *MakeServerContext(server));
  EXPECT_THAT(client_status_, IsErrno(EPROTO));
  EXPECT_THAT(server_status_, IsErrno(EPROTO));
}

TEST_F(TlsHandshakeTest, PeersThatSpeakSomethingElse) {
  for (const bool is_client : {true, false}) {
    auto [a, b] = MakePair(&runtime_);
    EXPECT_THAT(Write(*a, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), IsOk());
    TlsStream tls(&runtime_, std::move(b));
    EXPECT_THAT(tls.Handshake(is_client ? TestClientContext() : TestServerContext(), "localhost",
                              Deadline::Never()),
                IsErrno(EPROTO));
  }
}

TEST_F(TlsHandshakeTest, PeersThatGo) {
  for (const bool is_client : {true, false}) {
    const TlsContext& context = is_client ? TestClientContext() : TestServerContext();
    for (const bool clean : {true, false}) {
      auto [a, b] = MakePair(&runtime_);
      EXPECT_THAT(Write(*b, "unread"), IsOk());
      if (clean) {
        EXPECT_THAT(Read(*a, 6), IsOk());
      }
      a.reset();
      TlsStream tls(&runtime_, std::move(b));
      EXPECT_THAT(tls.Handshake(context, "localhost", Deadline::Never()), IsErrno(ECONNRESET));
    }
  }
}

TEST_F(TlsHandshakeTest, ATimeoutAndAnAbort) {
  const Deadline deadline = Deadline::In(absl::Minutes(10));
  EXPECT_THAT(client_->Handshake(TestClientContext(), "localhost", deadline), IsErrno(ETIMEDOUT));
  EXPECT_TRUE(deadline.ExpiredAt(runtime_.clock().NowNanos()));
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(client_->Handshake(TestClientContext(), "localhost", Deadline::Never()),
                IsErrno(EBADF));
  }),
              IsOk());
  client_->Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_THAT(Peek(*client_, 1), IsErrno(EBADF));
  EXPECT_THAT(Write(*client_, "x"), IsErrno(EBADF));
}

// Either side is interrupted at each of its waits, and then goes on.
TEST_F(TlsHandshakeTest, InterruptedAtEachWait) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (const bool of_client : {true, false}) {
      const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
        Reset();
        TlsStream* const swept = of_client ? client_.get() : server_.get();
        TlsStream* const other = of_client ? server_.get() : client_.get();
        const auto handshake = [](TlsStream* stream, bool client) {
          return stream->Handshake(client ? TestClientContext() : TestServerContext(), "localhost",
                                   Deadline::Never());
        };
        absl::Status status;
        Bundle interrupted(&runtime_);
        ASSERT_THAT(interrupted.Go([&] {
          fault.set_only(runtime_.current());
          status = handshake(swept, of_client);
        }),
                    IsOk());
        Bundle bundle(&runtime_);
        ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(handshake(other, !of_client), IsOk()); }), IsOk());
        EXPECT_EQ(interrupted.Wait(Deadline::Never()), 0);
        EXPECT_THAT(status, IsErrno(fault.hit() ? error : 0));
        if (fault.hit()) {
          EXPECT_THAT(handshake(swept, of_client), IsOk());
        }
        EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
        EXPECT_THAT(Write(*client_, "ping"), IsOk());
        EXPECT_THAT(Read(*server_, 4), IsOkAndHolds(std::string("ping")));
      });
      EXPECT_GE(waits, 1);
    }
  }
}

TEST_F(TlsHandshakeTest, ConnectAndAcceptInOneCall) {
  auto [a, b] = MakePair(&runtime_);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&, end = std::move(b)]() mutable {
    auto server =
        TlsStream::Accept(&runtime_, std::move(end), TestServerContext(), Deadline::Never());
    ASSERT_THAT(server, IsOk());
    EXPECT_THAT(Write(**server, "hello"), IsOk());
  }),
              IsOk());
  auto client = TlsStream::Connect(&runtime_, std::move(a), TestClientContext(), "localhost",
                                   Deadline::Never());
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT(Read(**client, 5), IsOkAndHolds(std::string("hello")));
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  // A failure closes the stream below.
  auto [c, d] = MakePair(&runtime_);
  EXPECT_THAT(TlsStream::Connect(&runtime_, std::move(c), TestClientContext(), "localhost",
                                 Deadline::Immediately()),
              IsErrno(ETIMEDOUT));
  int error = -1;
  transport_suite::ReadAll(*d, &error);
  EXPECT_EQ(error, 0);
  EXPECT_THAT(Write(*d, "x"), IsErrno(ECONNRESET));
}

// Much smaller stacks than the default ones will do.
TEST(TlsStackTest, SixtyFourKibibytesAreEnough) {
  Runtime::Options options;
  options.stack_bytes = 64 * 1024;
  Runtime runtime(std::move(options));
  auto [a, b] = MakePair(&runtime);
  Bundle bundle(&runtime);
  ASSERT_THAT(bundle.Go([&, end = std::move(b)]() mutable {
    auto server =
        TlsStream::Accept(&runtime, std::move(end), TestServerContext(), Deadline::Never());
    ASSERT_THAT(server, IsOk());
    EXPECT_THAT(Read(**server, 4), IsOkAndHolds(std::string("ping")));
    EXPECT_THAT((*server)->Detach(Deadline::Never()), IsOk());
  }),
              IsOk());
  ASSERT_THAT(bundle.Go([&, end = std::move(a)]() mutable {
    auto client = TlsStream::Connect(&runtime, std::move(end), TestClientContext(), "localhost",
                                     Deadline::Never());
    ASSERT_THAT(client, IsOk());
    EXPECT_THAT(Write(**client, "ping"), IsOk());
    EXPECT_THAT((*client)->Detach(Deadline::Never()), IsOk());
  }),
              IsOk());
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
}

}  // namespace
}  // namespace halfpipe
