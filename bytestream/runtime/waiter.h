#ifndef HALFPIPE_BYTESTREAM_RUNTIME_WAITER_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_WAITER_H_

#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/timer_heap.h"

namespace halfpipe {

struct Coroutine;

// One wait of one coroutine; lives on its stack for as long as Runtime::Wait() runs. Whoever is
// waited for lists it in a WaiterList and calls Runtime::Wake(). The first of event, timeout and
// cancellation wins and takes the waiter off its list.
struct Waiter {
  ListLink link;
  TimerHeap::Node timer;
  Coroutine* owner = nullptr;  // set while it waits
  int result = 0;
};

// Coroutines that wait for the same thing, the first one first.
using WaiterList = IntrusiveList<Waiter, &Waiter::link>;

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_WAITER_H_
