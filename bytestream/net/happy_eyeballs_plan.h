#ifndef HALFPIPE_BYTESTREAM_NET_HAPPY_EYEBALLS_PLAN_H_
#define HALFPIPE_BYTESTREAM_NET_HAPPY_EYEBALLS_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bytestream/net/address_order.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// Bounds of the time between two attempts (RFC 8305 section 5).
inline constexpr absl::Duration kAttemptDelayMin = absl::Milliseconds(100);
inline constexpr absl::Duration kAttemptDelayMax = absl::Seconds(2);

// The most addresses of one family that are tried; further ones are left out.
inline constexpr size_t kAttemptsPerFamilyMax = 64;

// The values of RFC 8305 section 8.
struct HappyEyeballsOptions {
  // How long IPv4 addresses wait for the IPv6 ones to come (section 3). 0 or more.
  absl::Duration resolution_delay = absl::Milliseconds(50);
  // The time between an attempt and the next one (section 5); taken into the bounds above.
  absl::Duration attempt_delay = absl::Milliseconds(250);
  // How many addresses of the first family are tried before the other one's turn comes (section 4).
  // 1 or more.
  int first_family_count = 1;
};

// What to do when while addresses come in and connections are attempted: Happy Eyeballs version 2
// (RFC 8305) as decisions. Pure: is told the time and what has happened, and says what comes next.
//
//   what has happened                  | what comes next
//   nothing yet                        | wait for an answer
//   IPv6 addresses                     | attempt at once
//   IPv4 addresses, IPv6 is asked for  | wait resolution_delay for IPv6, then attempt
//   an answer without addresses        | wait for the other one; if both are, fail
//   the newest attempt failed          | attempt at once, if there is an address left
//   attempt_delay since the newest one | the same
//   no address left                    | wait for attempts and answers; if none is left, fail
//
// Addresses are tried in the order of RFC 6724, families in turn. Those that come late take their
// place among the ones not tried yet. An older attempt that fails changes nothing, but that the
// next one begins at once when none is left.
//
// Example:
//   HappyEyeballsPlan plan(HappyEyeballsOptions());
//   plan.OnAnswer(IpFamily::kIpv6, destinations, absl::OkStatus(), now);
//   HappyEyeballsPlan::Step step = plan.Next(now);  // kAttempt: connect to step.address
class HappyEyeballsPlan {
 public:
  struct Step {
    enum class Kind {
      kAttempt,  // begin to connect to `address`; the attempt's number is `attempt`
      kWait,     // for something to happen, at most until `until_nanos`
      kFail,     // it is over: `status` says why
    };
    Kind kind = Kind::kWait;
    IpAddress address;
    size_t attempt = 0;
    int64_t until_nanos = 0;  // INT64_MAX: however long it takes
    absl::Status status;
  };

  explicit HappyEyeballsPlan(HappyEyeballsOptions options);

  // The answer about one family has come, to be told once for each: the addresses, or none and why.
  // Addresses that are known already are left out.
  void OnAnswer(IpFamily family, std::vector<Destination> destinations, absl::Status status,
                int64_t now_nanos);

  // Attempt number `attempt` has failed; once for each.
  void OnFailure(size_t attempt, absl::Status status);

  // What to do now. After kAttempt it is to be asked again at once, after kWait when something has
  // happened or the time is over.
  //
  // The status of kFail is that of the attempt that failed last; where there was none, that of the
  // answers: the first that is not EADDRNOTAVAIL, else EADDRNOTAVAIL.
  Step Next(int64_t now_nanos);

 private:
  struct Answer {
    bool here = false;
    bool positive = false;
    int64_t nanos = 0;
    absl::Status status;
  };

  Answer& AnswerOf(IpFamily family) { return answers_[family == IpFamily::kIpv6 ? 0 : 1]; }
  // When the first attempt may begin; nothing if that is not known yet.
  std::optional<int64_t> StartNanos();
  IpFamily FamilyInTurn() const;
  Step Attempt(int64_t now_nanos);
  absl::Status Failure() const;

  const HappyEyeballsOptions options_;
  Answer answers_[2];
  std::vector<IpAddress> known_;
  std::vector<Destination> untried_;  // in order
  size_t attempt_count_ = 0;
  size_t under_way_ = 0;
  size_t attempts_of_first_family_ = 0;  // before the other one's first
  IpFamily first_family_ = IpFamily::kIpv6;
  IpFamily last_family_ = IpFamily::kIpv6;
  int64_t next_attempt_nanos_ = 0;
  absl::Status last_failure_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_HAPPY_EYEBALLS_PLAN_H_
