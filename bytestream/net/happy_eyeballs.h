#ifndef HALFPIPE_BYTESTREAM_NET_HAPPY_EYEBALLS_H_
#define HALFPIPE_BYTESTREAM_NET_HAPPY_EYEBALLS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/connector.h"
#include "bytestream/net/happy_eyeballs_plan.h"
#include "bytestream/net/hosts_file.h"
#include "bytestream/net/resolver.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// Who is asked and who connects. All borrowed until the return.
struct HappyEyeballsParts {
  Runtime* runtime;
  Resolver* resolver;
  Connector* connector;
  const char* hosts_path = kHostsFilePath;
};

// A connection to port `port` of `name`, by Happy Eyeballs version 2 (RFC 8305): A and AAAA are
// asked for at the same time, and the addresses are tried one after the other, the next one without
// giving up those before. The first connection is the one; all else is cancelled and closed before
// the return. Literals, the hosts file and special names come first (resolve.h), without asking.
//
// One deadline for all of it. Where a connection is made in the same moment in which time runs out
// or the coroutine is cancelled, it counts.
//
// Errors:
//   ETIMEDOUT, ECANCELED   nothing is left; call again
//   EINVAL         the name is empty
//   EADDRNOTAVAIL  the name has no address
//   EHOSTUNREACH   no name server gave an answer
//   ENOMEM         no memory for a coroutine
//   else           that of the attempt that failed last
absl::StatusOr<int> HappyEyeballsConnect(const HappyEyeballsParts& parts, absl::string_view name,
                                         uint16_t port, const HappyEyeballsOptions& options,
                                         Deadline deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_HAPPY_EYEBALLS_H_
