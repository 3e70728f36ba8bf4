#include "websocket/handshake/origin_policy.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "http/core/grammar.h"
#include "http/core/scheme.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kOrigin = "Origin";
constexpr absl::string_view kNull = "null";

}  // namespace

uint16_t Origin::port() const {
  if (authority.has_port) return authority.port;
  const std::optional<http::Scheme> known = http::FindScheme(scheme);
  return known.has_value() ? http::DefaultPort(http::IsSecure(*known)) : 0;
}

bool ParseOrigin(absl::string_view text, Origin* out) {
  constexpr absl::string_view kBehindScheme = "://";
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || !http::IsValidScheme(text.substr(0, colon))) return false;
  if (!absl::StartsWith(text.substr(colon), kBehindScheme)) return false;
  Origin parsed;
  parsed.scheme = text.substr(0, colon);
  const absl::string_view authority = text.substr(colon + kBehindScheme.size());
  if (!http::ParseAuthority(authority, &parsed.authority)) return false;
  // A colon without a port is in no serialization.
  if (authority.back() == ':') return false;
  *out = parsed;
  return true;
}

bool IsSameOrigin(const Origin& a, const Origin& b) {
  return absl::EqualsIgnoreCase(a.scheme, b.scheme) && a.port() == b.port() &&
         http::IsSameHost(a.authority, b.authority);
}

bool IsValidOriginField(absl::string_view text) {
  if (text == kNull) return true;
  Origin origin;
  if (!ParseOrigin(text, &origin) || std::any_of(text.begin(), text.end(), absl::ascii_isupper)) {
    return false;
  }
  if (!origin.authority.has_port) return true;
  const absl::string_view digits = text.substr(text.rfind(':') + 1);
  Origin without_port = origin;
  without_port.authority.has_port = false;
  return digits.front() != '0' && origin.port() != without_port.port();
}

bool IsValid(const OriginPolicy& policy) {
  return std::all_of(policy.allowed.begin(), policy.allowed.end(), [](absl::string_view text) {
    Origin ignored;
    return ParseOrigin(text, &ignored);
  });
}

const char* OriginVerdictText(OriginVerdict verdict) {
  switch (verdict) {
    case OriginVerdict::kAllowed:
      return "no error";
    case OriginVerdict::kSeveral:
      return "request has several Origins";
    case OriginVerdict::kMissing:
      return "request has no Origin";
    case OriginVerdict::kNull:
      return "Origin is null";
    case OriginVerdict::kMalformed:
      return "Origin is malformed";
    case OriginVerdict::kOther:
      return "Origin is not welcome";
  }
  return "unknown error";
}

int OriginVerdictStatus(OriginVerdict verdict) {
  switch (verdict) {
    case OriginVerdict::kAllowed:
      return 0;
    case OriginVerdict::kSeveral:
      return 400;
    default:
      return 403;
  }
}

OriginVerdict JudgeOrigin(const OriginPolicy& policy, const http::HeaderList& fields,
                          const http::Authority& host, bool secure) {
  const std::optional<absl::string_view> text = fields.FindOnly(kOrigin);
  if (!text.has_value() && fields.Has(kOrigin)) return OriginVerdict::kSeveral;
  if (policy.kind == OriginPolicy::Kind::kAny) return OriginVerdict::kAllowed;
  if (!text.has_value()) {
    return policy.allow_missing ? OriginVerdict::kAllowed : OriginVerdict::kMissing;
  }
  if (*text == kNull) return policy.allow_null ? OriginVerdict::kAllowed : OriginVerdict::kNull;
  Origin origin;
  if (!ParseOrigin(*text, &origin)) return OriginVerdict::kMalformed;
  if (policy.kind == OriginPolicy::Kind::kSameOrigin) {
    const Origin own = {secure ? "https" : "http", host};
    if (IsSameOrigin(origin, own)) return OriginVerdict::kAllowed;
  }
  for (const absl::string_view allowed : policy.allowed) {
    Origin known;
    if (ParseOrigin(allowed, &known) && IsSameOrigin(origin, known)) return OriginVerdict::kAllowed;
  }
  return OriginVerdict::kOther;
}

}  // namespace halfpipe::websocket
