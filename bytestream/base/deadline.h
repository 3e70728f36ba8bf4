#ifndef HALFPIPE_BYTESTREAM_BASE_DEADLINE_H_
#define HALFPIPE_BYTESTREAM_BASE_DEADLINE_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "bytestream/base/clock.h"

namespace halfpipe {

// A point in time at which an operation gives up: a value, absolute and monotonic, so that one
// deadline may be passed unchanged down a chain of calls.
//
// An expired deadline does not fail a call that can finish without waiting.
//
// Example:
//   const Deadline deadline = Deadline::In(absl::Seconds(5));
//   stream->Write(hello, /*more=*/false, deadline);
//   stream->Flush(deadline);
class Deadline {
 public:
  // Never expires.
  static constexpr Deadline Never() { return Deadline(std::numeric_limits<int64_t>::max()); }

  // Has expired already: an operation does what is possible without waiting.
  static constexpr Deadline Immediately() { return Deadline(0); }

  // `duration` from now, on Clock::Current(). Saturates to Immediately() and Never().
  static Deadline In(absl::Duration duration);

  // `nanos` on the clock that the runtime uses. Negative means Immediately().
  static constexpr Deadline AtNanos(int64_t nanos) { return Deadline(nanos < 0 ? 0 : nanos); }

  // The convention of the C calls: -1 (and any other negative number) never, 0 without waiting,
  // else absolute milliseconds of now(). Saturates.
  static Deadline FromMillis(int64_t millis);

  constexpr bool is_never() const { return nanos_ == std::numeric_limits<int64_t>::max(); }
  constexpr bool is_immediate() const { return nanos_ == 0; }

  // Nanoseconds on the clock; 0 for Immediately(), INT64_MAX for Never().
  constexpr int64_t nanos() const { return nanos_; }

  // True when `now_nanos` is at or past the deadline.
  constexpr bool ExpiredAt(int64_t now_nanos) const { return !is_never() && nanos_ <= now_nanos; }

  // Earlier deadlines compare less.
  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  explicit constexpr Deadline(int64_t nanos) : nanos_(nanos) {}

  int64_t nanos_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_DEADLINE_H_
