#ifndef HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/engine.h"
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
  virtual void ReleaseHeldOutput() = 0;  // must not wait
  ListLink held_link;

 protected:
  ~HeldOutput() = default;
};

// What sees every wait of a runtime; for tests that cancel or time out the N-th one.
class WaitObserver {
 public:
  virtual ~WaitObserver() = default;
  // Called before a coroutine suspends. 0 lets it; an errno (ETIMEDOUT, ECANCELED) ends the wait at
  // once with that result, and ECANCELED cancels the coroutine for good.
  virtual int OnWait(Coroutine* coroutine, Deadline deadline) = 0;
};

// The scheduler of one thread: its coroutines, timers, I/O engine and pools. Coroutines take turns;
// one runs until it waits, and never moves to another thread.
//
// The first use of Current() makes a runtime for the thread, which ends with the thread: coroutines
// that are suspended then are abandoned, and run no more code. A runtime made explicitly takes over
// the thread's place for as long as it lives, and checks at its end that no coroutine is left.
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
    // Borrowed, outlives the runtime; null for the system's monotonic clock.
    Clock* clock = nullptr;
    // Empty: MakeEngine().
    absl::AnyInvocable<std::unique_ptr<Engine>(Runtime*)> make_engine;
  };

  // After this many operations without a wait, or this much time, a coroutine yields.
  static constexpr int kOperationsPerTurn = 64;
  static constexpr int64_t kNanosPerTurn = 1'000'000;
  // After this many switches the engine is polled even if coroutines are ready.
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

  // Coroutines alive, the thread's own flow not counted.
  size_t coroutine_count() const { return coroutine_count_; }

  // ECANCELED in a cancelled coroutine and in a close callback, else 0. The first thing that a
  // blocking call asks.
  int CheckCancelled() const {
    if (no_wait_depth_ > 0) return 0;
    return current_->cancelled || current_->closing_depth > 0 ? ECANCELED : 0;
  }

  // Suspends the current coroutine until Wake() is called for `waiter`, which the caller has listed
  // somewhere (or will hand to whoever wakes it). Returns what Wake() was given, or ETIMEDOUT, or
  // ECANCELED; `waiter` is off its list then. Does not switch when the deadline has already passed.
  int Wait(Waiter* waiter, Deadline deadline);

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

  // Marks a coroutine cancelled and ends its wait, if it is in one.
  void Cancel(Coroutine* coroutine);

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
  // `memory` is its stack, control block included (null: one of the pool). ENOMEM: no stack, or
  // `memory_size` too small. ECANCELED: the caller is itself being cancelled.
  int Start(Bundle* bundle, const Entry& entry, void* memory, size_t memory_size);

  // Lists `output` to be released before the next poll.
  void HoldOutput(HeldOutput* output);

  // Borrowed; null for none.
  void set_wait_observer(WaitObserver* observer) { wait_observer_ = observer; }

 private:
  friend class NoWaitScope;
  friend class RuntimeHolder;

  int Suspend(Waiter* waiter, Deadline deadline);
  Coroutine* NextReady();
  void SwitchAway();
  void SwitchTo(Coroutine* next);
  void AfterSwitch();
  void PollEvents(Deadline until);
  void FireTimers();
  [[noreturn]] void Finish(Coroutine* self);
  static void CoroutineMain(void* argument);

  Clock* const clock_;
  bool implicit_ = false;
  Runtime* previous_runtime_ = nullptr;
  Clock* previous_clock_ = nullptr;
  StackPool stack_pool_;
  BufferPool buffer_pool_;
  TimerHeap timers_;
  Coroutine main_;
  Coroutine* current_ = &main_;
  Coroutine* finished_ = nullptr;  // its stack is to be given back by the next flow
  IntrusiveList<Coroutine, &Coroutine::ready_link> ready_;
  IntrusiveList<HeldOutput, &HeldOutput::held_link> held_;
  size_t coroutine_count_ = 0;
  int switches_since_poll_ = 0;
  int operations_ = 0;
  int64_t turn_started_nanos_ = -1;
  int no_wait_depth_ = 0;
  WaitObserver* wait_observer_ = nullptr;
  std::unique_ptr<Engine> engine_;
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

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_RUNTIME_H_
