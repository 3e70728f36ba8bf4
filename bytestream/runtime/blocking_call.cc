#include "bytestream/runtime/blocking_call.h"

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

absl::Status BlockingError(int error) {
  return ErrnoStatus(error, error == ENOMEM      ? "no helper thread is free, and the queue is full"
                            : error == ETIMEDOUT ? "a blocking call did not end in time"
                                                 : "the wait for a blocking call was cancelled");
}

void BlockingCall::Begin(Runtime* runtime, Waiter* waiter) {
  runtime_ = runtime;
  waiter_ = waiter;
  references_.fetch_add(1, std::memory_order_relaxed);
}

void BlockingCall::Unref() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void BlockingCall::Run() {
  CallFunction();
  done_.store(true, std::memory_order_release);
  queue_->Complete(this);
}

void BlockingCall::OnCompleted() {
  if (Waiter* const waiter = std::exchange(waiter_, nullptr)) runtime_->Wake(waiter, 0);
  Unref();
}

}  // namespace halfpipe
