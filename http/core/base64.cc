#include "http/core/base64.h"

#include <array>

namespace halfpipe::http {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNotInAlphabet = 0xff;

constexpr std::array<uint8_t, 256> MakeValues() {
  std::array<uint8_t, 256> values = {};
  for (uint8_t& value : values) value = kNotInAlphabet;
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(kAlphabet[i])] = i;
  return values;
}

constexpr std::array<uint8_t, 256> kValues = MakeValues();

}  // namespace

std::optional<absl::string_view> Base64Encode(absl::Span<const uint8_t> in, absl::Span<char> out) {
  const size_t size = Base64EncodedSize(in.size());
  if (out.size() < size) return std::nullopt;
  size_t to = 0;
  for (size_t from = 0; from < in.size(); from += 3) {
    const size_t left = in.size() - from;
    const uint32_t group = static_cast<uint32_t>(in[from]) << 16 |
                           (left > 1 ? static_cast<uint32_t>(in[from + 1]) << 8 : 0u) |
                           (left > 2 ? static_cast<uint32_t>(in[from + 2]) : 0u);
    out[to++] = kAlphabet[group >> 18];
    out[to++] = kAlphabet[group >> 12 & 63];
    out[to++] = left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    out[to++] = left > 2 ? kAlphabet[group & 63] : '=';
  }
  return absl::string_view(out.data(), size);
}

std::optional<size_t> Base64Decode(absl::string_view in, absl::Span<uint8_t> out) {
  if (in.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < in.size() && in[in.size() - 1 - padding] == '=') ++padding;
  const size_t size = in.size() / 4 * 3 - padding;
  if (out.size() < size) return std::nullopt;
  size_t to = 0;
  for (size_t from = 0; from < in.size(); from += 4) {
    const size_t digits = from + 4 == in.size() ? 4 - padding : 4;
    uint32_t group = 0;
    for (size_t i = 0; i < 4; ++i) {
      const uint8_t value =
          i < digits ? kValues[static_cast<unsigned char>(in[from + i])] : uint8_t{0};
      if (value == kNotInAlphabet) return std::nullopt;
      group = group << 6 | value;
    }
    out[to++] = static_cast<uint8_t>(group >> 16);
    if (digits > 2) out[to++] = static_cast<uint8_t>(group >> 8);
    if (digits > 3) out[to++] = static_cast<uint8_t>(group);
    const uint32_t left_over = digits == 4 ? 0 : digits == 3 ? group & 0xff : group & 0xffff;
    if (left_over != 0) return std::nullopt;
  }
  return size;
}

}  // namespace halfpipe::http
