#ifndef HALFPIPE_BYTESTREAM_RUNTIME_BUNDLE_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_BUNDLE_H_

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// A scope that coroutines cannot outlive. Its destructor cancels those that are left and waits
// until they have come out, so whatever they refer to only has to be declared before the bundle.
//
// Belongs to the thread of its runtime (borrowed, outlives it).
//
// Example:
//   Bundle bundle(&runtime);
//   absl::Status started = bundle.Go([&] { Serve(connection); });
class Bundle {
 public:
  // The coroutine that makes a bundle owns it: see JoinIsDeadlock().
  explicit Bundle(Runtime* runtime) : runtime_(runtime) { TakeOwnership(); }
  ~Bundle();
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  // Where and how a coroutine runs.
  struct Placement {
    // Borrowed until the coroutine has finished, control block included; null for a stack of the
    // pool.
    void* memory = nullptr;
    size_t memory_size = 0;
    // Static text, for messages.
    const char* name = "coroutine";
  };

  // Runs `function` in a new coroutine, at once; returns when the caller's turn comes again. The
  // function is moved to the new stack. ENOMEM: no stack. ECANCELED: the caller is being cancelled
  // or may not wait (NoWaitScope), or CancelAndJoin() is at work.
  template <typename F>
  absl::Status Go(F&& function) {
    return Go(std::forward<F>(function), Placement());
  }
  template <typename F>
  absl::Status Go(F&& function, Placement placement) {
    return ErrnoStatus(Start(std::forward<F>(function), placement),
                       "a coroutine could not be started");
  }

  // The same with an errno, or 0.
  template <typename F>
  int Start(F&& function, Placement placement) {
    if constexpr (std::is_function_v<std::remove_reference_t<F>>) {
      return Start(&function, placement);
    } else {
      return StartObject(std::forward<F>(function), placement);
    }
  }

  // As Runtime::StartLater(): makes a coroutine ready and switches to nobody. 0 or ENOMEM.
  template <typename F>
  int StartLater(F&& function, const char* name) {
    return runtime_->StartLater(this, EntryOf(std::forward<F>(function), name));
  }

  // Waits until all coroutines have finished: 0 (at once for an empty bundle), ETIMEDOUT or
  // ECANCELED. EDEADLK: the caller is one of them. EBADF: the bundle was destroyed meanwhile.
  ABSL_MUST_USE_RESULT int Wait(Deadline deadline);

  // Cancels all coroutines: each gets ECANCELED from its present and every later wait. Returns at
  // once. Those that are started later are not cancelled.
  void Cancel();

  // Cancel(), then waits for them to come out. Works in a cancelled coroutine too. Must not be
  // called while another call of it is at work, nor where that could never end: from a coroutine of
  // this bundle, or of one that a coroutine of this bundle is joining, and so on.
  void CancelAndJoin();

  // True if CancelAndJoin() from here would wait for the caller itself (EDEADLK in the C calls): the
  // caller is in this bundle, or in one that a coroutine of this bundle joins, or owns and so will
  // join when it is cancelled, and so on.
  bool JoinIsDeadlock() const;

  // The present coroutine is the one to close this bundle from now on. Another one's end, or its
  // being closed, has nothing to do with this bundle then. In a NoWaitScope (callbacks): nobody.
  void TakeOwnership();

  // True if `coroutine` is one of this bundle's.
  bool Contains(const Coroutine* member) const { return member->bundle == this; }

  bool empty() { return coroutines_.empty(); }
  Runtime* runtime() { return runtime_; }

 private:
  friend class Runtime;

  template <typename F>
  int StartObject(F&& function, Placement placement) {
    const Runtime::Entry entry = EntryOf(std::forward<F>(function), placement.name);
    return runtime_->Start(this, entry, placement.memory, placement.memory_size);
  }

  // Refers to `function` until the coroutine has been made.
  template <typename F>
  static Runtime::Entry EntryOf(F&& function, const char* name) {
    using Closure = std::decay_t<F>;
    return {
        sizeof(Closure),
        alignof(Closure),
        [](void* place, void* from) {
          new (place) Closure(std::forward<F>(*static_cast<std::remove_reference_t<F>*>(from)));
        },
        [](void* place) {
          Closure* const closure = static_cast<Closure*>(place);
          (*closure)();
          closure->~Closure();
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(function))),
        name,
    };
  }

  void Finished(Coroutine* member);
  bool WaitsFor(const Coroutine* caller, bool by_owners) const;

  Runtime* const runtime_;
  IntrusiveList<Coroutine, &Coroutine::bundle_link> coroutines_;
  WaiterList waiters_;
  Coroutine* joiner_ = nullptr;  // where CancelAndJoin() is at work
  OwnedBundle owned_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_BUNDLE_H_
