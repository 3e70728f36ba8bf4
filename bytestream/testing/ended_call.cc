#define DILL_DISABLE_RAW_NAMES
#include "bytestream/testing/ended_call.h"

#include <functional>
#include <memory>
#include <utility>

#include "bytestream/testing/patience.h"
#include "gtest/gtest.h"
// After all others: its macros are for what follows.
#include "bytestream/sockets.h"

namespace halfpipe {

EndedCall::EndedCall(Runtime* runtime, End end, int nth) : runtime_(runtime) {
  if (end == End::kClosed) {
    watch_ = std::make_unique<WaitWatch>(runtime, nth);
  } else {
    fault_ = std::make_unique<WaitFault>(runtime, ErrorOf(end), nth, &nobody_);
  }
}

EndedCall::~EndedCall() = default;

void EndedCall::Begin(std::function<int()> call) {
  call_ = std::move(call);
  h_ = dill_go(EndedCall::Main(this));
  ASSERT_GT(h_, 0);
}

int EndedCall::Finish(const std::function<void()>& step) {
  for (const Patience patience; !finished_ && patience.Lasts();) {
    if (watch_ != nullptr && watch_->reached()) break;
    step();
    EXPECT_EQ(dill_yield(), 0);
  }
  EXPECT_EQ(dill_hclose(h_), 0);
  EXPECT_TRUE(finished_);
  return result_;
}

void EndedCall::Main(EndedCall* self) {
  if (self->watch_ != nullptr) self->watch_->set_only(self->runtime_->current());
  if (self->fault_ != nullptr) self->fault_->set_only(self->runtime_->current());
  self->result_ = self->call_();
  self->finished_ = true;
}

}  // namespace halfpipe
