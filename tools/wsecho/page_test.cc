#include "tools/wsecho/page.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

TEST(PageTest, IsOneWholeDocument) {
  EXPECT_TRUE(absl::StartsWith(EchoPage(), "<!DOCTYPE html>"));
  EXPECT_TRUE(absl::EndsWith(EchoPage(), "</html>\n"));
}

TEST(PageTest, HasTheElementsThatItsHeaderNames) {
  for (const char* id : {"state", "text", "bytes", "send-text", "send-bytes", "close", "log"}) {
    EXPECT_TRUE(absl::StrContains(EchoPage(), absl::StrCat("id=\"", id, "\""))) << id;
  }
}

// Whatever the page needs it brings along: it works without a network.
TEST(PageTest, RefersToNothingElse) {
  EXPECT_FALSE(absl::StrContains(EchoPage(), "://"));
  EXPECT_FALSE(absl::StrContains(EchoPage(), "src="));
  EXPECT_FALSE(absl::StrContains(EchoPage(), "@import"));
}

}  // namespace
}  // namespace halfpipe::tools
