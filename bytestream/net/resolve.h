#ifndef HALFPIPE_BYTESTREAM_NET_RESOLVE_H_
#define HALFPIPE_BYTESTREAM_NET_RESOLVE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/net/hosts_file.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// Which addresses a name may stand for, and which of them come first.
enum class AddressChoice : uint8_t { kIpv4Only, kIpv6Only, kPreferIpv4, kPreferIpv6 };

// The addresses of a remote host, with `port`: of a literal itself; of a name, what the hosts file
// at `hosts_path` says. "localhost" and names below it are the loopback addresses where the file
// does not know them (RFC 6761 section 6.3). Those of the preferred family come first, else in the
// file's order. At least one. Never waits.
//
// EADDRNOTAVAIL: the name has no address of a family asked for. EINVAL: it is empty.
absl::StatusOr<std::vector<IpAddress>> ResolveRemotes(absl::string_view name, uint16_t port,
                                                      AddressChoice choice,
                                                      const char* hosts_path = kHostsFilePath);

// The first of them.
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
