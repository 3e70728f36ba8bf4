#include "websocket/connection_permits.h"

#include <utility>

namespace halfpipe::websocket {

bool ConnectionPermits::TryTake(absl::AnyInvocable<void()> when_free) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_ == 0) {
    if (when_free) waiting_.push_back(std::move(when_free));
    return false;
  }
  --free_;
  return true;
}

// All of them, not one: whoever is called may be gone, or not want a permit any more, and could not
// tell the next.
void ConnectionPermits::GiveBack() {
  std::vector<absl::AnyInvocable<void()>> waiting;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++free_;
    waiting.swap(waiting_);
  }
  // Outside of the lock: they post to other threads.
  for (absl::AnyInvocable<void()>& when_free : waiting) when_free();
}

}  // namespace halfpipe::websocket
