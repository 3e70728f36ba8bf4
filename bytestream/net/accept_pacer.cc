#include "bytestream/net/accept_pacer.h"

#include <algorithm>
#include <cerrno>

namespace halfpipe {

void AcceptPacer::Failed() {
  pause_nanos_ = pause_nanos_ == 0 ? kPauseNanosMin : std::min(pause_nanos_ * 2, kPauseNanosMax);
  due_nanos_ = runtime_->clock().NowNanos() + pause_nanos_;
}

int AcceptPacer::Pause(Deadline deadline) {
  if (pause_nanos_ == 0) return 0;
  const Deadline due = Deadline::AtNanos(due_nanos_);
  if (due.ExpiredAt(runtime_->clock().NowNanos())) return 0;
  Waiter waiter;
  pausing_.PushBack(&waiter);
  const int error = runtime_->Wait(&waiter, std::min(due, deadline));
  if (error != ETIMEDOUT) return error;
  // A wait that ended before its time was not allowed to wait.
  return due.ExpiredAt(runtime_->clock().NowNanos()) ? 0 : ETIMEDOUT;
}

void AcceptPacer::Abort() {
  if (runtime_->ending()) pausing_.Forget();
  while (Waiter* const waiter = pausing_.PopFront()) runtime_->Wake(waiter, EBADF);
}

}  // namespace halfpipe
