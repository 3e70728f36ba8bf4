// The C calls for addresses and names.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/c_call.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolve.h"
#include "bytestream/net/tcp_by_name.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_convert.h"
#include "bytestream/sockets_object.h"
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

std::optional<AddressChoice> ChoiceOf(int mode) {
  switch (mode) {
    case 0:
    case DILL_IPADDR_PREF_IPV4:
      return AddressChoice::kPreferIpv4;
    case DILL_IPADDR_PREF_IPV6:
      return AddressChoice::kPreferIpv6;
    case DILL_IPADDR_IPV4:
      return AddressChoice::kIpv4Only;
    case DILL_IPADDR_IPV6:
      return AddressChoice::kIpv6Only;
    default:
      return std::nullopt;
  }
}

bool IsPort(int port) { return port >= 0 && port <= UINT16_MAX; }

int Local(dill_ipaddr* addr, const char* name, int port, int mode) {
  const std::optional<AddressChoice> choice = ChoiceOf(mode);
  if (addr == nullptr || !IsPort(port) || !choice.has_value()) return EINVAL;
  if (name != nullptr && *name == '\0') return ENODEV;
  const absl::StatusOr<IpAddress> address =
      ResolveLocal(name != nullptr ? name : "", static_cast<uint16_t>(port), *choice);
  if (!address.ok()) return StatusErrno(address.status());
  ToIpaddr(*address, addr);
  return 0;
}

// How many addresses were stored; or a negative errno.
int Remotes(dill_ipaddr* addrs, int capacity, const char* name, int port, int mode,
            int64_t deadline) {
  const std::optional<AddressChoice> choice = ChoiceOf(mode);
  if (name == nullptr || capacity < 0 || (addrs == nullptr && capacity > 0) || !IsPort(port) ||
      !choice.has_value()) {
    return -EINVAL;
  }
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return -error;
  if (*name == '\0' || capacity == 0) return 0;
  ResolveOptions options;
  options.choice = *choice;
  options.count_max = static_cast<size_t>(capacity);
  const absl::StatusOr<std::vector<IpAddress>> addresses = ResolveRemotes(
      &runtime, name, static_cast<uint16_t>(port), options, Deadline::FromMillis(deadline));
  const int error = StatusErrno(addresses.status());
  if (error == EADDRNOTAVAIL) return 0;
  if (error != 0) return -error;
  for (size_t i = 0; i < addresses->size(); ++i) ToIpaddr((*addresses)[i], &addrs[i]);
  return static_cast<int>(addresses->size());
}

// A handle, or a negative errno.
int ConnectByName(const char* name, int port, int64_t deadline) {
  if (name == nullptr || *name == '\0' || !IsPort(port) || port == 0) return -EINVAL;
  if (const int error = CheckNewHandle()) return -error;
  const absl::StatusOr<int> fd = TcpConnectFdByName(
      &Runtime::Current(), name, static_cast<uint16_t>(port), Deadline::FromMillis(deadline));
  if (!fd.ok()) return -StatusErrno(fd.status());
  return MakeStreamHandleOrClose(&kTcpFamily, *fd, nullptr);
}

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCall;
using halfpipe::EndCallWithResult;
using halfpipe::FailCall;

int dill_ipaddr_local(struct dill_ipaddr* addr, const char* name, int port, int mode) {
  const int error = halfpipe::Local(addr, name, port, mode);
  return error == 0 ? 0 : FailCall(error);
}

int dill_ipaddr_remote(struct dill_ipaddr* addr, const char* name, int port, int mode,
                       int64_t deadline) {
  const int count = halfpipe::Remotes(addr, 1, name, port, mode, deadline);
  if (count < 0) return EndCall(-count);
  return EndCall(count > 0 ? 0 : EADDRNOTAVAIL);
}

int dill_ipaddr_remotes(struct dill_ipaddr* addrs, int naddrs, const char* name, int port, int mode,
                        int64_t deadline) {
  return EndCallWithResult(halfpipe::Remotes(addrs, naddrs, name, port, mode, deadline));
}

int dill_happyeyeballs_connect(const char* name, int port, int64_t deadline) {
  return EndCallWithResult(halfpipe::ConnectByName(name, port, deadline));
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
