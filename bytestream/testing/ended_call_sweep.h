#ifndef HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_SWEEP_H_
#define HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_SWEEP_H_

#include <functional>

#include "bytestream/base/clock.h"
#include "bytestream/testing/ended_call.h"

namespace halfpipe {

// Runs `scenario(call)` with the first wait of its call ended, the second one and so on, until there
// is no such wait or a test has failed. Each run has a Runtime of its own and has to leave no
// descriptor, handle, coroutine or block of memory behind. Returns how many waits there were.
//
// `clock`: what the runtimes go by. A scenario that counts waits for a time to come needs a SimClock,
// on which that time cannot have passed before it is waited for; a step of Finish() moves it.
//
// Example:
//   EXPECT_GE(SweepEndedCalls(End::kTimedOut, [&](EndedCall* call) { ... }), 2);
int SweepEndedCalls(End end, const std::function<void(EndedCall*)>& scenario,
                    Clock* clock = &Clock::System());

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_ENDED_CALL_SWEEP_H_
