#include "bytestream/runtime/bundle.h"

#include <cerrno>

#include "bytestream/base/check.h"

namespace halfpipe {

Bundle::~Bundle() {
  if (runtime_->ending()) {
    // The coroutines are abandoned, and their stacks may be gone.
    coroutines_.Forget();
    waiters_.Forget();
    return;
  }
  while (Waiter* const waiter = waiters_.PopFront()) runtime_->Wake(waiter, EBADF);
  CancelAndJoin();
}

// Looks at nothing of the bundle after the wait: whoever was woken first may have destroyed it.
int Bundle::Wait(Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return error;
  if (Contains(runtime_->current())) return EDEADLK;
  if (empty()) return 0;
  Waiter waiter;
  waiters_.PushBack(&waiter);
  return runtime_->Wait(&waiter, deadline);
}

void Bundle::Cancel() {
  // Wakes them only: the list stays as it is.
  for (Coroutine* it = coroutines_.Front(); it != nullptr; it = coroutines_.Next(it)) {
    runtime_->Cancel(it);
  }
}

void Bundle::CancelAndJoin() {
  if (empty()) return;
  HALFPIPE_CHECK(!Contains(runtime_->current()));
  HALFPIPE_CHECK(!joining_);
  joining_ = true;
  Cancel();
  Waiter waiter;
  waiters_.PushFront(&waiter);
  static_cast<void>(runtime_->WaitShielded(&waiter));
  HALFPIPE_CHECK(empty());
  joining_ = false;
}

void Bundle::Finished(Coroutine* member) {
  member->bundle_link.Unlink();
  if (!empty()) return;
  while (Waiter* const waiter = waiters_.PopFront()) runtime_->Wake(waiter);
}

}  // namespace halfpipe
