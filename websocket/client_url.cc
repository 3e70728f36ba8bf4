#include "websocket/client_url.h"

#include <cerrno>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "http/core/url.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kUnixScheme = "ws+unix:";
// What a Unix socket is asked as.
constexpr absl::string_view kUnixOrigin = "ws://localhost";

absl::Status None(absl::string_view why) {
  return ErrnoStatus(EINVAL, absl::StrCat("not a URL of a WebSocket: ", why));
}

absl::StatusOr<ClientUrl> ParseUnix(absl::string_view rest) {
  const size_t end = rest.find(":/");
  ClientUrl url;
  url.unix_path = std::string(rest.substr(0, end));
  if (url.unix_path.empty()) return None("the path of the Unix socket is empty");
  const absl::string_view resource = end == absl::string_view::npos ? "/" : rest.substr(end + 1);
  const std::string asked = absl::StrCat(kUnixOrigin, resource);
  http::Url parsed;
  const http::UrlError error = http::ParseUrl(asked, &parsed);
  if (error != http::UrlError::kNone) return None(http::UrlErrorText(error));
  url.host = std::string(parsed.authority.host);
  url.port = parsed.port();
  url.host_field = http::HostField(parsed);
  url.resource = http::RequestTarget(parsed);
  return url;
}

}  // namespace

absl::StatusOr<ClientUrl> ParseClientUrl(absl::string_view text) {
  if (absl::StartsWithIgnoreCase(text, kUnixScheme)) {
    return ParseUnix(text.substr(kUnixScheme.size()));
  }
  http::Url parsed;
  const http::UrlError error = http::ParseUrl(text, &parsed);
  if (error != http::UrlError::kNone && error != http::UrlError::kBadScheme) {
    return None(http::UrlErrorText(error));
  }
  if (error == http::UrlError::kBadScheme ||
      (parsed.scheme != http::Scheme::kWs && parsed.scheme != http::Scheme::kWss)) {
    return None("it begins with neither ws: nor wss: nor ws+unix:");
  }
  ClientUrl url;
  url.host = std::string(parsed.authority.host);
  url.port = parsed.port();
  url.secure = parsed.secure();
  url.host_field = http::HostField(parsed);
  url.resource = http::RequestTarget(parsed);
  return url;
}

}  // namespace halfpipe::websocket
