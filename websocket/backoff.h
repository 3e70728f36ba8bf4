#ifndef HALFPIPE_WEBSOCKET_BACKOFF_H_
#define HALFPIPE_WEBSOCKET_BACKOFF_H_

#include <cstdint>

#include "absl/time/time.h"
#include "bytestream/base/entropy.h"

namespace halfpipe::websocket {

struct BackoffOptions {
  // The longest first pause. RFC 6455 section 7.2.3 names 5 seconds: after a server has gone all of
  // its clients come back, and should not do so in the same moment.
  absl::Duration first_max = absl::Seconds(5);

  // The longest pause of all. Each failure in a row doubles the longest pause up to this.
  absl::Duration max = absl::Minutes(1);
};

// How long to wait before the next attempt to connect: truncated binary exponential backoff with
// full jitter. The n-th pause in a row, counted from 0, is drawn evenly from 0 to
// min(first_max * 2^n, max), so that clients which failed together spread out. Pure: knows no clock.
//
// Example:
//   Backoff backoff(BackoffOptions(), &Entropy::System());
//   while (!Connect()) runtime.SleepUntil(Deadline::In(backoff.Next()));
//   backoff.Reset();
class Backoff {
 public:
  // Negative times count as 0, infinite ones as a century. `entropy` is borrowed and outlives the
  // object.
  Backoff(const BackoffOptions& options, Entropy* entropy);

  // The pause before the next attempt, in whole nanoseconds. Counts a failure.
  absl::Duration Next();

  // The same where the server has asked to be left alone for `floor` (Retry-After): that long, and
  // the drawn pause behind it, for it has told all of its clients so.
  absl::Duration NextAfter(absl::Duration floor);

  // The longest that Next() may give now.
  absl::Duration bound() const { return absl::Nanoseconds(bound_nanos_); }

  // An attempt has succeeded: begins anew.
  void Reset();

 private:
  const int64_t first_nanos_;
  const int64_t max_nanos_;
  Entropy* const entropy_;
  int64_t bound_nanos_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_BACKOFF_H_
