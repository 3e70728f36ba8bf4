#include "http/core/url.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

// pchar, "/" and "?" with complete percent-encoded octets (RFC 3986 sections 3.3 to 3.5).
bool IsUriText(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3 || !IsInClass(text[i + 1], kHexDigit) ||
          !IsInClass(text[i + 2], kHexDigit)) {
        return false;
      }
      i += 2;
    } else if (!IsInClass(text[i], kUriChar)) {
      return false;
    }
  }
  return true;
}

bool TakeScheme(absl::string_view* text, Scheme* scheme) {
  const size_t colon = text->find(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view name = text->substr(0, colon);
  for (const Scheme known : {Scheme::kWs, Scheme::kWss, Scheme::kHttp, Scheme::kHttps}) {
    if (!absl::EqualsIgnoreCase(name, SchemeName(known))) continue;
    text->remove_prefix(colon + 1);
    if (!absl::StartsWith(*text, "//")) return false;
    text->remove_prefix(2);
    *scheme = known;
    return true;
  }
  return false;
}

uint16_t DefaultPort(Scheme scheme) {
  return scheme == Scheme::kWss || scheme == Scheme::kHttps ? 443 : 80;
}

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

uint16_t Url::port() const { return authority.has_port ? authority.port : DefaultPort(scheme); }

UrlError ParseUrl(absl::string_view text, Url* url) {
  Url parsed;
  if (!TakeScheme(&text, &parsed.scheme)) return UrlError::kBadScheme;

  const size_t authority_size = text.find_first_of("/?#");
  const absl::string_view authority = text.substr(0, authority_size);
  text.remove_prefix(authority.size());
  if (authority.find('@') != absl::string_view::npos) return UrlError::kUserinfo;
  if (!ParseAuthority(authority, &parsed.authority)) return JudgeBadAuthority(authority);
  if (parsed.authority.has_port && parsed.authority.port == 0) return UrlError::kBadPort;

  const size_t hash = text.find('#');
  if (hash != absl::string_view::npos) {
    if (parsed.scheme == Scheme::kWs || parsed.scheme == Scheme::kWss) return UrlError::kFragment;
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

absl::string_view SchemeName(Scheme scheme) {
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

std::string RequestTarget(const Url& url) {
  return absl::StrCat(url.path.empty() ? absl::string_view("/") : url.path,
                      url.has_query ? "?" : "", url.query);
}

std::string HostField(const Url& url) {
  const bool brackets = url.authority.host_kind == HostKind::kIpv6;
  std::string field = absl::StrCat(brackets ? "[" : "", url.authority.host, brackets ? "]" : "");
  if (url.port() != DefaultPort(url.scheme)) absl::StrAppend(&field, ":", url.port());
  return field;
}

std::string UrlText(const Url& url) {
  return absl::StrCat(SchemeName(url.scheme), "://", HostField(url), RequestTarget(url));
}

}  // namespace halfpipe::http
