#include "bytestream/testing/test_certs.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "bytestream/base/check.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::string TextOf(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);  // NOLINT: OpenSSL's type
  return std::string(bytes, static_cast<size_t>(size));
}

Owned<BIO> ReaderOf(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  HALFPIPE_CHECK(extension != nullptr);
  HALFPIPE_CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

std::string AlternativeNames(const TestCertOptions& options) {
  std::string names;
  for (const std::string& name : options.dns_names) names += ",DNS:" + name;
  for (const std::string& address : options.ip_addresses) names += ",IP:" + address;
  return names.empty() ? names : names.substr(1);
}

}  // namespace

TestIdentity MakeTestIdentity(const TestCertOptions& options, const TestIdentity* issuer) {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  HALFPIPE_CHECK(key != nullptr);
  const Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  static int serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), options.valid_from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), options.valid_until_seconds);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(options.common_name.c_str()),
                             -1, -1, 0);
  Owned<X509> issuer_certificate;
  Owned<EVP_PKEY> issuer_key;
  if (issuer != nullptr) {
    issuer_certificate.reset(
        PEM_read_bio_X509(ReaderOf(issuer->certificate).get(), nullptr, nullptr, nullptr));
    issuer_key.reset(
        PEM_read_bio_PrivateKey(ReaderOf(issuer->key).get(), nullptr, nullptr, nullptr));
    HALFPIPE_CHECK(issuer_certificate != nullptr && issuer_key != nullptr);
  }
  X509* const signer = issuer != nullptr ? issuer_certificate.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  const char* constraints = options.is_ca ? "critical,CA:TRUE" : "CA:FALSE";
  if (options.is_malformed) constraints = "DER:04:01:2a";  // a string
  AddExtension(certificate.get(), signer, NID_basic_constraints, constraints);
  AddExtension(certificate.get(), signer, NID_subject_key_identifier, "hash");
  const std::string names = AlternativeNames(options);
  if (!names.empty()) AddExtension(certificate.get(), signer, NID_subject_alt_name, names);
  EVP_PKEY* const signing = issuer != nullptr ? issuer_key.get() : key.get();
  HALFPIPE_CHECK(X509_sign(certificate.get(), signing, EVP_sha256()) > 0);

  TestIdentity identity;
  const Owned<BIO> certificate_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_text.get(), certificate.get());
  identity.certificate = TextOf(certificate_text.get());
  const Owned<BIO> key_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  identity.key = TextOf(key_text.get());
  return identity;
}

const TestCerts& TestCerts::Get() {
  static const TestCerts* const kCerts = [] {
    auto* const certs = new TestCerts;
    TestCertOptions options;
    options.is_ca = true;
    options.common_name = "test root";
    certs->ca = MakeTestIdentity(options, nullptr);
    options.common_name = "another test root";
    certs->other_ca = MakeTestIdentity(options, nullptr);
    options.common_name = "test intermediate";
    certs->intermediate = MakeTestIdentity(options, &certs->ca);

    TestCertOptions server;
    server.common_name = "test server";
    server.dns_names = {"localhost", "*.wild.test"};
    server.ip_addresses = {"127.0.0.1", "::1"};
    certs->server = MakeTestIdentity(server, &certs->ca);
    certs->chained = MakeTestIdentity(server, &certs->intermediate);
    certs->untrusted = MakeTestIdentity(server, &certs->other_ca);
    certs->self_signed = MakeTestIdentity(server, nullptr);
    options = server;
    options.valid_from_seconds = -7200;
    options.valid_until_seconds = -3600;
    certs->expired = MakeTestIdentity(options, &certs->ca);
    options = server;
    options.valid_from_seconds = 3600;
    certs->not_yet = MakeTestIdentity(options, &certs->ca);

    options = TestCertOptions();
    options.common_name = "localhost";
    options.dns_names = {"wrong.test"};
    certs->wrong_host = MakeTestIdentity(options, &certs->ca);
    options = TestCertOptions();
    options.common_name = "test client";
    certs->client = MakeTestIdentity(options, &certs->ca);
    return certs;
  }();
  return *kCerts;
}

std::string WriteTestFile(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/" + std::to_string(getpid()) + "-" + name;
  std::FILE* const file = std::fopen(path.c_str(), "w");
  HALFPIPE_CHECK(file != nullptr);
  HALFPIPE_CHECK(std::fwrite(text.data(), 1, text.size(), file) == text.size());
  HALFPIPE_CHECK(std::fclose(file) == 0);
  return path;
}

}  // namespace halfpipe
