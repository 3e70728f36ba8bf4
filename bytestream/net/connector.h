#ifndef HALFPIPE_BYTESTREAM_NET_CONNECTOR_H_
#define HALFPIPE_BYTESTREAM_NET_CONNECTOR_H_

#include <optional>

#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// Who makes connections to addresses: TCP, or a script in a test. A connection is a number that
// only its connector understands, for TCP a descriptor; 0 or more.
class Connector {
 public:
  virtual ~Connector() = default;

  // The address of this machine that a connection to `destination` would come from; nothing if
  // there is no way. Never waits.
  virtual std::optional<IpAddress> SourceFor(const IpAddress& destination) = 0;

  // Connects. Waits; several coroutines may be in it. On failure nothing is left. Errors: any;
  // ETIMEDOUT, ECANCELED.
  virtual absl::StatusOr<int> Connect(const IpAddress& address, Deadline deadline) = 0;

  // Ends a connection that Connect() returned. Never waits.
  virtual void Close(int connection) = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_CONNECTOR_H_
