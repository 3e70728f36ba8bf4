#ifndef HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/any_invocable.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/blocking_call.h"
#include "bytestream/runtime/blocking_pool.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/overflow_report.h"
#include "bytestream/runtime/post_queue.h"
#include "bytestream/runtime/stack_pool.h"
#include "bytestream/runtime/timer_heap.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// What somebody else hangs on a runtime, to be destroyed with it (the handle table of the C calls).
class RuntimeExtension {
 public:
  virtual ~RuntimeExtension() = default;
};

// Something that holds bytes back and must let them go before the runtime waits for events.
class HeldOutput {
 public:
  // Called once for each HoldOutput(), in a NoWaitScope. May make another object hold, which is
  // released before the runtime waits; what cannot leave must not be held again but wait for its
  // descriptor, or the runtime would turn without rest.
  virtual void ReleaseHeldOutput() = 0;

  // Takes it off the list, if it is on it.
  void DropHold();

 protected:
  HeldOutput() = default;
  ~HeldOutput() { DropHold(); }

 private:
  friend class Runtime;

  ListLink held_link_;
  const Runtime* held_by_ = nullptr;  // while it is listed
};

// What sees every wait of a runtime; for tests that cancel or time out the N-th one.
class WaitObserver {
 public:
  virtual ~WaitObserver() = default;
  // Called before a coroutine suspends. 0 lets it; an errno (ETIMEDOUT, ECANCELED) ends the wait at
  // once with that result, and ECANCELED cancels the coroutine for good.
  virtual int OnWait(Coroutine* waiting, Deadline deadline) = 0;
};

// The scheduler of one thread: its coroutines, timers, I/O engine and pools. Coroutines take turns;
// one runs until it waits, and never moves to another thread.
//
// The first use of Current() makes a runtime for the thread, which ends with the thread: coroutines
// that are suspended then are abandoned, and run no more code. A runtime made explicitly takes over
// the thread's place for as long as it lives, and checks at its end that no coroutine is left. They
// nest, the last one made ends first; only coroutines of the innermost one may be running.
//
// Waiting functions return 0 or an errno, never a Status: they are on every hot path.
//
// Example:
//   Runtime runtime;
//   Bundle bundle(&runtime);
//   bundle.Go([&] { runtime.SleepUntil(Deadline::In(absl::Seconds(1))); });
//   bundle.Wait(Deadline::Never());
class Runtime {
 public:
  struct Options {
    // Address space of a coroutine's stack, guard included.
    size_t stack_bytes = StackPool::kDefaultStackBytes;
    // The strongest guard below stacks.
    StackPool::Guard stack_guard = StackPool::Guard::kAdvice;
    // Borrowed, outlives the runtime; null for the system's monotonic clock.
    Clock* clock = nullptr;
    // Empty: MakeEngine().
    absl::AnyInvocable<std::unique_ptr<Engine>(Runtime*)> make_engine = nullptr;
    // Where RunBlocking() runs; borrowed, outlives the runtime. Null for the process's.
    BlockingPool* blocking_pool = nullptr;
    // Coroutines that are ready run first in, first out. For tests: any number but 0 shuffles them
    // at each poll, and polls often, in a way that the number decides.
    uint64_t ready_seed = 0;
  };

  // After this many operations without a wait, or this much time, a coroutine yields.
  static constexpr int kOperationsPerTurn = 64;
  static constexpr int64_t kNanosPerTurn = 1'000'000;
  // After this many switches held output is released and the engine polled even if coroutines are
  // ready.
  static constexpr int kSwitchesPerPoll = 64;

