// Base64. Any bytes come back from their encoding, and any text is decoded, or refused, as a plain
// reader does that goes bit by bit.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/base64.h"

namespace {

using namespace halfpipe::http;  // NOLINT

void Require(bool holds) {
  if (!holds) std::abort();
}

// The bytes, or nullopt unless `text` is the one spelling of them.
std::optional<std::vector<uint8_t>> DecodeSlowly(const std::string& text) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < text.size() && padding < 3 && text[text.size() - 1 - padding] == '=') ++padding;
  if (padding > 2) return std::nullopt;
  std::vector<bool> bits;
  for (size_t i = 0; i < text.size() - padding; ++i) {
    const size_t value = alphabet.find(text[i]);
    if (value == std::string::npos) return std::nullopt;
    for (int bit = 5; bit >= 0; --bit) bits.push_back((value >> bit & 1) != 0);
  }
  std::vector<uint8_t> bytes(bits.size() / 8);
  for (size_t i = 0; i < bits.size(); ++i) {
    if (i / 8 < bytes.size()) {
      bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] * 2 + (bits[i] ? 1 : 0));
    } else if (bits[i]) {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 2048) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::optional<std::vector<uint8_t>> expected = DecodeSlowly(text);
  std::vector<uint8_t> decoded(size);
  const std::optional<size_t> count = Base64Decode(text, absl::MakeSpan(decoded));
  Require(count.has_value() == expected.has_value());
  if (count.has_value()) {
    decoded.resize(*count);
    Require(decoded == *expected);
    // No room for the last byte.
    std::vector<uint8_t> small(*count == 0 ? 0 : *count - 1);
    if (*count > 0) Require(!Base64Decode(text, absl::MakeSpan(small)).has_value());
  }

  std::vector<char> encoded(Base64EncodedSize(size));
  const auto bytes = absl::MakeConstSpan(data, size);
  const std::optional<absl::string_view> written = Base64Encode(bytes, absl::MakeSpan(encoded));
  Require(written.has_value() && written->size() == encoded.size());
  const std::optional<std::vector<uint8_t>> again = DecodeSlowly(std::string(*written));
  Require(again.has_value() && *again == std::vector<uint8_t>(bytes.begin(), bytes.end()));
  std::vector<char> less(encoded.empty() ? 0 : encoded.size() - 1);
  if (size > 0) Require(!Base64Encode(bytes, absl::MakeSpan(less)).has_value());
  return 0;
}
