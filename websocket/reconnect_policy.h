#ifndef HALFPIPE_WEBSOCKET_RECONNECT_POLICY_H_
#define HALFPIPE_WEBSOCKET_RECONNECT_POLICY_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/entropy.h"
#include "websocket/backoff.h"

namespace halfpipe::websocket {

// When a client tries again, and when it gives up. Pure.

// What an answer's Retry-After says (RFC 9110 section 10.2.3): seconds, or a date, of which the
// answer's own Date is taken off, so that no clock of ours is asked. Nothing if it is of neither
// form, or a date without a Date. A date that has passed is 0.
std::optional<absl::Duration> ParseRetryAfter(absl::string_view retry_after,
                                              absl::string_view date);

struct ReconnectOptions {
  BackoffOptions backoff = {};

  // Failures in a row after which the client gives up; 0: never for that reason.
  int attempts_max = 0;

  // A connection must have lasted that long for the row of failures to be over, or a server that
  // accepts and closes at once would be asked without rest.
  absl::Duration stable_time = absl::Seconds(10);

  // The longest that a Retry-After is obeyed; a longer one counts as this.
  absl::Duration retry_after_max = absl::Hours(1);
};

// What an attempt to connect, or a connection, has come to.
struct ConnectionEnd {
  int error = 0;       // errno of the attempt; 0: it was connected
  int status = 0;      // HTTP status of a refusal, 0 if none came
  int close_code = 0;  // of the peer's Close, or what stands for its lack (1005, 1006)
  std::optional<absl::Duration> retry_after = {};
  absl::Duration lasted = absl::ZeroDuration();  // how long it was connected
};

// Whether another attempt may come out differently:
//   * The network and time (ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ..., shortage of
//     descriptors or memory): yes. A name without address: yes, for names come back.
//   * A refusal by the server: 408, 425, 429 and 5xx but 501 and 505: yes. Others: no, the same
//     request gets the same answer.
//   * A bad certificate, a proxy's refusal or the system's (EACCES without status), an answer that is
//     not HTTP or not WebSocket (EPROTO), bad options (EINVAL), being cancelled: no.
//   * The end of a connection without a Close, or with 1001 (going away), 1005, 1006, 1011 to 1014:
//     yes. 1000, and those that say that we or our messages were at fault: no. Codes of
//     applications (3000 and above): no; who gives them a meaning decides by it.
bool IsWorthAnotherAttempt(const ConnectionEnd& end);

// The pauses between attempts. Pure.
//
// Example:
//   ReconnectPolicy policy(options, &Entropy::System());
//   std::optional<absl::Duration> pause = policy.Next({.error = ECONNREFUSED});
//   if (!pause.has_value()) return;  // give up
class ReconnectPolicy {
 public:
  // `entropy` is borrowed and outlives the object.
  ReconnectPolicy(const ReconnectOptions& options, Entropy* entropy);

  // The pause before the next attempt; nothing: give up. By IsWorthAnotherAttempt(), unless
  // `verdict` says otherwise.
  std::optional<absl::Duration> Next(const ConnectionEnd& end, std::optional<bool> verdict = {});

  // Failures in a row.
  int failures() const { return failures_; }

 private:
  const ReconnectOptions options_;
  Backoff backoff_;
  int failures_ = 0;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_RECONNECT_POLICY_H_
