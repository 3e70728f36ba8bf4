#ifndef HALFPIPE_BYTESTREAM_TLS_RAW_PEER_H_
#define HALFPIPE_BYTESTREAM_TLS_RAW_PEER_H_

#include <openssl/ssl.h>

#include <string>

#include "absl/strings/string_view.h"
#include "bytestream/bytestream.h"

namespace halfpipe {

// The other end of a TLS connection, made of OpenSSL alone, for what a peer of ours would never do.
// Never waits: Step() moves what there is to and from the stream.
class RawPeer {
 public:
  // Both are borrowed.
  RawPeer(Bytestream* stream, SSL_CTX* context, bool is_server);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // Goes on with the handshake, and takes what has come and sends what is to go.
  void Step();
  bool connected() const;

  // Encrypts; it leaves with the next Step().
  void Write(absl::string_view text);
  // What has come and could be decrypted so far; forgets it.
  std::string Read();

  // What would leave with the next Step(): taken away, so that the test can send it in pieces.
  std::string TakeOutput();

  SSL* ssl() { return ssl_; }

 private:
  void Receive();

  Bytestream* const stream_;
  SSL* const ssl_;
  std::string received_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_RAW_PEER_H_
