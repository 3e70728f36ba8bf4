#ifndef HALFPIPE_BYTESTREAM_NET_RESOLVER_H_
#define HALFPIPE_BYTESTREAM_NET_RESOLVER_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// The most addresses that are taken from one answer; further ones are left out.
inline constexpr size_t kLookupAddressesMax = 64;

// Who knows the addresses of names: the name servers, or a script in a test. Asked for one family
// at a time, so that a connection can begin with whichever answer comes first.
//
// Literals, the hosts file and special names are not its business: resolve.h has looked there
// before.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // The addresses of `family` that `name` has, at least one, at most kLookupAddressesMax, with port
  // 0, in the order of the answer. `name` is borrowed until the return. Waits; several coroutines
  // may be in it.
  //
  // Errors:
  //   EADDRNOTAVAIL  there is no such name, or it has no address of that family, or no name server
  //                  can be asked for it (IsHostName())
  //   EHOSTUNREACH   no name server gave an answer that means anything
  //   ETIMEDOUT, ECANCELED   what comes later is dropped; ask again
  //   EMFILE, ENFILE, ENOMEM
  virtual absl::StatusOr<std::vector<IpAddress>> Lookup(absl::string_view name, IpFamily family,
                                                        Deadline deadline) = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_RESOLVER_H_
