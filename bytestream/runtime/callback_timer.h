#ifndef HALFPIPE_BYTESTREAM_RUNTIME_CALLBACK_TIMER_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_CALLBACK_TIMER_H_

#include "absl/functional/any_invocable.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/timer_heap.h"

namespace halfpipe {

// Calls a function once when a deadline has passed; no coroutine waits for it. For what must happen
// in time on connections that have no coroutine of their own, or whose coroutines wait elsewhere.
//
// The callback runs where those of Bytestream::WhenReadable() do: on the stack of whichever
// coroutine polls, in a NoWaitScope. It must not wait and should be brief; it may wake coroutines,
// start one (Bundle::StartLater()), Set() the timer again, or destroy it. It runs in one order with
// the waits that time out at the same poll: by deadline, then by when they were armed. One armed by
// a callback for a time that has come already runs at the next poll.
//
// Setting and cancelling cost what a wait's deadline costs, and allocate nothing: a timer that is
// moved at each message may as well be left alone and, when it fires, be set for what is left.
//
// Belongs to the thread of its runtime (borrowed, outlives it). A runtime that ends fires nothing.
//
// Example:
//   CallbackTimer idle(&runtime, [&] { stream.Abort(); });
//   idle.Set(Deadline::In(absl::Minutes(1)));
class CallbackTimer {
 public:
  CallbackTimer(Runtime* runtime, absl::AnyInvocable<void()> callback);
  // As Cancel(). Also from within the callback.
  ~CallbackTimer();
  CallbackTimer(const CallbackTimer&) = delete;
  CallbackTimer& operator=(const CallbackTimer&) = delete;

  // Arms it for `deadline`, in place of the one before; Never() is Cancel(), and one that has
  // passed, Immediately() too, means the next poll.
  void Set(Deadline deadline);

  // Disarms it, if it is armed.
  void Cancel() { runtime_->CancelTimer(&node_); }

  bool armed() const { return node_.armed(); }

 private:
  struct Node : TimerHeap::CallbackNode {
    explicit Node(CallbackTimer* timer_of) : CallbackNode(&CallbackTimer::Fire), timer(timer_of) {}

    CallbackTimer* const timer;
  };

  static void Fire(TimerHeap::CallbackNode* node);

  Runtime* const runtime_;
  Node node_;
  absl::AnyInvocable<void()> callback_;
  bool* destroyed_ = nullptr;  // while the callback runs: set by the destructor
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_CALLBACK_TIMER_H_
