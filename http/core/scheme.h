#ifndef HALFPIPE_HTTP_CORE_SCHEME_H_
#define HALFPIPE_HTTP_CORE_SCHEME_H_

// The four schemes of URLs that an upgrade to WebSocket meets (RFC 6455 section 3, RFC 9110 section
// 4.2). Pure; nothing allocates.

#include <cstdint>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace halfpipe::http {

enum class Scheme : uint8_t { kWs, kWss, kHttp, kHttps };

// "ws", "wss", "http" or "https". Static storage.
constexpr absl::string_view SchemeName(Scheme scheme) {
  switch (scheme) {
    case Scheme::kWs:
      return "ws";
    case Scheme::kWss:
      return "wss";
    case Scheme::kHttp:
      return "http";
    case Scheme::kHttps:
      return "https";
  }
  return "";
}

// The scheme called `name`, without its colon and without regard to case; nullopt for any other.
inline std::optional<Scheme> FindScheme(absl::string_view name) {
  for (const Scheme known : {Scheme::kWs, Scheme::kWss, Scheme::kHttp, Scheme::kHttps}) {
    if (absl::EqualsIgnoreCase(name, SchemeName(known))) return known;
  }
  return std::nullopt;
}

// Takes one of these schemes and "://" off the front of *text, without regard to case; nullopt, and
// *text as it was, for anything else.
inline std::optional<Scheme> TakeScheme(absl::string_view* text) {
  constexpr absl::string_view kBehind = "://";
  const absl::string_view name = text->substr(0, text->find(':'));
  const std::optional<Scheme> scheme = FindScheme(name);
  if (!scheme.has_value() || !absl::StartsWith(text->substr(name.size()), kBehind)) {
    return std::nullopt;
  }
  text->remove_prefix(name.size() + kBehind.size());
  return scheme;
}

// Whether connections of the scheme are TLS.
constexpr bool IsSecure(Scheme scheme) {
  return scheme == Scheme::kWss || scheme == Scheme::kHttps;
}

// The port that is meant where none is said, of secured connections and of others.
constexpr uint16_t DefaultPort(bool secure) { return secure ? 443 : 80; }

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_SCHEME_H_
