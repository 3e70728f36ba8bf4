#include "bytestream/base/check.h"

#include <csignal>
#include <string>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(CheckTest, ConditionThatHoldsIsEvaluatedOnce) {
  int count = 0;
  HALFPIPE_CHECK(++count == 1);
  EXPECT_EQ(count, 1);
}

TEST(CheckTest, IsAnExpression) {
  const bool flag = true;
  if (flag)
    HALFPIPE_CHECK(flag);
  else
    FAIL() << "the macro has swallowed the else";
}

TEST(CheckDeathTest, SaysFileLineAndTextAndAborts) {
  const int one = 1;
  EXPECT_EXIT(HALFPIPE_CHECK(one == 2), testing::KilledBySignal(SIGABRT),
              "check_test.cc:[0-9]+: check failed: one == 2");
}

TEST(CheckDeathTest, LongTextIsCut) {
  const std::string text(2000, 'x');
  EXPECT_EXIT(CheckFailed("file.cc", 7, text.c_str()), testing::KilledBySignal(SIGABRT),
              "file.cc:7: check failed: xxxx");
}

}  // namespace
}  // namespace halfpipe
