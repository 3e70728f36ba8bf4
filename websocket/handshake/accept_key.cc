#include "websocket/handshake/accept_key.h"

// SHA1() of OpenSSL 3 looks the algorithm up and allocates a context at each call. The older
// functions work in memory of ours; they are marked as deprecated, and are in every build of it.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <cstdint>

#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "http/core/base64.h"
#include "http/core/constant_time.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kNonceSize = 16;

}  // namespace

HandshakeKey MakeKey(Entropy& entropy) {
  uint8_t nonce[kNonceSize];
  entropy.Fill(absl::MakeSpan(nonce));
  HandshakeKey key;
  HALFPIPE_CHECK(http::Base64Encode(nonce, absl::MakeSpan(key)).has_value());
  return key;
}

bool IsValidKey(absl::string_view key) {
  uint8_t nonce[kNonceSize];
  return key.size() == kHandshakeKeySize &&
         http::Base64Decode(key, absl::MakeSpan(nonce)) == kNonceSize;
}

HandshakeAccept AcceptValue(absl::string_view key) {
  uint8_t digest[SHA_DIGEST_LENGTH];
  SHA_CTX context;
  HALFPIPE_CHECK(SHA1_Init(&context) == 1);
  HALFPIPE_CHECK(SHA1_Update(&context, key.data(), key.size()) == 1);
  HALFPIPE_CHECK(SHA1_Update(&context, kGuid.data(), kGuid.size()) == 1);
  HALFPIPE_CHECK(SHA1_Final(digest, &context) == 1);
  HandshakeAccept accept;
  HALFPIPE_CHECK(http::Base64Encode(digest, absl::MakeSpan(accept)).has_value());
  return accept;
}

bool AcceptMatches(absl::string_view accept, absl::string_view key) {
  const HandshakeAccept expected = AcceptValue(key);
  return http::SecretsEqual(accept, AsView(expected));
}

}  // namespace halfpipe::websocket
