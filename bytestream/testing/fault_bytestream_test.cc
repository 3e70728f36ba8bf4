#include "bytestream/testing/fault_bytestream.h"

#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/pair.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(FaultBytestreamTest, SweepFailsEachCallOnce) {
  SimRuntime runtime;
  int failures = 0;
  int whole = 0;
  const int calls = SweepFaults(ECONNRESET, [&](FaultPlan& plan) {
    auto [a, b] = MakePair(&runtime);
    FaultBytestream stream(std::move(a), &plan);
    const IoSlice slice("x");
    uint8_t byte;
    const IoSpan span(&byte, 1);
    EXPECT_THAT(b->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()), IsOk());
    const absl::Status statuses[] = {
        stream.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()),
        stream.WriteTail(absl::MakeConstSpan(&slice, 1)),
        stream.Flush(Deadline::Never()),
        stream.Done(Deadline::Never()),
        stream.Peek(1, Deadline::Never()).status(),
        stream.Read(absl::MakeConstSpan(&span, 1), Deadline::Never()),
    };
    bool failed = false;
    for (const absl::Status& status : statuses) {
      if (status.ok()) continue;
      EXPECT_THAT(status, IsErrno(ECONNRESET));
      failed = true;
    }
    ++(failed ? failures : whole);
    EXPECT_EQ(failed, plan.hit());
  });
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(failures, 6);
  EXPECT_EQ(whole, 1);
}

TEST(FaultBytestreamTest, TimeoutIsOverAfterOneCallAResetStays) {
  SimRuntime runtime;
  auto [a, b] = MakePair(&runtime);
  FaultPlan timeout(0, ETIMEDOUT);
  FaultBytestream stream(std::move(a), &timeout);
  const IoSlice slice("x");
  EXPECT_THAT(stream.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()),
              IsErrno(ETIMEDOUT));
  EXPECT_THAT(stream.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()), IsOk());
  FaultPlan reset(0, ECONNRESET);
  FaultBytestream broken(std::move(b), &reset);
  uint8_t byte;
  EXPECT_THAT(broken.ReadSome(absl::MakeSpan(&byte, 1), 1, Deadline::Never()), IsErrno(ECONNRESET));
  EXPECT_THAT(broken.Peek(0, Deadline::Never()), IsErrno(ECONNRESET));
  EXPECT_THAT(broken.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()), IsOk());
}

}  // namespace
}  // namespace halfpipe
