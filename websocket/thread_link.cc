#include "websocket/thread_link.h"

#include <cerrno>

namespace halfpipe::websocket {

void ThreadLink::Open(ServerThread* thread, Runtime* runtime, SignalFunction on_signals) {
  thread_ = thread;
  on_signals_ = on_signals;
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

// Whoever calls has a reference, so that OnDropped(), which may be called within, is not the last to
// drop one.
void ThreadLink::Raise(Signal signal) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!target_.has_value()) return;
  if (std::exchange(signals_, signals_ | signal) != 0) return;
  references_.fetch_add(1, std::memory_order_relaxed);
  target_->Complete(this);
}

void ThreadLink::OnCompleted() {
  uint32_t signals;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    signals = std::exchange(signals_, 0);
  }
  if (thread_ != nullptr) on_signals_(*thread_, signals);
  Unref();
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
