#include "bytestream/tls/tls_context.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// Whoever gives an encrypted key is told so; OpenSSL would ask on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

// What the thread's queue of errors says about something that the caller gave.
absl::Status BadArgument(absl::string_view what) { return TakeTlsError(EINVAL, what); }

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  int fd;
  do {
    // A pipe, or a file of the network's, can make it wait.
    fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening ", path));
  std::string text;
  char piece[4096];
  absl::Status status;
  for (;;) {
    const ssize_t size = read(fd, piece, sizeof(piece));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) status = ErrnoStatus(errno, absl::StrCat("reading ", path));
    if (size <= 0) break;
    text.append(piece, static_cast<size_t>(size));
    if (text.size() > TlsContext::kPemBytesMax) {
      status = ErrnoStatus(EMSGSIZE, absl::StrCat(path, " is above kPemBytesMax"));
      break;
    }
  }
  close(fd);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<std::string> Load(const TlsPem& pem, absl::string_view what) {
  if (pem.empty()) return ErrnoStatus(EINVAL, absl::StrCat("no ", what));
  if (pem.file.empty()) return pem.text;
  if (!pem.text.empty()) {
    return ErrnoStatus(EINVAL, absl::StrCat("both a file and text for the ", what));
  }
  return ReadFile(pem.file);
}

Owned<BIO> Reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The next certificate, or null at the end of the text. `status` tells of what is neither.
Owned<X509> NextCertificate(BIO* reader, absl::string_view what, absl::Status* status) {
  Owned<X509> certificate(PEM_read_bio_X509(reader, nullptr, NoPassword, nullptr));
  if (certificate != nullptr) return certificate;
  const unsigned long last = ERR_peek_last_error();  // NOLINT: OpenSSL's type
  const bool at_end =
      ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  const absl::Status told = BadArgument(what);
  if (!at_end || StatusErrno(told) == ENOMEM) *status = told;
  return nullptr;
}

}  // namespace

TlsFailure TakeTlsFailure() {
  TlsFailure failure;
  if (const char* const reason = ERR_reason_error_string(ERR_peek_error())) failure.reason = reason;
  while (const unsigned long error = ERR_get_error()) {  // NOLINT: OpenSSL's type
    const int reason = ERR_GET_REASON(error);
    if (reason == ERR_R_MALLOC_FAILURE) failure.out_of_memory = true;
    // Another library's reasons have the same numbers.
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && failure.ssl_reason == 0) failure.ssl_reason = reason;
  }
  return failure;
}

