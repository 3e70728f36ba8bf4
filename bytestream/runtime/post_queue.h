#ifndef HALFPIPE_BYTESTREAM_RUNTIME_POST_QUEUE_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_POST_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/any_invocable.h"
#include "bytestream/runtime/engine.h"

namespace halfpipe {

// What other threads have handed to a runtime and it has not run yet. The only part of a runtime,
// its engine's Wakeup() apart, that other threads touch. Shared: it lives as long as the runtime or
// any PostTarget; once closed it takes nothing more.
class PostQueue {
 public:
  // Functions that may be waiting in one queue.
  static constexpr size_t kPostedMax = 65'536;

  // The end of work that another thread did for the runtime. Listed in place: never fails and does
  // not count against kPostedMax.
  class Completion {
   public:
    // On the runtime's thread, inside its poll.
    virtual void OnCompleted() = 0;
    // Instead, if the runtime has ended; on either thread.
    virtual void OnDropped() = 0;

   protected:
    ~Completion() = default;

   private:
    friend class PostQueue;
    Completion* next_ = nullptr;
  };

  // With one reference, the caller's. `engine` is borrowed until Close().
  explicit PostQueue(Engine* engine) : engine_(engine) {}
  PostQueue(const PostQueue&) = delete;
  PostQueue& operator=(const PostQueue&) = delete;

  // From any thread: 0, ECANCELED (closed) or ENOMEM (kPostedMax are waiting). A function that is
  // not taken is destroyed before the call returns.
  ABSL_MUST_USE_RESULT int Post(absl::AnyInvocable<void()> function);
  void Complete(Completion* completion);

  void Ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref();

  // For the runtime's thread from here on.

  bool pending() const { return pending_.load(std::memory_order_acquire); }
  // True if others than the runtime hold a reference.
  bool shared() const { return references_.load(std::memory_order_relaxed) > 1; }

  // Runs what has been posted by now, the oldest first.
  void Run();

  // Drops what is there: functions are destroyed, not run.
  void Close();

 private:
  // A burst's memory is given back beyond this.
  static constexpr size_t kKeptCapacity = 1024;

  ~PostQueue() = default;
  void Announce();

  std::atomic<int> references_ = 1;
  std::atomic<bool> pending_ = false;
  std::mutex mutex_;
  Engine* engine_;  // null once closed
  std::vector<absl::AnyInvocable<void()>> functions_;
  Completion* first_ = nullptr;
  Completion* last_ = nullptr;
  std::vector<absl::AnyInvocable<void()>> running_;  // the runtime's thread alone
};

// Where to post to a runtime from any thread; a value that may outlive the runtime.
//
// Example:
//   PostTarget worker = runtime.post_target();      // on the runtime's thread
//   std::thread([worker] { worker.Post([] { ... }); }).detach();
class PostTarget {
 public:
  explicit PostTarget(PostQueue* queue) : queue_(queue) { queue_->Ref(); }
  PostTarget(const PostTarget& other) : PostTarget(other.queue_) {}
  PostTarget& operator=(const PostTarget& other) {
    PostTarget copy(other);
    std::swap(queue_, copy.queue_);
    return *this;
  }
  ~PostTarget() { queue_->Unref(); }

  // As Runtime::Post(), but also after the runtime's end: ECANCELED.
  ABSL_MUST_USE_RESULT int Post(absl::AnyInvocable<void()> function) const {
    return queue_->Post(std::move(function));
  }

  // For what must not get lost: `completion`, which is not listed anywhere, stays until one of its
  // functions is called.
  void Complete(PostQueue::Completion* completion) const { queue_->Complete(completion); }

 private:
  PostQueue* queue_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_POST_QUEUE_H_
