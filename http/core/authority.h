#ifndef HALFPIPE_HTTP_CORE_AUTHORITY_H_
#define HALFPIPE_HTTP_CORE_AUTHORITY_H_

// host[:port], as the Host field, absolute targets and URLs have it (RFC 3986 section 3.2 without
// userinfo, RFC 9110 section 7.2). Pure; nothing allocates.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace halfpipe::http {

enum class HostKind : uint8_t { kName, kIpv4, kIpv6 };

struct Authority {
  absl::string_view host;  // Never empty; an IPv6 address without its brackets.
  HostKind host_kind = HostKind::kName;
  bool has_port = false;  // "host:" has none.
  uint16_t port = 0;      // 0..65535 if has_port.
};

// Parses the whole of `text`, in place. Returns false, and leaves *out alone, unless it is a
// registered name, an IPv4 address or a bracketed IPv6 address, and then perhaps a colon and a
// port. Percent-encoded octets of a name are checked and left as they are. Zones and addresses of a
// future version are refused.
[[nodiscard]] bool ParseAuthority(absl::string_view text, Authority* out);

// Whether both name the same host, ports aside: names and addresses without regard to case, an IPv6
// address in whatever spelling. Percent-encoded octets are compared as they are written, and a name
// with a dot at its end is another one than that without.
[[nodiscard]] bool IsSameHost(const Authority& a, const Authority& b);

// Dotted decimal, four octets, no leading zeros (RFC 3986 section 3.2.2).
[[nodiscard]] bool IsIpv4Address(absl::string_view text);

// Without brackets and without a zone (RFC 3986 section 3.2.2).
[[nodiscard]] bool IsIpv6Address(absl::string_view text);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_AUTHORITY_H_
