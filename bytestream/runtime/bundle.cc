#include "bytestream/runtime/bundle.h"

#include <cerrno>
#include <cstddef>

#include "bytestream/base/check.h"

namespace halfpipe {

Bundle::~Bundle() {
  if (runtime_->ending()) {
    // The coroutines are abandoned, and their stacks may be gone.
    coroutines_.Forget();
    waiters_.Forget();
    owned_.link.Forget();
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
  HALFPIPE_CHECK(!WaitsFor(runtime_->current(), /*by_owners=*/false));
  HALFPIPE_CHECK(joiner_ == nullptr);
  joiner_ = runtime_->current();
  Cancel();
  Waiter waiter;
  waiters_.PushFront(&waiter);
  static_cast<void>(runtime_->WaitShielded(&waiter));
  HALFPIPE_CHECK(empty());
  joiner_ = nullptr;
}

// Goes up from `caller`: the coroutine that joins the caller's bundle cannot end before the caller
// does, nor can the one that joins that one's bundle, and so on. If one of them is in this bundle,
// this bundle waits for the caller. There is at most one joiner for each bundle, so the way up does
// not branch.
//
// `by_owners`: where nobody joins a bundle yet its owner counts as the joiner. Owners may form a
// ring that this bundle is not in, which is found as Brent's method does.
bool Bundle::WaitsFor(const Coroutine* caller, bool by_owners) const {
  const Coroutine* mark = nullptr;
  size_t steps = 0;
  size_t next_mark = 1;
  for (const Coroutine* at = caller; at != nullptr && at->bundle != nullptr;) {
    if (at->bundle == this) return true;
    if (at == mark) return false;
    if (++steps == next_mark) {
      mark = at;
      next_mark *= 2;
      steps = 0;
    }
    const Bundle* const bundle = at->bundle;
    at = bundle->joiner_ == nullptr && by_owners ? bundle->owned_.owner : bundle->joiner_;
  }
  return false;
}

bool Bundle::JoinIsDeadlock() const {
  return !coroutines_.empty() && WaitsFor(runtime_->current(), /*by_owners=*/true);
}

void Bundle::TakeOwnership() {
  owned_.link.Unlink();
  owned_.owner = nullptr;
  // What runs in the scheduler is not part of the coroutine that happens to be current.
  if (runtime_->no_wait_depth_ > 0) return;
  owned_.owner = runtime_->current();
  owned_.owner->owned_bundles.PushBack(&owned_);
}

void Bundle::Finished(Coroutine* member) {
  member->bundle_link.Unlink();
  if (!empty()) return;
  while (Waiter* const waiter = waiters_.PopFront()) runtime_->Wake(waiter);
}

}  // namespace halfpipe
