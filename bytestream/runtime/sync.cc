#include "bytestream/runtime/sync.h"

#include <cerrno>
#include <cstddef>

namespace halfpipe {
namespace {

// For the end of an object with `waiters`: there are none, or they are abandoned and their stacks
// may be gone.
template <typename List>
void CheckUnused(const Runtime& runtime, List* waiters) {
  if (runtime.ending()) return waiters->Forget();
  HALFPIPE_CHECK(waiters->empty());
}

}  // namespace

Mutex::~Mutex() {
  HALFPIPE_CHECK(holder_ == nullptr || runtime_->ending());
  CheckUnused(*runtime_, &waiters_);
}

int Mutex::Wait(Deadline deadline) {
  if (held_by_caller()) return EDEADLK;
  Waiter waiter;
  waiters_.PushBack(&waiter);
  return runtime_->WaitInline(&waiter, deadline);
}

// To the first one who waits, who is in the list only as long as nothing else has ended the wait.
void Mutex::HandOver() {
  Waiter* const next = waiters_.Front();
  holder_ = next->owner;
  runtime_->Wake(next);
}

Semaphore::~Semaphore() { CheckUnused(*runtime_, &requests_); }

absl::Status Semaphore::Acquire(size_t units, Deadline deadline) {
  int error = runtime_->CheckCancelled();
  if (error == 0 && !TryAcquire(units)) error = Wait(units, deadline);
  return ErrnoStatus(error, "the semaphore was not acquired");
}

bool Semaphore::TryAcquire(size_t units) {
  if (units > available_ || FirstWaiting() != nullptr) return false;
  available_ -= units;
  return true;
}

int Semaphore::Wait(size_t units, Deadline deadline) {
  Request request;
  request.units = units;
  requests_.PushBack(&request);
  const int error = runtime_->Wait(&request.waiter, deadline);
  request.link.Unlink();
  // Those behind it may be content with less.
  if (error != 0) Grant();
  return error;
}

void Semaphore::Release(size_t units) {
  available_ += units;
  Grant();
}

// Drops those before it whose wait has ended.
Semaphore::Request* Semaphore::FirstWaiting() {
  Request* first = requests_.Front();
  while (first != nullptr && first->waiter.owner == nullptr) {
    first->link.Unlink();
    first = requests_.Front();
  }
  return first;
}

// Gives units to those who wait, in turn, until there are too few for the first of them.
void Semaphore::Grant() {
  for (;;) {
    Request* const first = FirstWaiting();
    if (first == nullptr || first->units > available_) return;
    available_ -= first->units;
    first->link.Unlink();
    runtime_->Wake(&first->waiter);
  }
}

Notification::~Notification() { CheckUnused(*runtime_, &waiters_); }

void Notification::Notify() {
  notified_ = true;
  while (Waiter* const waiter = waiters_.PopFront()) runtime_->Wake(waiter);
}

absl::Status Notification::Wait(Deadline deadline) {
  int error = runtime_->CheckCancelled();
  if (error == 0 && !notified_) {
    Waiter waiter;
    waiters_.PushBack(&waiter);
    error = runtime_->Wait(&waiter, deadline);
  }
  return ErrnoStatus(error, "there was no notification");
}

}  // namespace halfpipe
