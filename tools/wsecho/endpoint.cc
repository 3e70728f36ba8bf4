#include "tools/wsecho/endpoint.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "bytestream/net/unix.h"

namespace halfpipe::tools {

std::optional<Endpoint> ParseEndpoint(absl::string_view text) {
  Endpoint endpoint;
  if (absl::ConsumePrefix(&text, "unix:")) {
    if (text.empty() || text.size() > kUnixPathBytesMax || absl::StrContains(text, '\0')) {
      return std::nullopt;
    }
    endpoint.unix_path = std::string(text);
    return endpoint;
  }
  std::string with_literal(text);
  if (absl::ConsumePrefix(&text, "localhost:")) with_literal = absl::StrCat("127.0.0.1:", text);
  const std::optional<IpAddress> address = IpAddress::ParseWithPort(with_literal);
  if (!address.has_value()) return std::nullopt;
  endpoint.address = *address;
  return endpoint;
}

std::string EndpointUrl(const Endpoint& endpoint, bool tls) {
  if (!endpoint.unix_path.empty()) return absl::StrCat("ws+unix:", endpoint.unix_path);
  return absl::StrCat(tls ? "wss://" : "ws://", endpoint.address.ToString(), "/");
}

}  // namespace halfpipe::tools
