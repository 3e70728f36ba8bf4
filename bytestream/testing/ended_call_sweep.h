#ifndef HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_SWEEP_H_
#define HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_SWEEP_H_

#include <functional>

#include "bytestream/testing/ended_call.h"

namespace halfpipe {

// Runs `scenario(call)` with the first wait of its call ended, the second one and so on, until there
// is no such wait or a test has failed. Each run has a Runtime of its own and has to leave no
// descriptor, handle, coroutine or block of memory behind. Returns how many waits there were.
//
// Example:
//   EXPECT_GE(SweepEndedCalls(End::kTimedOut, [&](EndedCall* call) { ... }), 2);
int SweepEndedCalls(End end, const std::function<void(EndedCall*)>& scenario);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_SWEEP_H_
