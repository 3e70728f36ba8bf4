#ifndef HALFPIPE_BYTESTREAM_NET_TCP_BY_NAME_H_
#define HALFPIPE_BYTESTREAM_NET_TCP_BY_NAME_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/connector.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// TCP connections, as descriptors.
class TcpConnector final : public Connector {
 public:
  // `runtime` is borrowed and outlives the object.
  explicit TcpConnector(Runtime* runtime) : runtime_(runtime) {}

  std::optional<IpAddress> SourceFor(const IpAddress& destination) override;
  absl::StatusOr<int> Connect(const IpAddress& address, Deadline deadline) override;
  void Close(int connection) override;

 private:
  Runtime* const runtime_;
};

// Connects to port `port` of `name` by TCP and Happy Eyeballs (happy_eyeballs.h), asking the
// runtime's resolver. One deadline for the lookup and all attempts. Errors as
// HappyEyeballsConnect(), where an attempt's are those of TcpConnect(): ECONNREFUSED and so on.
//
// Example:
//   absl::StatusOr<std::unique_ptr<FdStream>> stream =
//       TcpConnectByName(&runtime, "www.example.org", 80, Deadline::In(absl::Seconds(10)));
absl::StatusOr<std::unique_ptr<FdStream>> TcpConnectByName(Runtime* runtime, absl::string_view name,
                                                           uint16_t port, Deadline deadline);

// The same, as a descriptor that the caller owns.
absl::StatusOr<int> TcpConnectFdByName(Runtime* runtime, absl::string_view name, uint16_t port,
                                       Deadline deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_TCP_BY_NAME_H_
