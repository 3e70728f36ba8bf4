#include "tools/wscat/request_flags.h"

#include <cerrno>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/errno_status.h"
#include "http/core/cookie.h"
#include "http/core/grammar.h"
#include "http/core/redirect.h"
#include "websocket/handshake/origin_policy.h"

namespace halfpipe::tools {
namespace {

absl::Status Bad(absl::string_view what) { return ErrnoStatus(EINVAL, what); }

}  // namespace

void RequestFlags::Declare(FlagSet* flags) {
  flags->Add("header", &headers_, "NAME:VALUE", "send this field too; may come several times");
  flags->Add("cookie", &cookies_, "NAME=VALUE", "send this cookie; may come several times");
  flags->Add("user", &user_, "USER:PASSWORD", "send Basic credentials");
  flags->Add("bearer", &bearer_, "TOKEN", "send a Bearer token");
  flags->Add("origin", &origin_, "ORIGIN", "send as a page of https://HOST would, or null");
  static_assert(http::RedirectChain::kDefaultHopsMax == 5);
  flags->Add("follow", &follow_, "go where redirects lead, 5 times at most");
}

absl::StatusOr<RequestOptions> RequestFlags::Options() const {
  RequestOptions options;
  options.follow = follow_;
  for (const std::string& header : headers_) {
    const size_t colon = header.find(':');
    if (colon == std::string::npos) return Bad("--header needs NAME:VALUE");
    const absl::string_view value = http::TrimOws(absl::string_view(header).substr(colon + 1));
    options.fields.push_back({header.substr(0, colon), std::string(value)});
    if (!http::IsValidFieldName(options.fields.back().name) || !http::IsValidFieldValue(value)) {
      return Bad("--header: the name is no token, or the value has a control character");
    }
  }
  for (const std::string& cookie : cookies_) {
    const size_t equals = cookie.find('=');
    if (equals == std::string::npos) return Bad("--cookie needs NAME=VALUE");
    options.cookies.push_back({cookie.substr(0, equals), cookie.substr(equals + 1)});
    if (!http::IsValidCookieName(options.cookies.back().name) ||
        !http::IsValidCookieValue(options.cookies.back().value)) {
      return Bad("--cookie: the name is no token, or the value has a byte that may not be in it");
    }
  }
  if (!user_.empty()) {
    const size_t colon = user_.find(':');
    if (colon == std::string::npos) return Bad("--user needs USER:PASSWORD");
    options.basic = {user_.substr(0, colon), user_.substr(colon + 1)};
    if (!http::BasicAuthorization({options.basic->user, options.basic->password}).has_value()) {
      return Bad("--user has a control character");
    }
  }
  if (!bearer_.empty()) {
    if (options.basic.has_value()) return Bad("--user and --bearer exclude each other");
    if (!http::IsValidBearerToken(bearer_)) return Bad("--bearer is no token");
    options.bearer = bearer_;
  }
  if (!origin_.empty()) {
    if (!websocket::IsValidOriginField(origin_)) {
      return Bad(
          "--origin is neither null nor SCHEME://HOST[:PORT] in lower case and without the "
          "scheme's own port");
    }
    options.origin = origin_;
  }
  return options;
}

}  // namespace halfpipe::tools
