#include "websocket/backoff.h"

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"

namespace halfpipe::websocket {
namespace {

// A bound that can be doubled.
int64_t WholeNanos(absl::Duration duration) {
  constexpr int64_t kCenturyHours = int64_t{100} * 365 * 24;
  return absl::ToInt64Nanoseconds(
      std::clamp(duration, absl::ZeroDuration(), absl::Hours(kCenturyHours)));
}

}  // namespace

Backoff::Backoff(const BackoffOptions& options, Entropy* entropy)
    : first_nanos_(std::min(WholeNanos(options.first_max), WholeNanos(options.max))),
      max_nanos_(WholeNanos(options.max)),
      entropy_(entropy),
      bound_nanos_(first_nanos_) {}

absl::Duration Backoff::Next() {
  uint8_t bytes[8];
  entropy_->Fill(absl::MakeSpan(bytes));
  uint64_t random = 0;
  for (const uint8_t byte : bytes) random = random << 8 | byte;
  // The upper half of the product is even over 0..bound, but for one part in 2^64 / bound.
  const unsigned __int128 product =
      static_cast<unsigned __int128>(random) * (static_cast<uint64_t>(bound_nanos_) + 1);
  // Where the doubling would go beyond the end of the type, it is beyond the longest pause too.
  bound_nanos_ = bound_nanos_ > max_nanos_ / 2 ? max_nanos_ : bound_nanos_ * 2;
  return absl::Nanoseconds(static_cast<int64_t>(product >> 64));
}

absl::Duration Backoff::NextAfter(absl::Duration floor) {
  return std::max(floor, absl::ZeroDuration()) + Next();
}

void Backoff::Reset() { bound_nanos_ = first_nanos_; }

}  // namespace halfpipe::websocket
