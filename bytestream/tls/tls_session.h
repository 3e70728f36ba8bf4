#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_SESSION_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_SESSION_H_

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "bytestream/bytestream.h"
#include "bytestream/tls/tls_bio.h"
#include "bytestream/tls/tls_context.h"

namespace halfpipe {

// What is known about the TLS of a connection once it is there.
struct TlsInfo {
  std::string version;      // such as "TLSv1.3"
  std::string cipher;       // such as "TLS_AES_256_GCM_SHA384"
  std::string alpn;         // the protocol agreed on; empty for none
  std::string server_name;  // that the client asked for (SNI); empty for none
  // The peer's certificate, in DER form, and its subject, for people (RFC 2253); empty for none.
  std::string peer_certificate_der;
  std::string peer_subject;
};

// One connection of OpenSSL's, driven by calls that never wait, over the bytes that a stream has
// buffered (see TlsBio).
//
//   kDone      it has happened
//   kWantRead  not without more bytes from below: wanted() of them would be useful
//   kEnd       the peer has ended its direction with close_notify (RFC 8446 section 6.1)
//   kFailed    failure() tells why; so will every later call
//
// What was to be sent has gone to the stream below or failed there, see write_error(); neither
// makes a call fail.
class TlsSession {
 public:
  enum class Step : uint8_t { kDone, kWantRead, kEnd, kFailed };

  // The most bytes that go into one record (RFC 8446 section 5.1).
  static constexpr size_t kRecordBytesMax = 16'384;

  // `lower` is borrowed and outlives the object.
  explicit TlsSession(Bytestream* lower) : bio_(lower) {}
  ~TlsSession() { SSL_free(ssl_); }
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // To be called once, before all others. `host`, for a client, is the name or the IP address that
  // is wanted: it is asked for (SNI, names only) and, depending on the context, demanded of the
  // certificate. EINVAL: none although it is demanded, or not a name. ENOMEM.
  absl::Status Prepare(const TlsContext& context, absl::string_view host);

  Step Handshake();
  // Decrypts up to `size` bytes (at least 1).
  Step Read(void* data, size_t size, size_t* count);
  // Encrypts, in one record, up to kRecordBytesMax of the `size` bytes (at least 1).
  Step Write(const void* data, size_t size, size_t* count);
  Step SendCloseNotify();

  size_t wanted() const { return bio_.wanted(); }
  int write_error() const { return bio_.write_error(); }

  // OK, or EPROTO (the peer broke the protocol, or complained that we did), EACCES (a certificate
  // was refused, by us or by the peer), ENOMEM.
  const absl::Status& failure() const { return failure_; }

  // True while OpenSSL is in a handshake, or in the middle of a message that follows one: it writes
  // nothing before it has read the rest.
  bool in_handshake() const { return ssl_ != nullptr && SSL_in_init(ssl_) != 0; }

  // True if bytes have been taken from below that Read() has not given out.
  bool has_pending() const { return ssl_ != nullptr && SSL_has_pending(ssl_) != 0; }

  TlsInfo Info() const;

 private:
  Step Outcome(int result);
  Step Fail();

  TlsBio bio_;
  SSL* ssl_ = nullptr;
  absl::Status failure_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_TLS_SESSION_H_
