#include "bytestream/testing/fake_connector.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/testing/scripted_wait.h"

namespace halfpipe {

FakeConnector::FakeConnector(Runtime* runtime)
    : runtime_(runtime), started_nanos_(runtime->clock().NowNanos()) {}

void FakeConnector::Say(absl::string_view address, Way way) { ways_[std::string(address)] = way; }

FakeConnector::Way FakeConnector::WayTo(const IpAddress& address) const {
  const auto found = ways_.find(address.HostString());
  if (found != ways_.end()) return found->second;
  return {.delay = absl::InfiniteDuration()};
}

std::optional<IpAddress> FakeConnector::SourceFor(const IpAddress& destination) {
  if (!WayTo(destination).routed) return std::nullopt;
  if (destination.SameHost(IpAddress::Loopback(destination.family(), 0))) return destination;
  return IpAddress::Parse(
      destination.family() == IpFamily::kIpv6 ? "2001:db8:ffff::2" : "192.0.2.254", 0);
}

absl::StatusOr<int> FakeConnector::Connect(const IpAddress& address, Deadline deadline) {
  const int64_t millis = (runtime_->clock().NowNanos() - started_nanos_) / 1'000'000;
  attempts_.push_back(absl::StrCat(address.ToString(), "@", millis));
  const Way way = WayTo(address);
  ++active_;
  int error = ScriptedWait(runtime_, way.delay, deadline);
  --active_;
  if (error == 0) error = way.error;
  if (error != 0) {
    return ErrnoStatus(error, absl::StrCat("as scripted: ", address.ToString()));
  }
  open_[++last_connection_] = address.HostString();
  return last_connection_;
}

void FakeConnector::Close(int connection) { HALFPIPE_CHECK(open_.erase(connection) == 1); }

std::vector<std::string> FakeConnector::open() const {
  std::vector<std::string> addresses;
  for (const auto& [number, address] : open_) addresses.push_back(address);
  return addresses;
}

}  // namespace halfpipe
