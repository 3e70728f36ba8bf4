#include "http/wall_clock.h"

#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

TEST(WallClockTest, IsTheSystems) {
  const int64_t before = absl::ToUnixSeconds(absl::Now());
  const int64_t now = UnixSeconds();
  // The system may keep the second that it gives for some milliseconds longer.
  EXPECT_GE(now, before - 1);
  EXPECT_LE(now, absl::ToUnixSeconds(absl::Now()) + 1);
}

}  // namespace
}  // namespace halfpipe::http
