#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_ACCEPT_KEY_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_ACCEPT_KEY_H_

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"
#include "bytestream/base/entropy.h"

namespace halfpipe::websocket {

// Sec-WebSocket-Key: 16 bytes in base64. Sec-WebSocket-Accept: a SHA-1 digest in base64.
// Characters, without a NUL.
inline constexpr size_t kHandshakeKeySize = 24;
inline constexpr size_t kHandshakeAcceptSize = 28;

using HandshakeKey = std::array<char, kHandshakeKeySize>;
using HandshakeAccept = std::array<char, kHandshakeAcceptSize>;

// The characters of either. Borrowed: lives as long as `characters`.
template <size_t kSize>
absl::string_view AsView(const std::array<char, kSize>& characters) {
  return absl::string_view(characters.data(), characters.size());
}

// A fresh key (RFC 6455 section 4.1, item 7). Allocates nothing.
//
// Example:
//   const HandshakeKey key = MakeKey(Entropy::System());
HandshakeKey MakeKey(Entropy& entropy);

// True if `key` is 16 bytes in strict base64 (section 4.2.1, item 5): 24 characters of the standard
// alphabet, "==" at the end, the bits that padding leaves over 0.
[[nodiscard]] bool IsValidKey(absl::string_view key);

// What a server answers to `key` (section 4.2.2, item 5.4). `key` is hashed as it stands, any
// length; whether it is valid is not looked at. Allocates nothing.
HandshakeAccept AcceptValue(absl::string_view key);

// True if `accept` is exactly AcceptValue(key). The time it takes depends on no character of either
// but on the size alone: the comparison is http::SecretsEqual().
[[nodiscard]] bool AcceptMatches(absl::string_view accept, absl::string_view key);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_ACCEPT_KEY_H_
