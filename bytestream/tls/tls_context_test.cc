#include "bytestream/tls/tls_context.h"

#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/test_certs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using testing::HasSubstr;

TlsServerOptions ServerOptions() {
  TlsServerOptions options;
  options.identity.certificates.text = TestCerts::Get().server.certificate;
  options.identity.key.text = TestCerts::Get().server.key;
  return options;
}

TEST(TlsContextTest, PolicyIsStrict) {
  const auto client = TlsContext::ForClient(TlsClientOptions());
  const auto server = TlsContext::ForServer(ServerOptions());
  ASSERT_THAT(client, IsOk());
  ASSERT_THAT(server, IsOk());
  EXPECT_TRUE((*client)->is_client());
  EXPECT_FALSE((*server)->is_client());
  EXPECT_EQ((*client)->verification(), TlsVerification::kChainAndHost);
  for (const TlsContext* context : {client->get(), server->get()}) {
    SSL_CTX* const ssl = context->ssl_context();
    EXPECT_EQ(SSL_CTX_get_min_proto_version(ssl), TLS1_2_VERSION);
    const auto options = SSL_CTX_get_options(ssl);
    EXPECT_TRUE((options & SSL_OP_NO_RENEGOTIATION) != 0);
    EXPECT_TRUE((options & SSL_OP_NO_COMPRESSION) != 0);
    EXPECT_TRUE((options & SSL_OP_NO_TICKET) != 0);
    EXPECT_EQ(SSL_CTX_get_session_cache_mode(ssl), SSL_SESS_CACHE_OFF);
    EXPECT_EQ(SSL_CTX_get_read_ahead(ssl), 0);
  }
  EXPECT_EQ(SSL_CTX_get_verify_mode((*client)->ssl_context()), SSL_VERIFY_PEER);
  EXPECT_EQ(SSL_CTX_get_verify_mode((*server)->ssl_context()), SSL_VERIFY_NONE);
}

TEST(TlsContextTest, OptionsChangeIt) {
  TlsClientOptions client;
  client.verification = TlsVerification::kInsecureAcceptAnyone;
  client.minimum_version = TlsMinimumVersion::kTls13;
  const auto lax = TlsContext::ForClient(client);
  ASSERT_THAT(lax, IsOk());
  EXPECT_EQ(SSL_CTX_get_verify_mode((*lax)->ssl_context()), SSL_VERIFY_NONE);
  EXPECT_EQ(SSL_CTX_get_min_proto_version((*lax)->ssl_context()), TLS1_3_VERSION);
  TlsServerOptions server = ServerOptions();
  server.client_trust.text = TestCerts::Get().ca.certificate;
  const auto strict = TlsContext::ForServer(server);
  ASSERT_THAT(strict, IsOk());
  EXPECT_EQ(SSL_CTX_get_verify_mode((*strict)->ssl_context()),
            SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
}

TEST(TlsContextTest, PemComesFromFilesToo) {
  const TestCerts& certs = TestCerts::Get();
  TlsServerOptions options;
  options.identity.certificates.file =
      WriteTestFile("chain.pem", certs.chained.certificate + certs.intermediate.certificate);
  options.identity.key.file = WriteTestFile("key.pem", certs.chained.key);
  EXPECT_THAT(TlsContext::ForServer(options), IsOk());
  TlsClientOptions client;
  client.trust.file = WriteTestFile("roots.pem", certs.ca.certificate + certs.other_ca.certificate);
  EXPECT_THAT(TlsContext::ForClient(client), IsOk());
  client.trust.text = certs.ca.certificate;
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EINVAL));
}

TEST(TlsContextTest, BadIdentities) {
  const TestCerts& certs = TestCerts::Get();
  TlsServerOptions options;
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  options = ServerOptions();
  options.identity.key.text.clear();
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  options = ServerOptions();
  options.identity.certificates.text = "not PEM";
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  options.identity.certificates.text =
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  options.identity.certificates.text =
      certs.server.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  options = ServerOptions();
  options.identity.key.text = "not PEM";
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  options.identity.key.text = certs.client.key;
  const auto mismatch = TlsContext::ForServer(options);
  EXPECT_THAT(mismatch, IsErrno(EINVAL));
  EXPECT_THAT(std::string(mismatch.status().message()), HasSubstr("key values mismatch"));
  // Nobody is asked for a password.
  options.identity.key.text =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhzvUCrRMJTgQICCAAw\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_THAT(TlsContext::ForServer(options), IsErrno(EINVAL));
  // A client's own are looked at in the same way.
  TlsClientOptions client;
  client.identity.key.text = certs.client.key;
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EINVAL));
  client.identity.certificates.text = certs.client.certificate;
  EXPECT_THAT(TlsContext::ForClient(client), IsOk());
}

TEST(TlsContextTest, BadTrust) {
  TlsClientOptions client;
  client.trust.text = "nothing of the kind";
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EINVAL));
  client.trust.text = TestCerts::Get().ca.certificate +
                      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EINVAL));
  TlsServerOptions server = ServerOptions();
  server.client_trust.text = "nothing of the kind";
  EXPECT_THAT(TlsContext::ForServer(server), IsErrno(EINVAL));
}

TEST(TlsContextTest, FilesThatCannotBeRead) {
  TlsClientOptions client;
  client.trust.file = testing::TempDir() + "/no/such/file";
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(ENOENT));
  client.trust.file = testing::TempDir();
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EISDIR));
  // A hole as long as the limit, and one byte longer.
  client.trust.file = WriteTestFile("huge.pem", "");
  ASSERT_EQ(truncate(client.trust.file.c_str(), TlsContext::kPemBytesMax), 0);
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EINVAL));
  ASSERT_EQ(truncate(client.trust.file.c_str(), TlsContext::kPemBytesMax + 1), 0);
  EXPECT_THAT(TlsContext::ForClient(client), IsErrno(EMSGSIZE));
  ASSERT_EQ(unlink(client.trust.file.c_str()), 0);
}

TEST(TlsContextTest, AlpnNamesHaveOneTo255Bytes) {
  for (const bool is_client : {true, false}) {
    const auto make = [&](const std::vector<std::string>& alpn) {
      if (is_client) {
        TlsClientOptions options;
        options.alpn = alpn;
        return TlsContext::ForClient(options).status();
      }
      TlsServerOptions options = ServerOptions();
      options.alpn = alpn;
      return TlsContext::ForServer(options).status();
    };
    EXPECT_THAT(make({""}), IsErrno(EINVAL));
    EXPECT_THAT(make({"a", std::string(255, 'x')}), IsOk());
    EXPECT_THAT(make({"a", std::string(256, 'x')}), IsErrno(EINVAL));
    EXPECT_THAT(make(std::vector<std::string>(65'000 / 250, std::string(249, 'x'))), IsOk());
    EXPECT_THAT(make(std::vector<std::string>(65'000 / 250 + 1, std::string(249, 'x'))),
                IsErrno(EINVAL));
  }
}

}  // namespace
}  // namespace halfpipe