  Runtime();
  explicit Runtime(Options options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // The runtime of this thread; made if there is none.
  static Runtime& Current();
  static Runtime* CurrentOrNull();

  Clock& clock() { return *clock_; }
  Engine& engine() { return *engine_; }
  BufferPool& buffer_pool() { return buffer_pool_; }
  StackPool& stack_pool() { return stack_pool_; }
  Coroutine* current() { return current_; }
  std::unique_ptr<RuntimeExtension>& extension() { return extension_; }

  // True while the runtime of a thread that ends is torn down. Its coroutines are abandoned: nobody
  // may touch what lives on their stacks (waiters, links), which may have gone before.
  bool ending() const { return ending_; }

  // Coroutines alive, the thread's own flow not counted.
  size_t coroutine_count() const { return coroutine_count_; }

  // ECANCELED in a cancelled coroutine and in a close callback, else 0. The first thing that a
  // blocking call asks.
  int CheckCancelled() const {
    if (no_wait_depth_ > 0) return 0;
    return current_->cancelled || current_->closing_depth > 0 ? ECANCELED : 0;
  }

  // False in a NoWaitScope, and so in callbacks: nothing may wait here, not even for what ends soon.
  bool may_wait() const { return no_wait_depth_ == 0; }

  // Suspends the current coroutine until Wake() is called for `waiter`, which the caller has listed
  // somewhere (or will hand to whoever wakes it). Returns what Wake() was given, or ETIMEDOUT, or
  // ECANCELED; `waiter` is off its list then. Does not switch when the deadline has already passed.
  int Wait(Waiter* waiter, Deadline deadline);

  // The same; the way of a wait without a deadline is inline down to the jump. For waits that are
  // over soon and come often: channels, locks.
  int WaitInline(Waiter* waiter, Deadline deadline);

  // As Wait(waiter, Never()), but a cancellation does not end it: for joining what is itself
  // ending.
  int WaitShielded(Waiter* waiter);

  // Ends a wait. Nothing happens if `waiter` is not waiting. The coroutine becomes ready; it does
  // not run yet.
  void Wake(Waiter* waiter, int result = 0);

  // Lets all others that are ready run first. 0 or ECANCELED.
  int Yield();

  // Waits until `deadline` has passed: 0, or ECANCELED. Immediately() yields.
  int SleepUntil(Deadline deadline);

  // To be called after each operation that may have completed without waiting, when it holds no
  // lock or direction: yields when the coroutine has had its turn.
  void CountOperation();

  // The same for an operation that takes no longer than a look at the clock does (handing something
  // to another coroutine): the first one of a turn, which often is its only one, goes without.
  void CountQuickOperation() {
    if (operations_ > 0) return CountOperation();
    ++operations_;
  }

  // Marks a coroutine cancelled and ends its wait, if it is in one.
  void Cancel(Coroutine* target);

  // How to make a coroutine: `construct(place, from)` builds the closure of `size` bytes at `place`
  // on the new stack, `run(place)` calls and destroys it.
  struct Entry {
    size_t size;
    size_t alignment;
    void (*construct)(void* place, void* from);
    void (*run)(void* place);
    void* from;
    const char* name;
  };

  // Starts a coroutine in `bundle`. It runs at once; the caller goes to the end of the ready queue.
  // `memory` is its stack, control block included (null: one of the pool), borrowed until the
  // coroutine has finished. ENOMEM: no stack, or `memory_size` too small. ECANCELED: the caller is
  // itself being cancelled or may not wait, or the bundle is joining.
  int Start(Bundle* bundle, const Entry& entry, void* memory, size_t memory_size);

  // Starts a coroutine in `bundle`, on a stack of the pool, at the end of the ready queue: nothing
  // runs now. Also where Start() would refuse: in a coroutine that is being cancelled, in a
  // NoWaitScope, inside a poll. For coroutines of the library's own. 0 or ENOMEM.
  int StartLater(Bundle* bundle, const Entry& entry);

  // Has `function` run on this runtime's thread, in the scheduler, after those posted before it; wakes
  // the thread if it sleeps. From any thread, as long as the runtime is known to live; else see
  // post_target(). The function may not wait, nor close what joins coroutines, but may wake a
  // coroutine, or start one, which then runs when its turn comes. A runtime that ends destroys what
  // it has not run.
  //
  // 0; ENOMEM (PostQueue::kPostedMax are waiting) and ECANCELED (the runtime is ending): the
  // function was destroyed.
  ABSL_MUST_USE_RESULT int Post(absl::AnyInvocable<void()> function) {
    return post_queue_->Post(std::move(function));
  }

  // Posts here from any thread, also when the runtime may have ended.
  PostTarget post_target() const { return PostTarget(post_queue_); }

  // True if other threads have, or may get, something to post here: what has no descriptors to wait
  // for (simulated time) must not take that for a deadlock.
  bool has_post_targets() const { return post_queue_->shared(); }
  // True while a coroutine is in RunBlocking().
  bool blocking_calls_in_progress() const { return !blocking_calls_.empty(); }

  // Runs function() on a helper thread (Options::blocking_pool) and suspends only this coroutine.
  // For calls that block and know nothing of coroutines.
  //
  // Returns absl::StatusOr of what it returned (for void, Status and StatusOr<T>: that), or
  //   ETIMEDOUT, ECANCELED  it has not begun and never will, or its result is dropped when it comes.
  //              So it must own all that it touches: no reference to this coroutine's variables.
  //   ENOMEM     the pool's queue is full, or it has no thread and none can be started; nothing was
  //              run. Wait for others of your own to end.
  // The function is destroyed where it has run. What has completed beats a deadline.
  //
  // Example:
  //   absl::StatusOr<int> fd = runtime.RunBlocking(
  //       [path = std::string(path)] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }, deadline);
  template <typename F>
  BlockingResult<F> RunBlocking(F function, Deadline deadline) {
    auto* const call = new BlockingCallOf<F>(std::move(function), post_queue_);
    const int error = RunBlockingCall(call, deadline);
    BlockingResult<F> result = error == 0 ? call->TakeResult() : BlockingError(error);
    call->Unref();
    return result;
  }

  // Arms `timer` for `deadline`, not Never(); if it was armed, in place of that. Its function is
  // called once, in the scheduler, in a NoWaitScope, at the first poll after the deadline, and those
  // of equal deadlines in the order they were armed. What is armed meanwhile waits for the next poll.
  // See CallbackTimer (callback_timer.h) for the form that is safe to use.
  void SetTimer(TimerHeap::CallbackNode* timer, Deadline deadline);
  // Disarms `timer`, if it is armed.
  void CancelTimer(TimerHeap::CallbackNode* timer);

  // Lists `output` to be released before the next poll.
  void HoldOutput(HeldOutput* output);

  // Borrowed; null for none.
  void set_wait_observer(WaitObserver* observer) { wait_observer_ = observer; }

 private:
  friend class Bundle;
  friend class NoWaitScope;
  friend class RuntimeHolder;

  bool Expired(Deadline deadline);
  int WaitUnexpired(Waiter* waiter, Deadline deadline);
  int Suspend(Waiter* waiter, Deadline deadline);
  int SuspendInline(Waiter* waiter);
  static void CheckCanary(const Coroutine* running);
  Coroutine* NextReady();
  Coroutine* NextReadySlowly();
  void SwitchAway();
  void SwitchTo(Coroutine* next);
  void AfterSwitch();
  void ReleaseFinished();
  void PollEvents();
  ABSL_ATTRIBUTE_NOINLINE void RunPosted();
  ABSL_ATTRIBUTE_NOINLINE void ShuffleReady();
  int RunBlockingCall(BlockingCall* call, Deadline deadline);
  void AbandonBlockingCalls();
  static const char* FindOverflowed(const void* address);
  void ReleaseHeldOutput();
  void FireTimers();
  StackPool::Stack NewStack();
  StackPool::Stack TakeStack();
  void GiveBackSpareStack();
  StackPool::Stack BorrowStack(void* memory, size_t memory_size);
  Coroutine* Create(Bundle* bundle, const Entry& entry, const StackPool::Stack& stack, bool pooled);
  bool PreparePoller();
  static Coroutine* Build(Bundle* bundle, const Entry& entry, const StackPool::Stack& stack,
                          bool pooled);
  [[noreturn]] void Finish(Coroutine* self);
  static void CoroutineMain(void* argument);
  static void PollerMain(void* argument);

  Clock* const clock_;
  bool implicit_ = false;
  bool ending_ = false;
  Runtime* previous_runtime_ = nullptr;
  Clock* previous_clock_ = nullptr;
  StackPool stack_pool_;
  BufferPool buffer_pool_;
  TimerHeap timers_;
  Deadline firing_ = Deadline::Immediately();  // FireTimers() is at work, and this is its now
  Coroutine main_;
  Coroutine poller_;              // polls in place of coroutines on small stacks
  StackPool::Stack spare_stack_;  // of the coroutine that finished last; goes back before a wait
  Coroutine* current_ = &main_;
  Coroutine* finished_ = nullptr;  // its stack is to be given back by the next flow
  IntrusiveList<Coroutine, &Coroutine::ready_link> ready_;
  IntrusiveList<HeldOutput, &HeldOutput::held_link_> held_;
  size_t coroutine_count_ = 0;
  int switches_since_poll_ = 0;
  int operations_ = 0;
  int64_t turn_started_nanos_ = -1;
  int no_wait_depth_ = 0;
  WaitObserver* wait_observer_ = nullptr;
  std::unique_ptr<Engine> engine_;
  PostQueue* post_queue_ = nullptr;
  BlockingPool* const blocking_pool_;  // null: the process's
  IntrusiveList<BlockingCall, &BlockingCall::runtime_link> blocking_calls_;
  uint64_t shuffle_state_;            // 0: first in, first out
  std::vector<Coroutine*> shuffled_;  // ShuffleReady()'s, kept for its memory
  bool running_posted_ = false;
  bool reports_overflows_ = false;
  SignalStack signal_stack_;
  std::unique_ptr<RuntimeExtension> extension_;
};

// While it lives, the current coroutine does not wait: every wait ends at once with ETIMEDOUT, also
// in a coroutine that is cancelled. For clean-up that sends what it can and no more (hclose).
// Nothing may switch coroutines inside the scope.
class NoWaitScope {
 public:
  explicit NoWaitScope(Runtime* runtime) : runtime_(runtime) { ++runtime_->no_wait_depth_; }
  ~NoWaitScope() { --runtime_->no_wait_depth_; }
  NoWaitScope(const NoWaitScope&) = delete;
  NoWaitScope& operator=(const NoWaitScope&) = delete;

