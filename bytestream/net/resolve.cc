#include "bytestream/net/resolve.h"

#include <ifaddrs.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

IpFamily FirstFamily(AddressChoice choice) {
  return choice == AddressChoice::kIpv6Only || choice == AddressChoice::kPreferIpv6
             ? IpFamily::kIpv6
             : IpFamily::kIpv4;
}

bool BothFamilies(AddressChoice choice) {
  return choice == AddressChoice::kPreferIpv4 || choice == AddressChoice::kPreferIpv6;
}

// Drops the addresses that were not asked for and moves those that are preferred to the front.
void Choose(AddressChoice choice, std::vector<IpAddress>* addresses) {
  const IpFamily first = FirstFamily(choice);
  const auto others =
      std::stable_partition(addresses->begin(), addresses->end(),
                            [first](const IpAddress& a) { return a.family() == first; });
  if (!BothFamilies(choice)) addresses->erase(others, addresses->end());
}

bool IsLocalhost(absl::string_view name) {
  name = absl::StripSuffix(name, ".");
  return absl::EqualsIgnoreCase(name, "localhost") || absl::EndsWithIgnoreCase(name, ".localhost");
}

// sockaddr does not carry its size here.
socklen_t SizeOf(const sockaddr* address) {
  return address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

}  // namespace

absl::StatusOr<std::vector<IpAddress>> ResolveRemotes(absl::string_view name, uint16_t port,
                                                      AddressChoice choice,
                                                      const char* hosts_path) {
  if (name.empty()) return ErrnoStatus(EINVAL, "the name of a host is empty");
  std::vector<IpAddress> addresses;
  if (const std::optional<IpAddress> literal = IpAddress::Parse(name, port)) {
    addresses.push_back(*literal);
  } else {
    addresses = FindInHosts(ReadHostsFile(hosts_path), name, port);
    if (addresses.empty() && IsLocalhost(name)) {
      addresses = {IpAddress::Loopback(IpFamily::kIpv4, port),
                   IpAddress::Loopback(IpFamily::kIpv6, port)};
    }
  }
  Choose(choice, &addresses);
  if (!addresses.empty()) return addresses;
  return ErrnoStatus(EADDRNOTAVAIL, absl::StrCat("no address of the wanted family for ", name));
}

absl::StatusOr<IpAddress> ResolveRemote(absl::string_view name, uint16_t port, AddressChoice choice,
                                        const char* hosts_path) {
  const absl::StatusOr<std::vector<IpAddress>> addresses =
      ResolveRemotes(name, port, choice, hosts_path);
  if (!addresses.ok()) return addresses.status();
  return addresses->front();
}

absl::StatusOr<IpAddress> ResolveLocal(absl::string_view name, uint16_t port,
                                       AddressChoice choice) {
  if (name.empty()) return IpAddress::Any(FirstFamily(choice), port);
  std::vector<IpAddress> addresses;
  if (const std::optional<IpAddress> literal = IpAddress::Parse(name, port)) {
    addresses.push_back(*literal);
  } else {
    ifaddrs* interfaces = nullptr;
    if (getifaddrs(&interfaces) < 0) return ErrnoStatus(errno, "no list of network interfaces");
    const absl::Cleanup free_list = [interfaces] { freeifaddrs(interfaces); };
    for (const ifaddrs* entry = interfaces; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr || name != absl::string_view(entry->ifa_name)) continue;
      std::optional<IpAddress> address =
          IpAddress::FromSockaddr(entry->ifa_addr, SizeOf(entry->ifa_addr));
      if (!address) continue;
      address->set_port(port);
      addresses.push_back(*address);
    }
  }
  Choose(choice, &addresses);
  if (!addresses.empty()) return addresses.front();
  return ErrnoStatus(ENODEV, absl::StrCat("no interface with a wanted address: ", name));
}

}  // namespace halfpipe
