// Sec-WebSocket-Key and Sec-WebSocket-Accept. A key is valid if it is the one base64 spelling of 16
// bytes; what is accepted for a key is its own value and nothing else.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "websocket/handshake/accept_key.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT

void Require(bool condition) {
  if (!condition) std::abort();
}

// 22 characters of the alphabet, the last of them one whose low four bits are 0, and "==".
bool IsValidSlowly(const std::string& key) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (key.size() != 24 || key.substr(22) != "==") return false;
  for (size_t i = 0; i < 22; ++i) {
    if (alphabet.find(key[i]) == std::string::npos) return false;
  }
  return alphabet.find(key[21]) % 16 == 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 256) return 0;
  const std::string key(reinterpret_cast<const char*>(data) + 2, size - 2);
  Require(IsValidKey(key) == IsValidSlowly(key));

  const HandshakeAccept accept = AcceptValue(key);
  std::string text(AsView(accept));
  Require(AcceptMatches(text, key));
  Require(!AcceptMatches(text, key + "x"));
  Require(!AcceptMatches(text + "=", key));
  Require(!AcceptMatches(absl::string_view(text).substr(1), key));
  Require(!AcceptMatches("", key));
  // Any one character changed by any bit.
  text[data[0] % text.size()] = static_cast<char>(text[data[0] % text.size()] ^ (1 << data[1] % 8));
  Require(!AcceptMatches(text, key));
  return 0;
}
