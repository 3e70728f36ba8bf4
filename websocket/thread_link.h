#ifndef HALFPIPE_WEBSOCKET_THREAD_LINK_H_
#define HALFPIPE_WEBSOCKET_THREAD_LINK_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/functional/any_invocable.h"
#include "bytestream/runtime/post_queue.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe::websocket {

class ServerThread;

// The way to a thread of a server from any other one; may outlive both.
class ThreadLink {
 public:
  // A share in it; copies may be made and dropped by any thread.
  class Ref {
   public:
    Ref() : link_(new ThreadLink) {}
    Ref(const Ref& other) : link_(other.link_) {
      link_->references_.fetch_add(1, std::memory_order_relaxed);
    }
    Ref& operator=(Ref other) noexcept {
      std::swap(link_, other.link_);
      return *this;
    }
    ~Ref() {
      if (link_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete link_;
    }
    ThreadLink* operator->() const { return link_; }

    friend bool operator==(const Ref& a, const Ref& b) { return a.link_ == b.link_; }

    // Whether that thread is the calling one.
    bool is_here() const;

    // Has `function` run on that thread, in its scheduler, where it may not wait. 0; ECANCELED: the
    // thread has not begun or has ended; ENOMEM: too much is waiting there. It was destroyed then.
    // It is destroyed without being run where the thread ends first.
    ABSL_MUST_USE_RESULT int Post(absl::AnyInvocable<void(ServerThread&)> function) const;

   private:
    ThreadLink* link_;
  };

  // For the thread itself: from here on, and until here, functions come to it.
  void Open(ServerThread* thread, Runtime* runtime);
  void Close();

  // On the thread itself: null once it has been closed.
  ServerThread* thread() const { return thread_; }

 private:
  ThreadLink() = default;
  ~ThreadLink() = default;

  std::atomic<uint32_t> references_ = 1;
  ServerThread* thread_ = nullptr;  // of that thread alone
  std::atomic<Runtime*> runtime_ = nullptr;
  std::mutex mutex_;
  std::optional<PostTarget> target_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_THREAD_LINK_H_
