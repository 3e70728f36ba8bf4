#include "bytestream/tls/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

// Alerts that are about the certificate of whoever they are sent to (RFC 8446 section 6.2).
bool RefusesCertificate(int alert) {
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

// The name for SNI and for the certificate: without the dot of an absolute name.
std::string PlainHost(absl::string_view host) {
  if (host.size() > 1 && host.back() == '.') host.remove_suffix(1);
  return std::string(host);
}

}  // namespace

absl::Status TlsSession::Prepare(const TlsContext& context, absl::string_view host) {
  ERR_clear_error();
  ssl_ = SSL_new(context.ssl_context());
  BIO* const bio = ssl_ != nullptr ? bio_.NewBio() : nullptr;
  if (bio == nullptr) return TakeTlsError(ENOMEM, "making a TLS connection");
  SSL_set_bio(ssl_, bio, bio);
  if (!context.is_client()) {
    SSL_set_accept_state(ssl_);
    return absl::OkStatus();
  }
  SSL_set_connect_state(ssl_);
  const bool demanded = context.verification() == TlsVerification::kChainAndHost;
  if (host.empty()) {
    if (!demanded) return absl::OkStatus();
    return ErrnoStatus(EINVAL, "no host to verify the certificate for");
  }
  const std::string name = PlainHost(host);
  if (name.find('\0') != std::string::npos) return ErrnoStatus(EINVAL, "a host with a NUL in it");
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_);
  // Whether it is an address is for OpenSSL to say, which will look for it in the certificate.
  const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) == 1;
  ERR_clear_error();
  if (!is_address && SSL_set_tlsext_host_name(ssl_, name.c_str()) != 1) {
    return TakeTlsError(EINVAL, "the host to ask for");
  }
  if (!demanded) {
    if (is_address) X509_VERIFY_PARAM_set1_ip(wanted, nullptr, 0);
    return absl::OkStatus();
  }
  if (is_address) return absl::OkStatus();
  // RFC 9525: the common name does not count (section 6.3), and a wildcard stands for a whole label
  // (section 6.3).
  SSL_set_hostflags(ssl_,
                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SSL_set1_host(ssl_, name.c_str()) == 1) return absl::OkStatus();
  return TakeTlsError(EINVAL, "the host to verify");
}

// Fails with what OpenSSL has put into the thread's queue of errors.
TlsSession::Step TlsSession::Fail() {
  const TlsFailure failure = TakeTlsFailure();
  const int alert = failure.ssl_reason - SSL_AD_REASON_OFFSET;
  int error = EPROTO;
  std::string what = "TLS";
  if (failure.ssl_reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long verdict = SSL_get_verify_result(ssl_);  // NOLINT: OpenSSL's type
    error = verdict == X509_V_ERR_OUT_OF_MEM ? ENOMEM : EACCES;
    what =
        absl::StrCat("the peer's certificate is refused: ", X509_verify_cert_error_string(verdict));
  } else if (failure.ssl_reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    error = EACCES;
    what = "the peer is refused";
  } else if (alert > 0 && alert <= 255) {
    error = RefusesCertificate(alert) ? EACCES : EPROTO;
    what = "the peer ended TLS";
  }
  failure_ =
      ErrnoStatus(failure.out_of_memory ? ENOMEM : error, absl::StrCat(what, ": ", failure.reason));
  return Step::kFailed;
}

// What a call of OpenSSL that returned `result` has come to.
TlsSession::Step TlsSession::Outcome(int result) {
  if (result > 0) return Step::kDone;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Step::kWantRead;
    case SSL_ERROR_ZERO_RETURN:
      return Step::kEnd;
    default:
      return Fail();
  }
}

TlsSession::Step TlsSession::Handshake() {
  if (!failure_.ok()) return Step::kFailed;
  ERR_clear_error();
  return Outcome(SSL_do_handshake(ssl_));
}

TlsSession::Step TlsSession::Read(void* data, size_t size, size_t* count) {
  *count = 0;
  if (!failure_.ok()) return Step::kFailed;
  ERR_clear_error();
  return Outcome(SSL_read_ex(ssl_, data, size, count));
}

TlsSession::Step TlsSession::Write(const void* data, size_t size, size_t* count) {
  *count = 0;
  if (!failure_.ok()) return Step::kFailed;
  ERR_clear_error();
  return Outcome(SSL_write_ex(ssl_, data, std::min(size, kRecordBytesMax), count));
}

TlsSession::Step TlsSession::SendCloseNotify() {
  if (!failure_.ok()) return Step::kFailed;
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_);
  // 0: sent, and the peer's has not come yet.
  return result == 0 ? Step::kDone : Outcome(result);
}

TlsInfo TlsSession::Info() const {
  TlsInfo info;
  if (ssl_ == nullptr) return info;
  info.version = SSL_get_version(ssl_);
  if (const char* const cipher = SSL_get_cipher_name(ssl_)) info.cipher = cipher;
  const unsigned char* alpn = nullptr;
  unsigned int alpn_size = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &alpn_size);
  if (alpn_size > 0) info.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  if (const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name)) {
    info.server_name = name;
  }
  X509* const peer = SSL_get0_peer_certificate(ssl_);
  if (peer == nullptr) return info;
  unsigned char* der = nullptr;
  const int der_size = i2d_X509(peer, &der);
  if (der_size > 0) {
    info.peer_certificate_der.assign(reinterpret_cast<const char*>(der),
                                     static_cast<size_t>(der_size));
  }
  OPENSSL_free(der);
  BIO* const text = BIO_new(BIO_s_mem());
  if (text == nullptr) return info;
  X509_NAME_print_ex(text, X509_get_subject_name(peer), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text, &bytes);  // NOLINT: OpenSSL's type
  if (size > 0) info.peer_subject.assign(bytes, static_cast<size_t>(size));
  BIO_free(text);
  return info;
}

}  // namespace halfpipe
