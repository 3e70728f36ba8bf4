#ifndef HALFPIPE_BYTESTREAM_TESTING_TEST_CERTS_H_
#define HALFPIPE_BYTESTREAM_TESTING_TEST_CERTS_H_

#include <string>
#include <vector>

namespace halfpipe {

// A certificate and its private key, in PEM form.
struct TestIdentity {
  std::string certificate;
  std::string key;
};

// What a certificate is to say.
struct TestCertOptions {
  std::string common_name = "test";
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  // Its validity, in seconds from now.
  long valid_from_seconds = -3600;
  long valid_until_seconds = 24 * 3600;
  bool is_ca = false;
  // With an extension that does not have the form of its kind.
  bool is_malformed = false;
};

// Makes a key and a certificate for it, signed by `issuer`; null: by itself.
TestIdentity MakeTestIdentity(const TestCertOptions& options, const TestIdentity* issuer);

// Certificates for tests, made once in each process: nothing of them is ever written down, and none
// can be out of date.
struct TestCerts {
  static const TestCerts& Get();

  TestIdentity ca;            // the root that tests trust
  TestIdentity other_ca;      // one that they do not
  TestIdentity intermediate;  // of `ca`
  TestIdentity server;        // of `ca`, for localhost, *.wild.test, 127.0.0.1 and ::1
  TestIdentity chained;       // of `intermediate`, for localhost; the certificate alone
  TestIdentity expired;       // as `server`, but it was until an hour ago
  TestIdentity not_yet;       // as `server`, but from in an hour on
  TestIdentity wrong_host;    // of `ca`, for wrong.test; its common name is localhost
  TestIdentity untrusted;     // as `server`, of `other_ca`
  TestIdentity self_signed;   // as `server`, of nobody
  TestIdentity client;        // of `ca`, for no host
};

// Writes `text` into a file of its own in the directory for tests; returns its path.
std::string WriteTestFile(const std::string& name, const std::string& text);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_TEST_CERTS_H_
