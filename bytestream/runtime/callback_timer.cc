#include "bytestream/runtime/callback_timer.h"

#include <utility>

namespace halfpipe {

CallbackTimer::CallbackTimer(Runtime* runtime, absl::AnyInvocable<void()> callback)
    : runtime_(runtime), node_(this), callback_(std::move(callback)) {}

CallbackTimer::~CallbackTimer() {
  Cancel();
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void CallbackTimer::Set(Deadline deadline) {
  if (deadline.is_never()) return Cancel();
  runtime_->SetTimer(&node_, deadline);
}

void CallbackTimer::Fire(TimerHeap::CallbackNode* node) {
  CallbackTimer* const self = static_cast<Node*>(node)->timer;
  // The callback may destroy the timer, and with it what it is made of, but not while it runs.
  absl::AnyInvocable<void()> callback = std::move(self->callback_);
  bool destroyed = false;
  self->destroyed_ = &destroyed;
  callback();
  if (destroyed) return;
  self->destroyed_ = nullptr;
  self->callback_ = std::move(callback);
}

}  // namespace halfpipe
