#include "bytestream/testing/status_matchers.h"

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using ::testing::Not;
using ::testing::StartsWith;

TEST(StatusMatchersTest, Status) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::OkStatus(), IsErrno(0));
  EXPECT_THAT(ErrnoStatus(EBUSY, "x"), IsErrno(EBUSY));
  EXPECT_THAT(ErrnoStatus(EBUSY, "x"), Not(IsErrno(EPIPE)));
  EXPECT_THAT(ErrnoStatus(EBUSY, "x"), Not(IsOk()));
}

TEST(StatusMatchersTest, StatusOr) {
  const absl::StatusOr<std::string> good = std::string("value");
  const absl::StatusOr<std::string> bad = ErrnoStatus(ETIMEDOUT, "x");
  EXPECT_THAT(good, IsOk());
  EXPECT_THAT(good, IsOkAndHolds(std::string("value")));
  EXPECT_THAT(good, IsOkAndHolds(StartsWith("val")));
  EXPECT_THAT(good, Not(IsOkAndHolds(StartsWith("x"))));
  EXPECT_THAT(bad, IsErrno(ETIMEDOUT));
  EXPECT_THAT(bad, Not(IsOkAndHolds(StartsWith("val"))));
}

TEST(StatusMatchersTest, SaysWhatItGot) {
  testing::StringMatchResultListener listener;
  const testing::Matcher<const absl::Status&> matcher = IsErrno(EPIPE);
  EXPECT_FALSE(matcher.MatchAndExplain(ErrnoStatus(EBUSY, "in use"), &listener));
  EXPECT_THAT(listener.str(), testing::HasSubstr("in use"));
  EXPECT_THAT(listener.str(), testing::HasSubstr("EBUSY"));
  EXPECT_THAT(testing::DescribeMatcher<absl::Status>(IsErrno(EPIPE)), StartsWith("is EPIPE"));
}

}  // namespace
}  // namespace halfpipe
