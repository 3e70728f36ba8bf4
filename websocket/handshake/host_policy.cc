#include "websocket/handshake/host_policy.h"

#include <algorithm>
#include <cstdint>

#include "http/core/authority.h"
#include "http/core/scheme.h"

namespace halfpipe::websocket {

bool IsValid(const HostPolicy& policy) {
  return std::all_of(policy.hosts.begin(), policy.hosts.end(), [](absl::string_view text) {
    http::Authority ignored;
    return http::ParseAuthority(text, &ignored);
  });
}

bool IsHostAccepted(const HostPolicy& policy, const http::RequestAddress& address, bool secure) {
  if (address.asks_for_tls() && !secure) return false;
  if (policy.hosts.empty()) return true;
  // HTTP/1.0 may come without any.
  if (address.host.empty()) return false;
  const http::Authority& asked = address.authority;
  const uint16_t port = asked.has_port ? asked.port : http::DefaultPort(secure);
  return std::any_of(policy.hosts.begin(), policy.hosts.end(), [&](absl::string_view text) {
    http::Authority known;
    return http::ParseAuthority(text, &known) && http::IsSameHost(asked, known) &&
           (!known.has_port || known.port == port);
  });
}

}  // namespace halfpipe::websocket
