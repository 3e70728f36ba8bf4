#ifndef HALFPIPE_BYTESTREAM_NET_RESOLVE_H_
#define HALFPIPE_BYTESTREAM_NET_RESOLVE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/hosts_file.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolver.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// Which addresses a name may stand for, and which of them come first.
enum class AddressChoice : uint8_t { kIpv4Only, kIpv6Only, kPreferIpv4, kPreferIpv6 };

// What is known of `name` without asking anybody, with `port`: of a literal itself; of a name, what
// the hosts file at `hosts_path` says, in its order; "localhost" and names below it are the loopback
// addresses where the file does not know them (RFC 6761 section 6.3). Empty if it is known that
// there is no address: "invalid" and names below it (section 6.4), and text that is no name
// (host_name.h). Nothing if a name server has to be asked. Never waits.
std::optional<std::vector<IpAddress>> ResolveHere(absl::string_view name, uint16_t port,
                                                  const char* hosts_path = kHostsFilePath);

struct ResolveOptions {
  AddressChoice choice = AddressChoice::kPreferIpv4;
  // The most addresses that are wanted; the family that comes second is not waited for when the
  // first one has as many.
  size_t count_max = 2 * kLookupAddressesMax;
  // Borrowed until the return; null for the runtime's own (runtime_resolver.h).
  Resolver* resolver = nullptr;
  const char* hosts_path = kHostsFilePath;
};

// The addresses of a remote host, with `port`: what ResolveHere() knows, else what the name servers
// say, A and AAAA asked for at the same time where both may be given. Those of the preferred family
// come first; within a family, the hosts file's are in its order, a name server's in that of
// RFC 6724. At least one, at most options.count_max (1 or more).
//
// An answer for one family is enough: the other one's failure, or its silence until `deadline`,
// then does not count.
//
// Errors:
//   EINVAL         the name is empty
//   EADDRNOTAVAIL  the name has no address of a family asked for
//   EHOSTUNREACH   no name server gave an answer
//   ETIMEDOUT, ECANCELED   call again
//   EMFILE, ENFILE, ENOMEM
absl::StatusOr<std::vector<IpAddress>> ResolveRemotes(Runtime* runtime, absl::string_view name,
                                                      uint16_t port, const ResolveOptions& options,
                                                      Deadline deadline);

// The first of them.
absl::StatusOr<IpAddress> ResolveRemote(Runtime* runtime, absl::string_view name, uint16_t port,
                                        AddressChoice choice, Deadline deadline);

// The same from ResolveHere() alone: EADDRNOTAVAIL for what only a name server might know. Never
// waits.
absl::StatusOr<std::vector<IpAddress>> ResolveRemotes(absl::string_view name, uint16_t port,
                                                      AddressChoice choice,
                                                      const char* hosts_path = kHostsFilePath);
absl::StatusOr<IpAddress> ResolveRemote(absl::string_view name, uint16_t port, AddressChoice choice,
                                        const char* hosts_path = kHostsFilePath);

// An address of this machine to listen on: of a literal itself; of the name of a network interface,
// such as "eth0", one that it has. An empty name is every address of the machine, of the preferred
// family. Never waits.
//
// ENODEV: no such interface, or it has no address of a family asked for.
absl::StatusOr<IpAddress> ResolveLocal(absl::string_view name, uint16_t port, AddressChoice choice);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_RESOLVE_H_