 private:
  Runtime* const runtime_;
};

// The way of a switch is inline, see Context::Jump().

// Takes the next coroutine to run off the ready queue; polls while there is none.
inline Coroutine* Runtime::NextReady() {
  if (ready_.empty() || ++switches_since_poll_ >= kSwitchesPerPoll) return NextReadySlowly();
  return ready_.PopFront();
}

// The first thing in a flow that has just been resumed, or begins.
inline void Runtime::AfterSwitch() {
  operations_ = 0;
  turn_started_nanos_ = -1;
  if (finished_ != nullptr) ReleaseFinished();
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Runtime::SwitchTo(Coroutine* next) {
  Coroutine* const self = current_;
  if (self->stack.canary) CheckCanary(self);
  current_ = next;
  self->context.SwitchTo(&next->context);
  AfterSwitch();
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Runtime::SwitchAway() {
  Coroutine* const next = NextReady();
  if (next != current_) {
    SwitchTo(next);
  } else {
    operations_ = 0;
    turn_started_nanos_ = -1;
  }
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline int Runtime::SuspendInline(Waiter* waiter) {
  waiter->owner = current_;
  current_->waiter = waiter;
  SwitchAway();
  return waiter->result;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline int Runtime::WaitInline(Waiter* waiter, Deadline deadline) {
  const bool plain = deadline.is_never() && no_wait_depth_ == 0 && wait_observer_ == nullptr;
  if (!plain || CheckCancelled() != 0) return Wait(waiter, deadline);
  return SuspendInline(waiter);
}

inline int Runtime::Yield() {
  if (no_wait_depth_ > 0) return 0;
  if (const int error = CheckCancelled()) return error;
  ready_.PushBack(current_);
  SwitchAway();
  return CheckCancelled();
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_H_
