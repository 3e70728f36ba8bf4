#include "http/core/url.h"

#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

// pchar, "/" and "?" with complete percent-encoded octets (RFC 3986 sections 3.3 to 3.5).
bool IsUriText(absl::string_view text) { return IsPercentEncoded(text, kUriChar); }

// Says whether it is the port or the host for which ParseAuthority refused `text`.
UrlError JudgeBadAuthority(absl::string_view text) {
  const size_t colon = text.rfind(':');
  const size_t bracket = text.rfind(']');
  if (colon == absl::string_view::npos) return UrlError::kBadHost;
  if (bracket != absl::string_view::npos && colon < bracket) return UrlError::kBadHost;
  Authority ignored;
  return ParseAuthority(text.substr(0, colon), &ignored) ? UrlError::kBadPort : UrlError::kBadHost;
}

}  // namespace

UrlError ParseUrl(absl::string_view text, Url* url) {
  Url parsed;
  const std::optional<Scheme> scheme = TakeScheme(&text);
  if (!scheme.has_value()) return UrlError::kBadScheme;
  parsed.scheme = *scheme;

  const size_t authority_size = text.find_first_of("/?#");
  const absl::string_view authority = text.substr(0, authority_size);
  text.remove_prefix(authority.size());
  if (authority.find('@') != absl::string_view::npos) return UrlError::kUserinfo;
  if (!ParseAuthority(authority, &parsed.authority)) return JudgeBadAuthority(authority);
  if (parsed.authority.has_port && parsed.authority.port == 0) return UrlError::kBadPort;

  const size_t hash = text.find('#');
  if (hash != absl::string_view::npos) {
    if (*scheme == Scheme::kWs || *scheme == Scheme::kWss) return UrlError::kFragment;
    if (!IsUriText(text.substr(hash + 1))) return UrlError::kFragment;
    text = text.substr(0, hash);
  }
  const size_t question = text.find('?');
  if (question != absl::string_view::npos) {
    parsed.has_query = true;
    parsed.query = text.substr(question + 1);
    if (!IsUriText(parsed.query)) return UrlError::kBadQuery;
  }
  parsed.path = text.substr(0, question);
  if (!IsUriText(parsed.path)) return UrlError::kBadPath;
  *url = parsed;
  return UrlError::kNone;
}

absl::string_view UrlErrorText(UrlError error) {
  switch (error) {
    case UrlError::kNone:
      return "no error";
    case UrlError::kBadScheme:
      return "URL does not begin with ws://, wss://, http:// or https://";
    case UrlError::kUserinfo:
      return "URL has a user name or a password in it";
    case UrlError::kBadHost:
      return "host in the URL is empty or not a name or an address";
    case UrlError::kBadPort:
      return "port in the URL is not a number from 1 to 65535";
    case UrlError::kBadPath:
      return "path in the URL has a byte that must be percent-encoded";
    case UrlError::kBadQuery:
      return "query in the URL has a byte that must be percent-encoded";
    case UrlError::kFragment:
      return "fragment in the URL: not allowed with ws and wss, or malformed";
  }
  return "unknown error";
}

std::string RequestTarget(const Url& url) {
  const bool websocket = url.scheme == Scheme::kWs || url.scheme == Scheme::kWss;
  const bool says_query = websocket ? !url.query.empty() : url.has_query;
  return absl::StrCat(url.path.empty() ? absl::string_view("/") : url.path, says_query ? "?" : "",
                      url.query);
}

std::string HostField(const Url& url) {
  const bool brackets = url.authority.host_kind == HostKind::kIpv6;
  std::string field = absl::StrCat(brackets ? "[" : "", url.authority.host, brackets ? "]" : "");
  if (url.port() != DefaultPort(url.secure())) absl::StrAppend(&field, ":", url.port());
  return field;
}

std::string UrlText(const Url& url) {
  return absl::StrCat(SchemeName(url.scheme), "://", HostField(url), RequestTarget(url));
}

}  // namespace halfpipe::http
