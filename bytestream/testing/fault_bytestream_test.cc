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

// A shortage that has passed, in a part of what a scenario does.
TEST(FaultBytestreamTest, CallsCountWhileArmedAndTheStreamMayGoOn) {
  SimRuntime runtime;
  auto [a, b] = MakePair(&runtime);
  const IoSlice slice("x");
  const auto write = [&](Bytestream* stream) {
    return stream->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never());
  };
  FaultPlan shortage(1, EMFILE);
  FaultBytestream stream(std::move(a), &shortage);
  shortage.GoOn();
  shortage.set_armed(false);
  EXPECT_THAT(write(&stream), IsOk());
  EXPECT_THAT(write(&stream), IsOk());
  shortage.set_armed(true);
  EXPECT_THAT(write(b.get()), IsOk());
  EXPECT_THAT(stream.Peek(1, Deadline::Never()), IsOk());
  EXPECT_FALSE(shortage.hit());
  EXPECT_THAT(write(&stream), IsErrno(EMFILE));
  EXPECT_TRUE(shortage.hit());
  EXPECT_TRUE(shortage.outbound());
  EXPECT_THAT(write(&stream), IsOk());
}

}  // namespace
}  // namespace halfpipe
