#include "websocket/thread_link.h"

#include <cerrno>

namespace halfpipe::websocket {

void ThreadLink::Open(ServerThread* thread, Runtime* runtime) {
  thread_ = thread;
  runtime_.store(runtime, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(mutex_);
  target_ = runtime->post_target();
}

void ThreadLink::Close() {
  thread_ = nullptr;
  runtime_.store(nullptr, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(mutex_);
  target_.reset();
}

// Another thread may read the value while it changes, but never its own.
bool ThreadLink::Ref::is_here() const {
  Runtime* const runtime = link_->runtime_.load(std::memory_order_relaxed);
  return runtime != nullptr && runtime == Runtime::CurrentOrNull();
}

int ThreadLink::Ref::Post(absl::AnyInvocable<void(ServerThread&)> function) const {
  std::optional<PostTarget> target;
  {
    const std::lock_guard<std::mutex> lock(link_->mutex_);
    target = link_->target_;
  }
  if (!target.has_value()) return ECANCELED;
  return target->Post([link = *this, function = std::move(function)]() mutable {
    if (ServerThread* const thread = link->thread(); thread != nullptr) function(*thread);
  });
}

}  // namespace halfpipe::websocket
