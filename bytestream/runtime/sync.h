#ifndef HALFPIPE_BYTESTREAM_RUNTIME_SYNC_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_SYNC_H_

#include <cstddef>

#include "absl/status/status.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// What coroutines of one thread agree with each other by. None of these locks anything of the
// system, allocates, or knows of other threads; each belongs to the thread of its runtime
// (borrowed, outlives it), and nobody waits in it when it is destroyed.
//
// Whoever has waited longest is served first. What is given up goes straight to the next one who
// waits: a newcomer never slips in between, however busy it is. What was handed over counts, even
// if the coroutine is cancelled before it runs again; its next call reports the cancellation.
//
// A call that need not wait does not switch, so a coroutine that never waits for anything keeps
// others from running, as any computation does.

// One coroutine at a time.
//
// Example:
//   Mutex mutex(&runtime);
//   ...
//   MutexLock lock(&mutex, Deadline::Never());
//   if (!lock.status().ok()) return lock.status();
//   ... this coroutine alone, also across waits, until `lock` goes
class Mutex {
 public:
  explicit Mutex(Runtime* runtime) : runtime_(runtime) {}
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Waits until the mutex is this coroutine's.
  //   EDEADLK    it is already
  //   ETIMEDOUT, ECANCELED  it is not; nothing was done
  [[nodiscard]] absl::Status Lock(Deadline deadline) {
    const int error = LockOrErrno(deadline);
    if (error == 0) return absl::OkStatus();
    return ErrnoStatus(error, "the mutex was not locked");
  }

  // Takes it if it is free. Never waits, and works in a cancelled coroutine too.
  [[nodiscard]] bool TryLock() {
    if (holder_ != nullptr) return false;
    holder_ = runtime_->current();
    return true;
  }

  // Only for the coroutine that has it.
  void Unlock() {
    HALFPIPE_CHECK(held_by_caller());
    if (!waiters_.empty()) return HandOver();
    holder_ = nullptr;
  }

  bool held_by_caller() const { return holder_ == runtime_->current(); }

 private:
  friend class MutexLock;

  int LockOrErrno(Deadline deadline) {
    const int error = runtime_->CheckCancelled();
    if (error != 0 || holder_ != nullptr) return error != 0 ? error : Wait(deadline);
    holder_ = runtime_->current();
    return 0;
  }
  int Wait(Deadline deadline);
  void HandOver();

  Runtime* const runtime_;
  Coroutine* holder_ = nullptr;
  WaiterList waiters_;
};

// Holds a mutex for as long as it lives, if it got it.
class [[nodiscard]] MutexLock {
 public:
  // Waits as Mutex::Lock() does; see status().
  MutexLock(Mutex* mutex, Deadline deadline)
      : mutex_(mutex), error_(mutex->LockOrErrno(deadline)) {}
  ~MutexLock() {
    if (error_ == 0) mutex_->Unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  // What Mutex::Lock() said. Not OK: the mutex is not held.
  absl::Status status() const { return ErrnoStatus(error_, "the mutex was not locked"); }
  bool held() const { return error_ == 0; }

 private:
  Mutex* const mutex_;
  const int error_;
};

// A number of units that coroutines take and give back. A coroutine that waits for many units is
// not overtaken by those that want few.
//
// Example:
//   Semaphore requests(&runtime, 100);  // no more at the same time
//   absl::Status status = requests.Acquire(1, deadline);
//   ...
//   requests.Release(1);
class Semaphore {
 public:
  Semaphore(Runtime* runtime, size_t units) : runtime_(runtime), available_(units) {}
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // Waits until all of `units` can be taken at once. ETIMEDOUT, ECANCELED: none was taken.
  [[nodiscard]] absl::Status Acquire(size_t units, Deadline deadline);

  // Takes them if they are there and nobody waits. Never waits, and works in a cancelled coroutine
  // too.
  [[nodiscard]] bool TryAcquire(size_t units);

  // Gives units back, or adds new ones. Any coroutine may do that. Never waits.
  void Release(size_t units);

  // Units that nobody has.
  size_t available() const { return available_; }

 private:
  struct Request {
    Waiter waiter;
    ListLink link;
    size_t units = 0;
  };
  using Queue = IntrusiveList<Request, &Request::link>;

  int Wait(size_t units, Deadline deadline);
  Request* FirstWaiting();
  void Grant();

  Runtime* const runtime_;
  size_t available_;
  Queue requests_;
};

// Something that happens once; whoever waits for it before goes on then, whoever comes later does
// not wait.
//
// Example:
//   Notification stop(&runtime);
//   bundle.Go([&] { Serve(&stop); });   // stop.Wait(Deadline::Never()) somewhere in it
//   stop.Notify();
class Notification {
 public:
  explicit Notification(Runtime* runtime) : runtime_(runtime) {}
  ~Notification();
  Notification(const Notification&) = delete;
  Notification& operator=(const Notification&) = delete;

  // Calling it again is fine. Never waits.
  void Notify();

  bool HasBeenNotified() const { return notified_; }

  // Waits for Notify(). ETIMEDOUT, ECANCELED: call again.
  [[nodiscard]] absl::Status Wait(Deadline deadline);

 private:
  Runtime* const runtime_;
  bool notified_ = false;
  WaiterList waiters_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_SYNC_H_
