#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_CONTEXT_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_CONTEXT_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace halfpipe {

// Text in PEM form (RFC 7468): from a file, or as it is. Not both.
struct TlsPem {
  std::string file = {};
  std::string text = {};

  bool empty() const { return file.empty() && text.empty(); }
};

// Who one is: the certificate first, then those that lead from it towards the root, and its private
// key, which must not be encrypted.
struct TlsIdentity {
  TlsPem certificates = {};
  TlsPem key = {};
};

enum class TlsMinimumVersion { kTls12, kTls13 };

// What a client asks of the server's certificate.
enum class TlsVerification {
  // A chain to a root that is trusted, and the name or address that was asked for (RFC 9525; in the
  // subject alternative names, the common name does not count).
  kChainAndHost,
  // A chain only: whoever has a certificate of a trusted root is believed. For roots of one's own.
  kChainOnly,
  // Anything. Whoever is in between can read and change everything.
  kInsecureAcceptAnyone,
};

struct TlsClientOptions {
  // Roots that are trusted. Empty: those that OpenSSL finds on the system.
  TlsPem trust = {};
  TlsVerification verification = TlsVerification::kChainAndHost;
  // For servers that ask for a certificate. Empty for none.
  TlsIdentity identity = {};
  // Protocols that are offered, the preferred one first (ALPN, RFC 7301); each 1..255 bytes.
  std::vector<std::string> alpn = {};
  TlsMinimumVersion minimum_version = TlsMinimumVersion::kTls12;
};

struct TlsServerOptions {
  TlsIdentity identity = {};
  // Roots for clients' certificates, which are then demanded. Empty: none are asked for.
  TlsPem client_trust = {};
  // Protocols that are spoken, the preferred one first. A client that offers only others is refused;
  // with one that offers none, none is chosen.
  std::vector<std::string> alpn = {};
  TlsMinimumVersion minimum_version = TlsMinimumVersion::kTls12;
};

// What the TLS connections of one kind have in common: certificates, trust and policy. Immutable;
// may be used by several threads at once.
//
// Policy: TLS 1.2 or later; no renegotiation, no compression, no resumption of sessions, so that
// nothing that is kept can be stolen and nothing is sent but what was asked for. Nothing of the
// process is changed, and no environment but the two variables that OpenSSL looks at for the
// system's roots is read.
//
// Errors of making one, with OpenSSL's reason in the message:
//   EINVAL   not PEM, no certificate in it, a key that does not fit or is encrypted, a bad ALPN name
//   EMSGSIZE a file above kPemBytesMax
//   ENOMEM
//   those of open() and read() for a file
// Files are read at once, which may block the thread.
//
// Example:
//   auto context = TlsContext::ForClient({.alpn = {"http/1.1"}});
//   if (!context.ok()) return context.status();
class TlsContext {
 public:
  static constexpr size_t kPemBytesMax = size_t{16} << 20;

  static absl::StatusOr<std::unique_ptr<TlsContext>> ForClient(const TlsClientOptions& options);
  static absl::StatusOr<std::unique_ptr<TlsContext>> ForServer(const TlsServerOptions& options);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  bool is_client() const { return is_client_; }
  TlsVerification verification() const { return verification_; }

  // OpenSSL's object, still owned by this one.
  SSL_CTX* ssl_context() const { return context_; }

 private:
  TlsContext(SSL_CTX* context, bool is_client) : context_(context), is_client_(is_client) {}

  static absl::StatusOr<std::unique_ptr<TlsContext>> Make(bool is_client,
                                                          TlsMinimumVersion minimum_version);
  absl::Status UseIdentity(const TlsIdentity& identity);
  absl::Status UseTrust(const TlsPem& trust);
  absl::Status UseAlpn(const std::vector<std::string>& protocols);
  static int SelectAlpn(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                        const unsigned char* offered, unsigned int offered_size, void* context);

  SSL_CTX* const context_;
  const bool is_client_;
  TlsVerification verification_ = TlsVerification::kChainAndHost;
  std::string alpn_;  // as on the wire: each name after one byte with its size
};

// What OpenSSL has said of a failure.
struct TlsFailure {
  const char* reason = "unknown reason";  // of the oldest error, which is where it began
  int ssl_reason = 0;          // SSL_R_..., of the oldest error of TLS itself; 0 for none
  bool out_of_memory = false;  // one of the errors says so, whatever came of that
};

// Takes all errors of this thread out of OpenSSL's queue.
TlsFailure TakeTlsFailure();

// The same as a status: `error`, an errno, or ENOMEM, with the reason after `what`.
absl::Status TakeTlsError(int error, absl::string_view what);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_TLS_CONTEXT_H_
