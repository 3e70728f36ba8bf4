#ifndef HALFPIPE_BYTESTREAM_TESTING_FAKE_CONNECTOR_H_
#define HALFPIPE_BYTESTREAM_TESTING_FAKE_CONNECTOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/connector.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// A connector that follows a script, on the runtime's clock. Its connections are numbers.
class FakeConnector final : public Connector {
 public:
  struct Way {
    absl::Duration delay = absl::ZeroDuration();  // InfiniteDuration(): a black hole
    int error = 0;                                // 0: a connection
    bool routed = true;                           // false: no source address
  };

  // `runtime` is borrowed and outlives the object. The clock starts now.
  explicit FakeConnector(Runtime* runtime);

  // From now on, this about the address (a literal). Any other one is a black hole.
  void Say(absl::string_view address, Way way);

  // Loopback for loopback, a global address for all others; nothing if there is no route.
  std::optional<IpAddress> SourceFor(const IpAddress& destination) override;
  absl::StatusOr<int> Connect(const IpAddress& address, Deadline deadline) override;
  void Close(int connection) override;

  // Every attempt that began, as "ADDRESS:PORT@MILLISECONDS", in order.
  const std::vector<std::string>& attempts() const { return attempts_; }

  // Connections that were made and not closed; their addresses.
  std::vector<std::string> open() const;

  // How many coroutines are in Connect() now.
  int active() const { return active_; }

 private:
  Way WayTo(const IpAddress& address) const;

  Runtime* const runtime_;
  const int64_t started_nanos_;
  std::map<std::string, Way> ways_;
  std::vector<std::string> attempts_;
  std::map<int, std::string> open_;
  int last_connection_ = 0;
  int active_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FAKE_CONNECTOR_H_
