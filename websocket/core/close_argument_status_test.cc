#include "websocket/core/close_argument_status.h"

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "bytestream/base/errno_status.h"
#include "gtest/gtest.h"
#include "websocket/core/close_code.h"

namespace halfpipe::websocket {
namespace {

absl::Status Check(int code, const std::string& reason) {
  return ToStatus(CheckCloseArguments(code, reason));
}

TEST(CloseArgumentStatusTest, WhatMayBeSentIsOk) {
  EXPECT_TRUE(Check(0, "").ok());
  EXPECT_TRUE(Check(1000, std::string(123, 'r')).ok());
}

TEST(CloseArgumentStatusTest, EachMistakeHasItsErrnoAndText) {
  const struct {
    int code;
    std::string reason;
    int error;
    const char* text;
  } kCases[] = {
      {1000, std::string(124, 'r'), EMSGSIZE, "a Close's reason has at most 123 bytes"},
      {1005, "", EINVAL, "not a close code that may be sent"},
      {0, "r", EINVAL, "a reason needs a close code"},
      {1000, "\xff", EINVAL, "a Close's reason must be UTF-8"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text);
    const absl::Status status = Check(c.code, c.reason);
    EXPECT_EQ(StatusErrno(status), c.error);
    EXPECT_EQ(status.message(), c.text);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
