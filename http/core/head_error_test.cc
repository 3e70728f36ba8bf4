#include "http/core/head_error.h"

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

TEST(HeadErrorTest, EachErrorHasATextOfItsOwn) {
  std::set<std::string> texts;
  const int last = static_cast<int>(HeadError::kTooManyFields);
  for (int i = 0; i <= last; ++i) {
    const absl::string_view text = HeadErrorText(static_cast<HeadError>(i));
    EXPECT_FALSE(text.empty()) << i;
    EXPECT_NE(text, HeadErrorText(static_cast<HeadError>(255))) << i;
    EXPECT_TRUE(texts.insert(std::string(text)).second) << text;
  }
  EXPECT_EQ(HeadErrorText(static_cast<HeadError>(last + 1)), "unknown error");
}

TEST(HeadErrorTest, StatusCodes) {
  EXPECT_EQ(HeadErrorStatus(HeadError::kNone), 0);
  EXPECT_EQ(HeadErrorStatus(HeadError::kBareLineFeed), 400);
  EXPECT_EQ(HeadErrorStatus(HeadError::kSpaceBeforeColon), 400);
  EXPECT_EQ(HeadErrorStatus(HeadError::kBadVersion), 400);
  EXPECT_EQ(HeadErrorStatus(HeadError::kTargetTooLong), 414);
  EXPECT_EQ(HeadErrorStatus(HeadError::kFieldLineTooLong), 431);
  EXPECT_EQ(HeadErrorStatus(HeadError::kHeadTooLong), 431);
  EXPECT_EQ(HeadErrorStatus(HeadError::kTooManyFields), 431);
  EXPECT_EQ(HeadErrorStatus(HeadError::kMethodTooLong), 501);
  EXPECT_EQ(HeadErrorStatus(HeadError::kVersionNotSupported), 505);
}

}  // namespace
}  // namespace halfpipe::http
