#ifndef HALFPIPE_BYTESTREAM_TESTING_FAKE_RESOLVER_H_
#define HALFPIPE_BYTESTREAM_TESTING_FAKE_RESOLVER_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolver.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// A resolver that follows a script, on the runtime's clock: simulated or real.
//
// Example:
//   FakeResolver resolver(&runtime);
//   resolver.Say("a.example", IpFamily::kIpv6, {.delay = absl::Milliseconds(80), .addresses =
//                {"2001:db8::1"}});
//   resolver.Say("a.example", IpFamily::kIpv4, {.error = EHOSTUNREACH});
class FakeResolver final : public Resolver {
 public:
  struct Answer {
    absl::Duration delay = absl::ZeroDuration();  // InfiniteDuration(): never
    std::vector<std::string> addresses = {};      // literals of that family
    int error = 0;                                // instead of addresses
  };

  // `runtime` is borrowed and outlives the object.
  explicit FakeResolver(Runtime* runtime) : runtime_(runtime) {}

  // From now on, this about `name`. Names of which nothing was said are EADDRNOTAVAIL at once.
  void Say(absl::string_view name, IpFamily family, Answer answer);

  absl::StatusOr<std::vector<IpAddress>> Lookup(absl::string_view name, IpFamily family,
                                                Deadline deadline) override;

  // Every lookup that began, as "NAME A" and "NAME AAAA", in order.
  const std::vector<std::string>& lookups() const { return lookups_; }

  // How many coroutines are in Lookup() now, and how many came out with ECANCELED.
  int active() const { return active_; }
  int cancelled() const { return cancelled_; }

 private:
  Runtime* const runtime_;
  std::map<std::pair<std::string, IpFamily>, Answer> answers_;
  std::vector<std::string> lookups_;
  int active_ = 0;
  int cancelled_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FAKE_RESOLVER_H_
