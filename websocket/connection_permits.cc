#include "websocket/connection_permits.h"

#include <utility>

namespace halfpipe::websocket {

bool ConnectionPermits::TryTake(absl::AnyInvocable<void()> when_free) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_ == 0) {
    waiting_.push_back(std::move(when_free));
    return false;
  }
  --free_;
  return true;
}

void ConnectionPermits::GiveBack() {
  absl::AnyInvocable<void()> next;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++free_;
    if (!waiting_.empty()) {
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
  }
  // Outside of the lock: it posts to another thread.
  if (next) next();
}

size_t ConnectionPermits::free() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return free_;
}

}  // namespace halfpipe::websocket
