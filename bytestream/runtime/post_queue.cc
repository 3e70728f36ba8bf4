#include "bytestream/runtime/post_queue.h"

#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

namespace halfpipe {

// Called with the lock held, so that the runtime cannot end meanwhile. Run() takes everything, so
// only the first one since then has to wake it.
void PostQueue::Announce() {
  if (pending_.load(std::memory_order_relaxed)) return;
  pending_.store(true, std::memory_order_release);
  engine_->Wakeup();
}

int PostQueue::Post(absl::AnyInvocable<void()> function) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (engine_ == nullptr) return ECANCELED;
  if (functions_.size() >= kPostedMax) return ENOMEM;
  functions_.push_back(std::move(function));
  Announce();
  return 0;
}

void PostQueue::Complete(Completion* completion) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (engine_ != nullptr) {
      completion->next_ = nullptr;
      (first_ == nullptr ? first_ : last_->next_) = completion;
      last_ = completion;
      Announce();
      return;
    }
  }
  completion->OnDropped();
}

void PostQueue::Unref() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void PostQueue::Run() {
  Completion* completion;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.store(false, std::memory_order_relaxed);
    running_.swap(functions_);
    completion = std::exchange(first_, nullptr);
  }
  while (completion != nullptr) {
    Completion* const next = completion->next_;
    completion->OnCompleted();
    completion = next;
  }
  for (absl::AnyInvocable<void()>& function : running_) {
    function();
    function = nullptr;
  }
  running_.clear();
  if (running_.capacity() > kKeptCapacity) std::vector<absl::AnyInvocable<void()>>().swap(running_);
}

void PostQueue::Close() {
  std::vector<absl::AnyInvocable<void()>> functions;
  Completion* completion;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    engine_ = nullptr;
    functions.swap(functions_);
    completion = std::exchange(first_, nullptr);
  }
  while (completion != nullptr) {
    Completion* const next = completion->next_;
    completion->OnDropped();
    completion = next;
  }
  // The functions go here, outside the lock: their destructors may post.
}

}  // namespace halfpipe
