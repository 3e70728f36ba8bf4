#include "bytestream/testing/ended_call_sweep.h"

#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {

int SweepEndedCalls(End end, const std::function<void(EndedCall*)>& scenario, Clock* clock) {
  for (int nth = 0; nth < kSweepWaitsMax; ++nth) {
    SCOPED_TRACE(testing::Message() << "wait " << nth);
    FdLeakCheck leaks;
    Runtime runtime({.clock = clock});
    bool hit = false;
    {
      EndedCall call(&runtime, end, nth);
      scenario(&call);
      hit = call.hit();
    }
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
    if (!hit || testing::Test::HasFailure()) return nth;
  }
  ADD_FAILURE() << "no end of waits";
  return kSweepWaitsMax;
}

}  // namespace halfpipe
