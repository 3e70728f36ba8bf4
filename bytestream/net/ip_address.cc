#include "bytestream/net/ip_address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace halfpipe {
namespace {

// A decimal number of digits only, at most `max`.
std::optional<uint32_t> ParseDecimal(absl::string_view text, uint32_t max) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (value > max) return std::nullopt;
  return static_cast<uint32_t>(value);
}

bool HasNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

}  // namespace

static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
static_assert(offsetof(sockaddr_in, sin_family) == offsetof(sockaddr_in6, sin6_family));

IpAddress IpAddress::Any(IpFamily family, uint16_t port) {
  IpAddress address{std::nullopt};
  if (family == IpFamily::kIpv6) {
    address.v6_.sin6_family = AF_INET6;
  } else {
    address.v4_.sin_family = AF_INET;
  }
  address.set_port(port);
  return address;
}

IpAddress IpAddress::Loopback(IpFamily family, uint16_t port) {
  IpAddress address = Any(family, port);
  if (family == IpFamily::kIpv6) {
    address.v6_.sin6_addr.s6_addr[15] = 1;
  } else {
    address.v4_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  return address;
}

std::optional<IpAddress> IpAddress::FromSockaddr(const sockaddr* address, socklen_t size) {
  IpAddress result{std::nullopt};
  if (size < sizeof(sa_family_t) || address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    std::memcpy(&result.v4_, address, sizeof(sockaddr_in));
    std::memset(result.v4_.sin_zero, 0, sizeof(result.v4_.sin_zero));
    return result;
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    std::memcpy(&result.v6_, address, sizeof(sockaddr_in6));
    return result;
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Parse(absl::string_view text, uint16_t port, IpFamily family) {
  if (HasNul(text)) return std::nullopt;
  IpAddress address = Any(family, port);
  if (family == IpFamily::kIpv4) {
    if (inet_pton(AF_INET, std::string(text).c_str(), &address.v4_.sin_addr) != 1) {
      return std::nullopt;
    }
    return address;
  }
  const size_t percent = text.find('%');
  const std::string host(text.substr(0, percent));
  if (inet_pton(AF_INET6, host.c_str(), &address.v6_.sin6_addr) != 1) return std::nullopt;
  if (percent != absl::string_view::npos) {
    const absl::string_view scope = text.substr(percent + 1);
    if (const std::optional<uint32_t> number = ParseDecimal(scope, UINT32_MAX)) {
      address.v6_.sin6_scope_id = *number;
    } else {
      address.v6_.sin6_scope_id = if_nametoindex(std::string(scope).c_str());
      if (address.v6_.sin6_scope_id == 0) return std::nullopt;
    }
  }
  return address;
}

std::optional<IpAddress> IpAddress::Parse(absl::string_view text, uint16_t port) {
  return Parse(text, port,
               text.find(':') == absl::string_view::npos ? IpFamily::kIpv4 : IpFamily::kIpv6);
}

std::optional<IpAddress> IpAddress::ParseWithPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  const std::optional<uint32_t> port = ParseDecimal(text.substr(colon + 1), UINT16_MAX);
  if (!port) return std::nullopt;
  absl::string_view host = text.substr(0, colon);
  if (host.empty() || host.front() != '[') {
    return Parse(host, static_cast<uint16_t>(*port), IpFamily::kIpv4);
  }
  if (host.back() != ']') return std::nullopt;
  host = host.substr(1, host.size() - 2);
  return Parse(host, static_cast<uint16_t>(*port), IpFamily::kIpv6);
}

bool IpAddress::SameHost(const IpAddress& other) const {
  if (family() != other.family()) return false;
  if (family() == IpFamily::kIpv4) return v4_.sin_addr.s_addr == other.v4_.sin_addr.s_addr;
  return std::memcmp(&v6_.sin6_addr, &other.v6_.sin6_addr, sizeof(in6_addr)) == 0 &&
         v6_.sin6_scope_id == other.v6_.sin6_scope_id;
}

std::string IpAddress::HostString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == IpFamily::kIpv4) {
    inet_ntop(AF_INET, &v4_.sin_addr, text, sizeof(text));
    return text;
  }
  inet_ntop(AF_INET6, &v6_.sin6_addr, text, sizeof(text));
  if (v6_.sin6_scope_id == 0) return text;
  return absl::StrCat(text, "%", v6_.sin6_scope_id);
}

std::string IpAddress::ToString() const {
  if (family() == IpFamily::kIpv4) return absl::StrCat(HostString(), ":", port());
  return absl::StrCat("[", HostString(), "]:", port());
}

}  // namespace halfpipe