absl::Status TakeTlsError(int error, absl::string_view what) {
  const TlsFailure failure = TakeTlsFailure();
  return ErrnoStatus(failure.out_of_memory ? ENOMEM : error,
                     absl::StrCat(what, ": ", failure.reason));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Make(bool is_client,
                                                             TlsMinimumVersion minimum_version) {
  ERR_clear_error();
  SSL_CTX* const context = SSL_CTX_new(is_client ? TLS_client_method() : TLS_server_method());
  if (context == nullptr) return TakeTlsError(ENOMEM, "making a TLS context");
  std::unique_ptr<TlsContext> made(new TlsContext(context, is_client));
  const bool only_13 = minimum_version == TlsMinimumVersion::kTls13;
  SSL_CTX_set_min_proto_version(context, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  // Idle connections hold no buffers of OpenSSL's.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // What follows the end of TLS belongs to the stream below.
  SSL_CTX_set_read_ahead(context, 0);
  SSL_CTX_set_default_passwd_cb(context, NoPassword);
  return made;
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::ForClient(const TlsClientOptions& options) {
  absl::StatusOr<std::unique_ptr<TlsContext>> made = Make(true, options.minimum_version);
  if (!made.ok()) return made;
  TlsContext& context = **made;
  context.verification_ = options.verification;
  if (options.verification == TlsVerification::kInsecureAcceptAnyone) {
    SSL_CTX_set_verify(context.context_, SSL_VERIFY_NONE, nullptr);
  } else {
    const absl::Status status = context.UseTrust(options.trust);
    if (!status.ok()) return status;
    SSL_CTX_set_verify(context.context_, SSL_VERIFY_PEER, nullptr);
  }
  if (!options.identity.certificates.empty() || !options.identity.key.empty()) {
    const absl::Status status = context.UseIdentity(options.identity);
    if (!status.ok()) return status;
  }
  const absl::Status status = context.UseAlpn(options.alpn);
  if (!status.ok()) return status;
  return made;
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::ForServer(const TlsServerOptions& options) {
  absl::StatusOr<std::unique_ptr<TlsContext>> made = Make(false, options.minimum_version);
  if (!made.ok()) return made;
  TlsContext& context = **made;
  absl::Status status = context.UseIdentity(options.identity);
  if (!status.ok()) return status;
  if (!options.client_trust.empty()) {
    status = context.UseTrust(options.client_trust);
    if (!status.ok()) return status;
    SSL_CTX_set_verify(context.context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       nullptr);
  }
  status = context.UseAlpn(options.alpn);
  if (!status.ok()) return status;
  return made;
}

absl::Status TlsContext::UseIdentity(const TlsIdentity& identity) {
  const absl::StatusOr<std::string> chain = Load(identity.certificates, "certificate");
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<std::string> key_text = Load(identity.key, "private key");
  if (!key_text.ok()) return key_text.status();

  const Owned<BIO> reader = Reader(*chain);
  if (reader == nullptr) return TakeTlsError(ENOMEM, "reading a certificate");
  absl::Status status;
  const Owned<X509> own = NextCertificate(reader.get(), "the certificate", &status);
  if (!status.ok()) return status;
  if (own == nullptr) return ErrnoStatus(EINVAL, "no certificate in PEM form");
  if (SSL_CTX_use_certificate(context_, own.get()) != 1) return BadArgument("the certificate");
  while (Owned<X509> next = NextCertificate(reader.get(), "a certificate of the chain", &status)) {
    if (SSL_CTX_add1_chain_cert(context_, next.get()) != 1) {
      return BadArgument("a certificate of the chain");
    }
  }
  if (!status.ok()) return status;

  const Owned<BIO> key_reader = Reader(*key_text);
  if (key_reader == nullptr) return TakeTlsError(ENOMEM, "reading a private key");
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(key_reader.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return BadArgument("the private key");
  if (SSL_CTX_use_PrivateKey(context_, key.get()) != 1 ||
      SSL_CTX_check_private_key(context_) != 1) {
    return BadArgument("the private key does not fit the certificate");
  }
  return absl::OkStatus();
}

absl::Status TlsContext::UseTrust(const TlsPem& trust) {
  if (trust.empty()) {
    if (SSL_CTX_set_default_verify_paths(context_) == 1) return absl::OkStatus();
    return BadArgument("the system's trusted certificates");
  }
  const absl::StatusOr<std::string> text = Load(trust, "trusted certificates");
  if (!text.ok()) return text.status();
  const Owned<BIO> reader = Reader(*text);
  if (reader == nullptr) return TakeTlsError(ENOMEM, "reading trusted certificates");
  absl::Status status;
  int count = 0;
  while (Owned<X509> next = NextCertificate(reader.get(), "a trusted certificate", &status)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), next.get()) != 1) {
      return BadArgument("a trusted certificate");
    }
    // Clients are told which certificates are wanted.
    if (!is_client_ && SSL_CTX_add_client_CA(context_, next.get()) != 1) {
      return BadArgument("a trusted certificate");
    }
    ++count;
  }
  if (!status.ok()) return status;
  return count > 0 ? absl::OkStatus() : ErrnoStatus(EINVAL, "no trusted certificate in PEM form");
}

absl::Status TlsContext::UseAlpn(const std::vector<std::string>& protocols) {
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      return ErrnoStatus(EINVAL, "an ALPN protocol name has 1 to 255 bytes");
    }
    alpn_.push_back(static_cast<char>(protocol.size()));
    alpn_ += protocol;
  }
  if (alpn_.empty()) return absl::OkStatus();
  // The list has a length of two bytes (RFC 7301 section 3.1), and so has what it is in.
  constexpr size_t kListBytesMax = 65'000;
  if (alpn_.size() > kListBytesMax) return ErrnoStatus(EINVAL, "too many ALPN protocol names");
  if (!is_client_) {
    SSL_CTX_set_alpn_select_cb(context_, SelectAlpn, this);
    return absl::OkStatus();
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(alpn_.data());
  // This one returns 0 for success.
  if (SSL_CTX_set_alpn_protos(context_, bytes, static_cast<unsigned int>(alpn_.size())) == 0) {
    return absl::OkStatus();
  }
  return BadArgument("the ALPN protocol names");
}

// RFC 7301 section 3.2: the server chooses, or refuses with no_application_protocol.
int TlsContext::SelectAlpn(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                           const unsigned char* offered, unsigned int offered_size,
                           void* argument) {
  const std::string& alpn = static_cast<const TlsContext*>(argument)->alpn_;
  unsigned char* selected = nullptr;
  const int result = SSL_select_next_proto(
      &selected, chosen_size, reinterpret_cast<const unsigned char*>(alpn.data()),
      static_cast<unsigned int>(alpn.size()), offered, offered_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace halfpipe
