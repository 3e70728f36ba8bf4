// The C calls for addresses.

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/c_call.h"
#include "bytestream/hosts_file.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_convert.h"
#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

namespace halfpipe {

std::optional<IpAddress> FromIpaddr(const dill_ipaddr* addr) {
  return IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(addr->opaque),
                                 sizeof(addr->opaque));
}

void ToIpaddr(const IpAddress& address, dill_ipaddr* addr) {
  static_assert(sizeof(dill_ipaddr) >= sizeof(sockaddr_in6), "room for either family");
  static_assert(sizeof(dill_ipaddr) == 32, "as programs know it");
  static_assert(alignof(dill_ipaddr) >= alignof(sockaddr_in6), "addressed in place");
  std::memset(addr, 0, sizeof(*addr));
  std::memcpy(addr, address.sockaddr_ptr(), address.sockaddr_size());
}

namespace {

constexpr char kHostsPath[] = "/etc/hosts";

// Which families a mode admits, the preferred one first.
struct Families {
  IpFamily first = IpFamily::kIpv4;
  bool other_too = true;
};

std::optional<Families> FamiliesOf(int mode) {
  switch (mode) {
    case 0:
    case DILL_IPADDR_PREF_IPV4:
      return Families{IpFamily::kIpv4, true};
    case DILL_IPADDR_PREF_IPV6:
      return Families{IpFamily::kIpv6, true};
    case DILL_IPADDR_IPV4:
      return Families{IpFamily::kIpv4, false};
    case DILL_IPADDR_IPV6:
      return Families{IpFamily::kIpv6, false};
    default:
      return std::nullopt;
  }
}

// Sorts out and orders; within a family the order stays.
std::vector<IpAddress> Choose(std::vector<IpAddress> addresses, Families families) {
  const auto preferred = [&](const IpAddress& address) {
    return address.family() == families.first;
  };
  const auto others = std::stable_partition(addresses.begin(), addresses.end(), preferred);
  if (!families.other_too) addresses.erase(others, addresses.end());
  return addresses;
}

// Addresses of the interface `name`, or nothing.
std::vector<IpAddress> InterfaceAddresses(const char* name, uint16_t port) {
  std::vector<IpAddress> found;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return found;
  for (const ifaddrs* it = all; it != nullptr; it = it->ifa_next) {
    if (it->ifa_addr == nullptr || std::strcmp(it->ifa_name, name) != 0) continue;
    if ((it->ifa_flags & IFF_UP) == 0) continue;
    std::optional<IpAddress> address = IpAddress::FromSockaddr(it->ifa_addr, sizeof(sockaddr_in6));
    if (!address.has_value()) continue;
    address->set_port(port);
    found.push_back(*address);
  }
  freeifaddrs(all);
  return found;
}

std::string ReadHostsFile() {
  std::ifstream file(kHostsPath, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

bool IsPort(int port) { return port >= 0 && port <= UINT16_MAX; }

int Local(dill_ipaddr* addr, const char* name, int port, int mode) {
  const std::optional<Families> families = FamiliesOf(mode);
  if (addr == nullptr || !IsPort(port) || !families.has_value()) return EINVAL;
  const uint16_t number = static_cast<uint16_t>(port);
  if (name == nullptr) {
    ToIpaddr(IpAddress::Any(families->first, number), addr);
    return 0;
  }
  std::vector<IpAddress> addresses;
  if (const std::optional<IpAddress> literal = IpAddress::Parse(name, number)) {
    addresses.push_back(*literal);
  } else {
    addresses = InterfaceAddresses(name, number);
  }
  addresses = Choose(std::move(addresses), *families);
  if (addresses.empty()) return ENODEV;
  ToIpaddr(addresses.front(), addr);
  return 0;
}

// How many addresses were found, those that are not stored included; or a negative errno.
int Remotes(dill_ipaddr* addrs, int capacity, const char* name, int port, int mode) {
  const std::optional<Families> families = FamiliesOf(mode);
  if (name == nullptr || capacity < 0 || (addrs == nullptr && capacity > 0) || !IsPort(port) ||
      !families.has_value()) {
    return -EINVAL;
  }
  if (const int error = Runtime::Current().CheckCancelled()) return -error;
  const uint16_t number = static_cast<uint16_t>(port);
  std::vector<IpAddress> addresses;
  if (const std::optional<IpAddress> literal = IpAddress::Parse(name, number)) {
    addresses.push_back(*literal);
  } else {
    addresses = FindInHosts(ReadHostsFile(), name, number);
  }
  addresses = Choose(std::move(addresses), *families);
  const size_t count = std::min(addresses.size(), static_cast<size_t>(capacity));
  for (size_t i = 0; i < count; ++i) ToIpaddr(addresses[i], &addrs[i]);
  return static_cast<int>(count);
}

}  // namespace
}  // namespace halfpipe

using halfpipe::FailCall;

int dill_ipaddr_local(struct dill_ipaddr* addr, const char* name, int port, int mode) {
  const int error = halfpipe::Local(addr, name, port, mode);
  return error == 0 ? 0 : FailCall(error);
}

int dill_ipaddr_remote(struct dill_ipaddr* addr, const char* name, int port, int mode,
                       int64_t deadline) {
  static_cast<void>(deadline);  // nothing that is looked up here needs waiting
  const int count = halfpipe::Remotes(addr, 1, name, port, mode);
  if (count < 0) return FailCall(-count);
  return count > 0 ? 0 : FailCall(EADDRNOTAVAIL);
}

int dill_ipaddr_remotes(struct dill_ipaddr* addrs, int naddrs, const char* name, int port, int mode,
                        int64_t deadline) {
  static_cast<void>(deadline);
  const int count = halfpipe::Remotes(addrs, naddrs, name, port, mode);
  return count >= 0 ? count : FailCall(-count);
}

const char* dill_ipaddr_str(const struct dill_ipaddr* addr, char* ipstr) {
  sockaddr_in6 v6 = {};
  std::memcpy(&v6, addr, sizeof(v6));
  if (v6.sin6_family == AF_INET6) {
    return inet_ntop(AF_INET6, &v6.sin6_addr, ipstr, DILL_IPADDR_MAXSTRLEN);
  }
  sockaddr_in v4 = {};
  std::memcpy(&v4, addr, sizeof(v4));
  return inet_ntop(AF_INET, &v4.sin_addr, ipstr, DILL_IPADDR_MAXSTRLEN);
}

int dill_ipaddr_family(const struct dill_ipaddr* addr) {
  sockaddr_storage address = {};
  std::memcpy(&address, addr, sizeof(*addr));
  return address.ss_family;
}

const struct sockaddr* dill_ipaddr_sockaddr(const struct dill_ipaddr* addr) {
  return reinterpret_cast<const sockaddr*>(addr->opaque);
}

int dill_ipaddr_len(const struct dill_ipaddr* addr) {
  return dill_ipaddr_family(addr) == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

int dill_ipaddr_port(const struct dill_ipaddr* addr) {
  const std::optional<halfpipe::IpAddress> address = halfpipe::FromIpaddr(addr);
  return address.has_value() ? address->port() : 0;
}

void dill_ipaddr_setport(struct dill_ipaddr* addr, int port) {
  std::optional<halfpipe::IpAddress> address = halfpipe::FromIpaddr(addr);
  if (!address.has_value()) return;
  address->set_port(static_cast<uint16_t>(port));
  halfpipe::ToIpaddr(*address, addr);
}

int dill_ipaddr_equal(const struct dill_ipaddr* addr1, const struct dill_ipaddr* addr2,
                      int ignore_port) {
  const std::optional<halfpipe::IpAddress> a = halfpipe::FromIpaddr(addr1);
  const std::optional<halfpipe::IpAddress> b = halfpipe::FromIpaddr(addr2);
  if (!a.has_value() || !b.has_value()) return 0;
  return ignore_port != 0 ? a->SameHost(*b) : *a == *b;
}
