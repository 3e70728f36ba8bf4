#include "bytestream/net/happy_eyeballs.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/address_order.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolve.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {
namespace {

// Runs the plan: a coroutine for each question and each attempt, which report to it, and the
// caller's, which asks it what comes next.
class Race {
 public:
  Race(const HappyEyeballsParts& parts, absl::string_view name, uint16_t port,
       const HappyEyeballsOptions& options)
      : parts_(parts), name_(name), port_(port), plan_(options), bundle_(parts.runtime) {}

  absl::StatusOr<int> Run(Deadline deadline) {
    absl::Status status = AskForAddresses();
    if (status.ok()) status = RunPlan(deadline);
    // Whoever connects meanwhile has won, or is too late and closes it.
    bundle_.CancelAndJoin();
    if (connection_ >= 0) return connection_;
    return status;
  }

 private:
  int64_t Now() { return parts_.runtime->clock().NowNanos(); }

  absl::Status AskForAddresses() {
    if (const std::optional<std::vector<IpAddress>> known =
            ResolveHere(name_, port_, parts_.hosts_path)) {
      for (const IpFamily family : {IpFamily::kIpv6, IpFamily::kIpv4}) {
        std::vector<IpAddress> addresses;
        std::copy_if(known->begin(), known->end(), std::back_inserter(addresses),
                     [family](const IpAddress& a) { return a.family() == family; });
        OnAddresses(family, addresses);
      }
      return absl::OkStatus();
    }
    // IPv6 first, so that its query leaves first (RFC 8305 section 3).
    absl::Status status = Ask(IpFamily::kIpv6);
    if (status.ok()) status = Ask(IpFamily::kIpv4);
    return status;
  }

  absl::Status Ask(IpFamily family) {
    return bundle_.Go(
        [this, family] {
          // No deadline of its own: it ends with the race.
          OnAddresses(family, parts_.resolver->Lookup(name_, family, Deadline::Never()));
          Notify();
        },
        {.name = "name lookup"});
  }

  void OnAddresses(IpFamily family, absl::StatusOr<std::vector<IpAddress>> answer) {
    std::vector<Destination> destinations;
    if (answer.ok()) {
      for (IpAddress& address : *answer) {
        address.set_port(port_);
        Destination destination;
        destination.address = address;
        destination.source = parts_.connector->SourceFor(address);
        destinations.push_back(std::move(destination));
      }
    }
    absl::Status status = answer.status();
    if (status.ok() && destinations.empty()) {
      status = ErrnoStatus(EADDRNOTAVAIL, absl::StrCat("no address for ", name_));
    }
    plan_.OnAnswer(family, std::move(destinations), std::move(status), Now());
  }

  // Until there is a connection, or why there is none.
  absl::Status RunPlan(Deadline deadline) {
    while (connection_ < 0) {
      if (const int error = parts_.runtime->CheckCancelled()) return Ended(error);
      const HappyEyeballsPlan::Step step = plan_.Next(Now());
      if (step.kind == HappyEyeballsPlan::Step::Kind::kFail) return step.status;
      if (step.kind == HappyEyeballsPlan::Step::Kind::kAttempt) {
        if (absl::Status status = Attempt(step); !status.ok()) return status;
      } else if (const int error = WaitForNews(step.until_nanos, deadline)) {
        return Ended(error);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Ended(int error) const {
    return ErrnoStatus(error, absl::StrCat(error == ETIMEDOUT ? "the time was over" : "cancelled",
                                           " before there was a connection to ", name_));
  }

  absl::Status Attempt(const HappyEyeballsPlan::Step& step) {
    return bundle_.Go(
        [this, address = step.address, attempt = step.attempt] {
          const absl::StatusOr<int> connection =
              parts_.connector->Connect(address, Deadline::Never());
          if (!connection.ok()) {
            plan_.OnFailure(attempt, connection.status());
          } else if (connection_ < 0) {
            connection_ = *connection;
          } else {
            parts_.connector->Close(*connection);
          }
          Notify();
        },
        {.name = "connection attempt"});
  }

  void Notify() {
    news_ = true;
    if (waiter_ != nullptr) parts_.runtime->Wake(waiter_);
  }

  // 0 when something has happened or it is `until_nanos`; else an errno.
  int WaitForNews(int64_t until_nanos, Deadline deadline) {
    if (std::exchange(news_, false)) return 0;
    const bool never = until_nanos == std::numeric_limits<int64_t>::max();
    const Deadline until = never ? Deadline::Never() : Deadline::AtNanos(until_nanos);
    Waiter waiter;
    waiter_ = &waiter;
    const int error = parts_.runtime->Wait(&waiter, std::min(until, deadline));
    waiter_ = nullptr;
    // News that came with the end of the time count, and a connection above all.
    if (std::exchange(news_, false) && error == ETIMEDOUT) return 0;
    return error == ETIMEDOUT && until.ExpiredAt(Now()) ? 0 : error;
  }

  const HappyEyeballsParts parts_;
  const absl::string_view name_;
  const uint16_t port_;
  HappyEyeballsPlan plan_;
  int connection_ = -1;
  bool news_ = false;
  Waiter* waiter_ = nullptr;
  Bundle bundle_;  // last: its coroutines refer to the rest
};

}  // namespace

absl::StatusOr<int> HappyEyeballsConnect(const HappyEyeballsParts& parts, absl::string_view name,
                                         uint16_t port, const HappyEyeballsOptions& options,
                                         Deadline deadline) {
  if (name.empty()) return ErrnoStatus(EINVAL, "the name of a host is empty");
  if (const int error = parts.runtime->CheckCancelled()) {
    return ErrnoStatus(error, "connecting was cancelled");
  }
  Race race(parts, name, port, options);
  return race.Run(deadline);
}

}  // namespace halfpipe
