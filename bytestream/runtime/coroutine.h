#ifndef HALFPIPE_BYTESTREAM_RUNTIME_COROUTINE_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_COROUTINE_H_

#include <cstddef>
#include <cstdint>

#include "bytestream/runtime/context.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/stack_pool.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

class Bundle;
struct Coroutine;

// A bundle as it stands in the list of the coroutine that answers for it: the one that made it, or
// has taken it over, and that is to close it.
struct OwnedBundle {
  ListLink link;
  Coroutine* owner = nullptr;  // null once that has finished
};

// The control block of a coroutine. It lives at the top of the coroutine's own stack, so that
// starting one allocates nothing but the stack. The thread's own flow of control has one too.
//
//   state      | waiter | ready linked
//   running    | null   | no            one at a time: Runtime::current()
//   ready      | null   | yes           will run when its turn comes
//   waiting    | set    | no            until Runtime::Wake()
//   finished   | null   | no            until the next flow has taken over
struct Coroutine {
  Context context;
  ListLink ready_link;
  ListLink bundle_link;
  Bundle* bundle = nullptr;  // null for the thread's own flow
  Waiter* waiter = nullptr;
  const char* name = "main";

  // Set once, never cleared: every wait from then on is ECANCELED.
  bool cancelled = false;
  // The present wait is not ended by a cancellation (joining others).
  bool shielded = false;
  // Greater than 0 inside a user's close callback: blocking calls give ECANCELED.
  uint16_t closing_depth = 0;

  // Calls the closure and destroys it.
  void (*run)(void* closure) = nullptr;
  void* closure = nullptr;

  // Where it runs; for a stack of the caller's `pooled` is false.
  StackPool::Stack stack;
  bool pooled = false;
  // The stack has room for what a poll calls: callbacks of streams. A caller's may not have.
  bool polls = true;

  IntrusiveList<OwnedBundle, &OwnedBundle::link> owned_bundles;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_COROUTINE_H_
