#ifndef HALFPIPE_TOOLS_WSECHO_ENDPOINT_H_
#define HALFPIPE_TOOLS_WSECHO_ENDPOINT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe::tools {

// Where a program listens: at an IP address and port, or at the path of a Unix socket. Pure.
struct Endpoint {
  IpAddress address;
  std::string unix_path;  // Empty: `address` counts.
};

// "ADDRESS:PORT", the address a literal (IPv6 in brackets) or "localhost", port 0 for any; or
// "unix:PATH" with a path of 1..107 bytes. Nothing for any other text.
std::optional<Endpoint> ParseEndpoint(absl::string_view text);

// "ws://127.0.0.1:8080/", with TLS (addresses only) "wss://127.0.0.1:8080/", or "ws+unix:PATH".
std::string EndpointUrl(const Endpoint& endpoint, bool tls = false);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_ENDPOINT_H_
