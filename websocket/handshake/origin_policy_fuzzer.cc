// An Origin and a host, one on each line, from anywhere.  Holds for each input: an origin that is read
// is of the same origin as itself in upper case and with its port written out, and of no other as any
// text that is longer by a part of a name; and a policy lets pass nothing but what it says.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/authority.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"
#include "websocket/handshake/origin_policy.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::websocket;  // NOLINT: the entry point cannot be in the namespace.
  using namespace halfpipe;             // NOLINT
  const absl::string_view text = http::AsText(absl::MakeConstSpan(data, size));
  const size_t line = text.find('\n');
  const absl::string_view front = text.substr(0, line);
  http::Authority host;
  if (line == absl::string_view::npos || !http::ParseAuthority(text.substr(line + 1), &host)) {
    Require(http::ParseAuthority("example.org", &host));
  }
  Origin origin;
  const bool parsed = ParseOrigin(front, &origin);
  if (IsValidOriginField(front)) {
    Require(parsed ? front == absl::AsciiStrToLower(front) : front == "null");
  }
  if (parsed) {
    Require(http::IsValidFieldValue(front));
    Require(IsSameOrigin(origin, origin));
    const std::string upper = absl::AsciiStrToUpper(front);
    Origin other;
    Require(ParseOrigin(upper, &other) && IsSameOrigin(origin, other));
    const absl::string_view name = origin.authority.host;
    if (origin.authority.host_kind == http::HostKind::kName) {
      for (const std::string& trick : {absl::StrCat(origin.scheme, "://evil-", name),
                                       absl::StrCat(origin.scheme, "://a.", name),
                                       absl::StrCat(origin.scheme, "://", name, ".evil.com")}) {
        Require(!ParseOrigin(trick, &other) || !IsSameOrigin(origin, other));
      }
    }
  }

  // As a request would have it; a field's value has no line ends and no blanks round it.
  if (!http::IsValidFieldValue(front)) return 0;
  const std::string section = absl::StrCat("Origin: ", front, "\r\n");
  const http::HeaderList fields(section);
  const absl::string_view value = http::TrimOws(front);
  const bool is_origin = ParseOrigin(value, &origin);
  for (const bool secure : {false, true}) {
    const Origin own = {secure ? "https" : "http", host};
    const OriginPolicy same = {.kind = OriginPolicy::Kind::kSameOrigin};
    const OriginVerdict verdict = JudgeOrigin(same, fields, host, secure);
    Require((verdict == OriginVerdict::kAllowed) == (is_origin && IsSameOrigin(origin, own)));
    Require((verdict == OriginVerdict::kNull) == (value == "null"));
    const OriginPolicy list = {.kind = OriginPolicy::Kind::kAllowList,
                               .allowed = absl::MakeConstSpan(&value, 1)};
    Require(IsValid(list) == is_origin);
    Require((JudgeOrigin(list, fields, host, secure) == OriginVerdict::kAllowed) == is_origin);
    Require(JudgeOrigin({}, fields, host, secure) == OriginVerdict::kAllowed);
  }
  return 0;
}
