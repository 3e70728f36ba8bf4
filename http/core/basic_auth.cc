#include "http/core/basic_auth.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "http/core/base64.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const unsigned char byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// What follows the scheme and its spaces in the only Authorization field (RFC 9110 section 11.4),
// if the scheme is `scheme`.
std::optional<absl::string_view> Credentials(const HeaderList& fields, absl::string_view scheme) {
  const std::optional<absl::string_view> value = fields.FindOnly("Authorization");
  if (!value.has_value() || value->size() <= scheme.size()) return std::nullopt;
  if (!absl::StartsWithIgnoreCase(*value, scheme) || (*value)[scheme.size()] != ' ') {
    return std::nullopt;
  }
  absl::string_view rest = value->substr(scheme.size());
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return rest;
}

// `text` as a quoted-string (RFC 9110 section 5.6.4).
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (!IsInClass(c, kFieldValueChar)) continue;
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace

std::optional<std::string> BasicAuthorization(const BasicCredentials& credentials) {
  if (absl::StrContains(credentials.user, ':') || HasControl(credentials.user) ||
      HasControl(credentials.password)) {
    return std::nullopt;
  }
  const std::string pair = absl::StrCat(credentials.user, ":", credentials.password);
  constexpr absl::string_view kScheme = "Basic ";
  std::string value(kScheme);
  value.resize(kScheme.size() + Base64EncodedSize(pair.size()));
  const auto bytes =
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(pair.data()), pair.size());
  if (!Base64Encode(bytes, absl::MakeSpan(value).subspan(kScheme.size())).has_value()) {
    return std::nullopt;
  }
  return value;
}

bool IsValidBearerToken(absl::string_view token) {
  while (!token.empty() && token.back() == '=') token.remove_suffix(1);
  return !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           absl::string_view("-._~+/").find(c) != absl::string_view::npos;
  });
}

std::optional<std::string> BearerAuthorization(absl::string_view token) {
  if (!IsValidBearerToken(token)) return std::nullopt;
  return absl::StrCat("Bearer ", token);
}

std::optional<OwnedBasicCredentials> ReadBasicCredentials(const HeaderList& fields) {
  const std::optional<absl::string_view> token = Credentials(fields, "Basic");
  if (!token.has_value()) return std::nullopt;
  std::string pair(token->size() / 4 * 3, '\0');
  const std::optional<size_t> size =
      Base64Decode(*token, absl::MakeSpan(reinterpret_cast<uint8_t*>(pair.data()), pair.size()));
  if (!size.has_value()) return std::nullopt;
  pair.resize(*size);
  const size_t colon = pair.find(':');
  if (colon == std::string::npos || HasControl(pair)) return std::nullopt;
  return OwnedBasicCredentials{pair.substr(0, colon), pair.substr(colon + 1)};
}

std::optional<absl::string_view> BearerToken(const HeaderList& fields) {
  const std::optional<absl::string_view> token = Credentials(fields, "Bearer");
  if (!token.has_value() || !IsValidBearerToken(*token)) return std::nullopt;
  return token;
}

OwnedField BasicChallenge(absl::string_view realm) {
  return {"WWW-Authenticate", absl::StrCat("Basic realm=", Quoted(realm), ", charset=\"UTF-8\"")};
}

OwnedField BearerChallenge(absl::string_view realm) {
  return {"WWW-Authenticate", absl::StrCat("Bearer realm=", Quoted(realm))};
}

}  // namespace halfpipe::http
