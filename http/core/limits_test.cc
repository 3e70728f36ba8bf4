#include "http/core/limits.h"

#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

// What the README promises; a change here is a change of what we accept.
TEST(LimitsTest, Defaults) {
  const Limits limits;
  EXPECT_EQ(limits.head_bytes_max, 16384u);
  EXPECT_EQ(limits.start_line_bytes_max, 8192u);
  EXPECT_EQ(limits.field_line_bytes_max, 8192u);
  EXPECT_EQ(limits.field_count_max, 100u);
}

// RFC 9112 section 3: at least 8000 bytes of request line are to be supported.
TEST(LimitsTest, StartLineHoldsWhatTheRfcRecommends) {
  const Limits limits;
  EXPECT_GE(limits.start_line_bytes_max, 8000u);
  EXPECT_LE(limits.start_line_bytes_max + 2, limits.head_bytes_max);
  EXPECT_LE(limits.field_line_bytes_max + 2, limits.head_bytes_max);
}

}  // namespace
}  // namespace halfpipe::http
