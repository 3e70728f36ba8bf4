#include "bytestream/base/deadline.h"

namespace halfpipe {

Deadline Deadline::In(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return Never();
  if (duration <= absl::ZeroDuration()) return Immediately();
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  const int64_t now = Clock::Current().NowNanos();
  if (nanos >= std::numeric_limits<int64_t>::max() - now) return Never();
  return Deadline(now + nanos);
}

Deadline Deadline::FromMillis(int64_t millis) {
  constexpr int64_t kNanosPerMilli = 1'000'000;
  if (millis < 0) return Never();
  if (millis >= std::numeric_limits<int64_t>::max() / kNanosPerMilli) return Never();
  return Deadline(millis * kNanosPerMilli);
}

}  // namespace halfpipe
