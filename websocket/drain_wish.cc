#include "websocket/drain_wish.h"

#include <algorithm>

#include "bytestream/base/clock.h"

namespace halfpipe::websocket {

void DrainWish::Ask(absl::Duration bound) {
  const int64_t now = Clock::System().NowNanos();
  const int64_t nanos = std::max<int64_t>(absl::ToInt64Nanoseconds(bound), 0);
  const int64_t until = nanos >= INT64_MAX - now ? INT64_MAX : now + nanos;
  const std::lock_guard<std::mutex> lock(mutex_);
  asked_ = true;
  nanos_ = std::min(nanos_, until);
}

std::optional<Deadline> DrainWish::Get() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!asked_) return std::nullopt;
  if (nanos_ == INT64_MAX) return Deadline::Never();
  const int64_t nanos = nanos_ - Clock::System().NowNanos();
  return nanos <= 0 ? Deadline::Immediately() : Deadline::In(absl::Nanoseconds(nanos));
}

}  // namespace halfpipe::websocket
