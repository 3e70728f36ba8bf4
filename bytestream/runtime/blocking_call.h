#ifndef HALFPIPE_BYTESTREAM_RUNTIME_BLOCKING_CALL_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_BLOCKING_CALL_H_

#include <atomic>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/runtime/blocking_pool.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/post_queue.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

class Runtime;

// One Runtime::RunBlocking(), which is how to use it: the function, where it runs, and its result.
// On the heap, because the caller may give up while the function is running; it belongs to both and
// goes with the last.
//
// Life: made with the caller's reference. Begin() adds the pool's. A helper thread runs the function
// and completes on the runtime's thread, which wakes the caller if that still waits, and drops the
// pool's reference; if the runtime has ended the helper drops it. A caller that gives up takes the
// call back from the pool's queue or leaves it to run and be dropped.
class BlockingCall : public BlockingPool::Work, public PostQueue::Completion {
 public:
  BlockingCall(const BlockingCall&) = delete;
  BlockingCall& operator=(const BlockingCall&) = delete;

  // On the runtime's thread: `waiter` is woken at the end. Adds a reference for the pool.
  void Begin(Runtime* runtime, Waiter* waiter);
  // Nobody waits any more.
  void Detach() { waiter_ = nullptr; }
  // The result is there, even if the completion has not arrived yet.
  bool done() const { return done_.load(std::memory_order_acquire); }

  // From either thread.
  void Unref();

  void Run() final;

  ListLink runtime_link;  // in the runtime's list while the caller waits

 protected:
  explicit BlockingCall(PostQueue* queue) : queue_(queue) { queue_->Ref(); }
  virtual ~BlockingCall() { queue_->Unref(); }

  virtual void CallFunction() = 0;

 private:
  void OnCompleted() final;
  void OnDropped() final { Unref(); }

  std::atomic<int> references_ = 1;
  std::atomic<bool> done_ = false;
  PostQueue* const queue_;
  Runtime* runtime_ = nullptr;
  Waiter* waiter_ = nullptr;  // the runtime's thread alone
};

// What RunBlocking() makes of a function's result.
template <typename R>
struct BlockingResultOf {
  using Type = absl::StatusOr<R>;
};
template <>
struct BlockingResultOf<void> {
  using Type = absl::Status;
};
template <>
struct BlockingResultOf<absl::Status> {
  using Type = absl::Status;
};
template <typename T>
struct BlockingResultOf<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};
template <typename F>
using BlockingResult = typename BlockingResultOf<std::invoke_result_t<F&>>::Type;

absl::Status BlockingError(int error);

template <typename F>
class BlockingCallOf final : public BlockingCall {
 public:
  BlockingCallOf(F function, PostQueue* queue)
      : BlockingCall(queue), function_(std::move(function)) {}

  // When done().
  BlockingResult<F> TakeResult() { return *std::move(result_); }

 private:
  void CallFunction() override {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      (*function_)();
      result_.emplace();
    } else {
      result_.emplace((*function_)());
    }
    function_.reset();
  }

  std::optional<F> function_;
  std::optional<BlockingResult<F>> result_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_BLOCKING_CALL_H_
