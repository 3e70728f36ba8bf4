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
class ThreadLink final : private PostQueue::Completion {
 public:
  // What a thread is to look at, whatever else it has to do.
  enum Signal : uint32_t {
    kPermitFree = 1,   // there may be a permit for a connection
    kDrainWanted = 2,  // the server is to drain, or earlier
  };
  // Called on the thread, in its scheduler, where it may not wait; with all that were raised.
  using SignalFunction = void (*)(ServerThread& thread, uint32_t signals);

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
    ~Ref() { link_->Unref(); }
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

  // Has the thread look at `signal`, unless it has not begun or has ended. Cannot fail, however much
  // is waiting there; several before it comes to look are one. What was done before the call is seen
  // by the thread then.
  void Raise(Signal signal);

  // For the thread itself: from here on, and until here, functions and signals come to it.
  void Open(ServerThread* thread, Runtime* runtime, SignalFunction on_signals);
  void Close();

  // On the thread itself: null once it has been closed.
  ServerThread* thread() const { return thread_; }

 private:
  ThreadLink() = default;
  ~ThreadLink() = default;

  // PostQueue::Completion
  void OnCompleted() override;
  void OnDropped() override { Unref(); }

  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  std::atomic<uint32_t> references_ = 1;
  ServerThread* thread_ = nullptr;  // of that thread alone, as the next one
  SignalFunction on_signals_ = nullptr;
  std::atomic<Runtime*> runtime_ = nullptr;
  std::mutex mutex_;  // of what follows
  std::optional<PostTarget> target_;
  uint32_t signals_ = 0;  // raised and not looked at; the link is in the runtime's queue then
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_THREAD_LINK_H_
