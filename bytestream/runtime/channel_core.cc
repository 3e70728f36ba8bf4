#include "bytestream/runtime/channel_core.h"

#include <cerrno>

namespace halfpipe {

ChannelCore::~ChannelCore() {
  if (runtime_->ending()) {
    // The coroutines are abandoned, and their stacks may be gone.
    senders_.Forget();
    receivers_.Forget();
    return;
  }
  Done();
}

void ChannelCore::Done() {
  if (done_) return;
  done_ = true;
  EndAll(ChannelOp::kSend);
  EndAll(ChannelOp::kReceive);
}

void ChannelCore::EndAll(ChannelOp op) {
  while (ChannelClause* const clause = queue(op).PopFront()) {
    // A wait that stands here twice, or has ended otherwise, is not ended again.
    if (clause->wait->live()) clause->wait->EndBy(clause, EPIPE);
  }
}

int WaitForClause(ChannelClause* clause, Deadline deadline) {
  if (deadline.is_immediate()) return ETIMEDOUT;
  ChannelWait wait(clause->channel->runtime());
  wait.Add(clause);
  const int error = wait.Wait(deadline);
  clause->link.Unlink();
  return error;
}

}  // namespace halfpipe
