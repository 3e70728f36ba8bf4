#ifndef HALFPIPE_BYTESTREAM_NET_IP_ADDRESS_H_
#define HALFPIPE_BYTESTREAM_NET_IP_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe {

enum class IpFamily : uint8_t { kIpv4, kIpv6 };

// The address of a TCP endpoint: an IPv4 or IPv6 address, for IPv6 with its scope, and a port. A
// value; copying it is cheap. Default: 0.0.0.0, port 0.
//
// Example:
//   std::optional<IpAddress> address = IpAddress::Parse("::1", 8080);
//   if (address) Connect(address->sockaddr_ptr(), address->sockaddr_size());
class IpAddress {
 public:
  IpAddress() : IpAddress(Any(IpFamily::kIpv4, 0)) {}

  // A literal without port or brackets: four decimal numbers with three dots, or an IPv6 address in
  // any of the forms of RFC 4291 section 2.2, with "%" and an interface's name or number behind it
  // where a scope is meant (RFC 4007 section 11). Nothing for any other text. Asks the system for
  // an interface's number; never waits.
  static std::optional<IpAddress> Parse(absl::string_view text, uint16_t port);

  // The same of one family only.
  static std::optional<IpAddress> Parse(absl::string_view text, uint16_t port, IpFamily family);

  // "HOST:PORT", the host a literal, in brackets if it is IPv6; the port decimal, 0..65535.
  static std::optional<IpAddress> ParseWithPort(absl::string_view text);

  // All addresses of this machine, to listen on.
  static IpAddress Any(IpFamily family, uint16_t port);

  static IpAddress Loopback(IpFamily family, uint16_t port);

  // From the system's form. Nothing if it is neither family or shorter than its family needs.
  static std::optional<IpAddress> FromSockaddr(const sockaddr* address, socklen_t size);

  IpFamily family() const {
    return v6_.sin6_family == AF_INET6 ? IpFamily::kIpv6 : IpFamily::kIpv4;
  }
  uint16_t port() const { return ntohs(v4_.sin_port); }
  void set_port(uint16_t port) { v4_.sin_port = htons(port); }

  // The system's form; lives as long as the object.
  const sockaddr* sockaddr_ptr() const { return &any_; }
  socklen_t sockaddr_size() const {
    return family() == IpFamily::kIpv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  }

  // "127.0.0.1", "::1", "fe80::1%2": the scope is printed as its number.
  std::string HostString() const;

  // "127.0.0.1:80", "[::1]:80".
  std::string ToString() const;

  // The same address, scope and port.
  friend bool operator==(const IpAddress& a, const IpAddress& b) {
    return a.SameHost(b) && a.port() == b.port();
  }

  // The same address and scope, whatever the ports.
  bool SameHost(const IpAddress& other) const;

 private:
  // All bytes 0.
  explicit IpAddress(std::nullopt_t) : v6_() {}

  // The family and the port are at the same places in both families' forms.
  union {
    sockaddr any_;
    sockaddr_in v4_;
    sockaddr_in6 v6_;
  };
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_IP_ADDRESS_H_
