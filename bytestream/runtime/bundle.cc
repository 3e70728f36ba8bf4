#include "bytestream/runtime/bundle.h"

#include "bytestream/base/check.h"

namespace halfpipe {

int Bundle::Wait(Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return error;
  HALFPIPE_CHECK(!Contains(runtime_->current()));
  while (!empty()) {
    Waiter waiter;
    waiters_.PushBack(&waiter);
    if (const int error = runtime_->Wait(&waiter, deadline)) return error;
  }
  return 0;
}

void Bundle::Cancel() {
  Coroutine* next = nullptr;
  for (Coroutine* it = coroutines_.Front(); it != nullptr; it = next) {
    next = coroutines_.Next(it);
    runtime_->Cancel(it);
  }
}

void Bundle::CancelAndJoin() {
  while (!empty()) {
    HALFPIPE_CHECK(!Contains(runtime_->current()));
    // Those that were started while others came out are cancelled too.
    Cancel();
    Waiter waiter;
    waiters_.PushBack(&waiter);
    runtime_->WaitShielded(&waiter);
  }
}

void Bundle::Finished(Coroutine* coroutine) {
  coroutine->bundle_link.Unlink();
  if (!empty()) return;
  while (Waiter* const waiter = waiters_.PopFront()) runtime_->Wake(waiter);
}

}  // namespace halfpipe
