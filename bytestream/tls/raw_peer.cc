#include "bytestream/tls/raw_peer.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {

RawPeer::RawPeer(Bytestream* stream, SSL_CTX* context, bool is_server)
    : stream_(stream), ssl_(SSL_new(context)) {
  HALFPIPE_CHECK(ssl_ != nullptr);
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (is_server) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
}

RawPeer::~RawPeer() { SSL_free(ssl_); }

bool RawPeer::connected() const { return SSL_is_init_finished(ssl_) != 0; }

void RawPeer::Receive() {
  const absl::StatusOr<absl::Span<uint8_t>> bytes = stream_->Peek(1, Deadline::Immediately());
  if (!bytes.ok() || bytes->empty()) return;
  BIO_write(SSL_get_rbio(ssl_), bytes->data(), static_cast<int>(bytes->size()));
  stream_->Consume(bytes->size());
}

void RawPeer::Step() {
  Receive();
  ERR_clear_error();
  if (!connected()) SSL_do_handshake(ssl_);
  char piece[4096];
  int size;
  while ((size = SSL_read(ssl_, piece, sizeof(piece))) > 0) received_.append(piece, size);
  ERR_clear_error();
  const std::string output = TakeOutput();
  const IoSlice slice(output);
  if (!output.empty()) {
    static_cast<void>(stream_->WriteTail(absl::MakeConstSpan(&slice, 1)));
  }
}

void RawPeer::Write(absl::string_view text) {
  HALFPIPE_CHECK(SSL_write(ssl_, text.data(), static_cast<int>(text.size())) ==
                 static_cast<int>(text.size()));
}

std::string RawPeer::Read() {
  std::string text;
  text.swap(received_);
  return text;
}

std::string RawPeer::TakeOutput() {
  std::string output;
  char piece[4096];
  int size;
  while ((size = BIO_read(SSL_get_wbio(ssl_), piece, sizeof(piece))) > 0) {
    output.append(piece, size);
  }
  return output;
}

}  // namespace halfpipe
