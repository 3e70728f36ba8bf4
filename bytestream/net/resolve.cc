#include "bytestream/net/resolve.h"

#include <ifaddrs.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/host_name.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/net/source_address.h"
#include "bytestream/runtime/bundle.h"

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

// sockaddr does not carry its size here.
socklen_t SizeOf(const sockaddr* address) {
  return address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

absl::Status NoAddress(absl::string_view name) {
  return ErrnoStatus(EADDRNOTAVAIL, absl::StrCat("no address of the wanted family for ", name));
}

// Those of `addresses` that are asked for, or why there are none.
absl::StatusOr<std::vector<IpAddress>> Chosen(absl::string_view name, AddressChoice choice,
                                              std::vector<IpAddress> addresses) {
  Choose(choice, &addresses);
  if (addresses.empty()) return NoAddress(name);
  return addresses;
}

// What one family's lookup came to, for a reader that also knows the other one's.
struct Answer {
  std::vector<IpAddress> addresses;  // in order
  absl::Status status;

  void Set(absl::StatusOr<std::vector<IpAddress>> result) {
    // Only a lookup that nobody waited for any longer is cancelled alone.
    if (StatusErrno(result.status()) == ECANCELED && !status.ok()) return;
    status = result.status();
    if (!result.ok()) return;
    addresses = *std::move(result);
    OrderBySource(&addresses);
  }
};

// Why neither has an address: the more telling of the two.
absl::Status WorseOf(const Answer& first, const Answer& second) {
  if (StatusErrno(first.status) != EADDRNOTAVAIL || second.status.ok()) return first.status;
  return second.status;
}

// Asks for both families at the same time, `first` being the one that matters more.
absl::Status LookUpBoth(Runtime* runtime, Resolver* resolver, absl::string_view name,
                        const ResolveOptions& options, Deadline deadline,
                        std::vector<IpAddress>* addresses) {
  const IpFamily first_family = FirstFamily(options.choice);
  const IpFamily second_family =
      first_family == IpFamily::kIpv6 ? IpFamily::kIpv4 : IpFamily::kIpv6;
  Answer first;
  Answer second;
  second.status = ErrnoStatus(ETIMEDOUT, absl::StrCat("no answer in time for ", name));
  Bundle bundle(runtime);
  absl::Status started =
      bundle.Go([&] { second.Set(resolver->Lookup(name, second_family, deadline)); },
                {.name = "name lookup"});
  if (!started.ok()) return started;
  first.Set(resolver->Lookup(name, first_family, deadline));
  if (StatusErrno(first.status) == ECANCELED) return first.status;
  if (first.addresses.size() < options.count_max) {
    const int error = bundle.Wait(deadline);
    if (error == ECANCELED) return ErrnoStatus(error, "a lookup was cancelled");
  }
  bundle.CancelAndJoin();
  *addresses = std::move(first.addresses);
  addresses->insert(addresses->end(), second.addresses.begin(), second.addresses.end());
  return addresses->empty() ? WorseOf(first, second) : absl::OkStatus();
}

absl::Status LookUp(Runtime* runtime, absl::string_view name, const ResolveOptions& options,
                    Deadline deadline, std::vector<IpAddress>* addresses) {
  Resolver* const resolver =
      options.resolver != nullptr ? options.resolver : RuntimeResolver(runtime);
  if (BothFamilies(options.choice)) {
    return LookUpBoth(runtime, resolver, name, options, deadline, addresses);
  }
  Answer answer;
  answer.Set(resolver->Lookup(name, FirstFamily(options.choice), deadline));
  *addresses = std::move(answer.addresses);
  return answer.status;
}

}  // namespace

std::optional<std::vector<IpAddress>> ResolveHere(absl::string_view name, uint16_t port,
                                                  const char* hosts_path) {
  if (const std::optional<IpAddress> literal = IpAddress::Parse(name, port)) {
    return std::vector<IpAddress>{*literal};
  }
  std::vector<IpAddress> addresses = FindInHosts(ReadHostsFile(hosts_path), name, port);
  if (!addresses.empty()) return addresses;
  if (IsLocalhostName(name)) {
    return std::vector<IpAddress>{IpAddress::Loopback(IpFamily::kIpv4, port),
                                  IpAddress::Loopback(IpFamily::kIpv6, port)};
  }
  if (IsInvalidName(name) || !IsHostName(name)) return addresses;
  return std::nullopt;
}

absl::StatusOr<std::vector<IpAddress>> ResolveRemotes(Runtime* runtime, absl::string_view name,
                                                      uint16_t port, const ResolveOptions& options,
                                                      Deadline deadline) {
  if (name.empty()) return ErrnoStatus(EINVAL, "the name of a host is empty");
  if (const int error = runtime->CheckCancelled()) {
    return ErrnoStatus(error, "a lookup was cancelled");
  }
  std::optional<std::vector<IpAddress>> known = ResolveHere(name, port, options.hosts_path);
  if (!known.has_value()) {
    known.emplace();
    const absl::Status status = LookUp(runtime, name, options, deadline, &*known);
    if (!status.ok()) return status;
    for (IpAddress& address : *known) address.set_port(port);
  }
  absl::StatusOr<std::vector<IpAddress>> chosen = Chosen(name, options.choice, *std::move(known));
  if (chosen.ok() && chosen->size() > options.count_max) chosen->resize(options.count_max);
  return chosen;
}

absl::StatusOr<IpAddress> ResolveRemote(Runtime* runtime, absl::string_view name, uint16_t port,
                                        AddressChoice choice, Deadline deadline) {
  ResolveOptions options;
  options.choice = choice;
  options.count_max = 1;
  const absl::StatusOr<std::vector<IpAddress>> addresses =
      ResolveRemotes(runtime, name, port, options, deadline);
  if (!addresses.ok()) return addresses.status();
  return addresses->front();
}

absl::StatusOr<std::vector<IpAddress>> ResolveRemotes(absl::string_view name, uint16_t port,
                                                      AddressChoice choice,
                                                      const char* hosts_path) {
  if (name.empty()) return ErrnoStatus(EINVAL, "the name of a host is empty");
  return Chosen(name, choice,
                ResolveHere(name, port, hosts_path).value_or(std::vector<IpAddress>()));
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
