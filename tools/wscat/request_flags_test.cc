#include "tools/wscat/request_flags.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/flags.h"

namespace halfpipe::tools {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<RequestOptions> Parse(const std::vector<std::string>& arguments) {
  RequestFlags request;
  FlagSet flags;
  request.Declare(&flags);
  std::vector<std::string> others;
  const absl::Status status = flags.Parse(arguments, &others);
  EXPECT_TRUE(status.ok()) << status;
  return request.Options();
}

TEST(RequestFlagsTest, NothingIsNothing) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok());
  EXPECT_TRUE(options->empty());
}

TEST(RequestFlagsTest, Everything) {
  const auto options =
      Parse({"--header=A: b:c", "--header=E:", "--cookie=n=v=w", "--cookie=m=", "--user=me:a:b",
             "--origin=https://example.org", "--follow"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->fields,
              ElementsAre(http::OwnedField{"A", "b:c"}, http::OwnedField{"E", ""}));
  EXPECT_THAT(options->cookies,
              ElementsAre(http::OwnedField{"n", "v=w"}, http::OwnedField{"m", ""}));
  ASSERT_TRUE(options->basic.has_value());
  EXPECT_EQ(options->basic->user, "me");
  EXPECT_EQ(options->basic->password, "a:b");
  EXPECT_EQ(options->origin, "https://example.org");
  EXPECT_TRUE(options->follow);
  EXPECT_FALSE(options->empty());
  EXPECT_EQ(Parse({"--bearer=tok.en=="})->bearer, "tok.en==");
}

TEST(RequestFlagsTest, WhatMayNotBeSent) {
  for (const char* bad :
       {"--header=A", "--header=:1", "--header=A b:1", "--header=A:1\r\nEvil: 1", "--cookie=n",
        "--cookie==v", "--cookie=n=a;b", "--cookie=n=a b", "--user=me", "--user=me:\n",
        "--bearer=a b", "--bearer==", "--origin=example.org", "--origin=https://example.org/"}) {
    EXPECT_EQ(StatusErrno(Parse({bad}).status()), EINVAL) << bad;
  }
  EXPECT_EQ(StatusErrno(Parse({"--user=a:b", "--bearer=c"}).status()), EINVAL);
}

}  // namespace
}  // namespace halfpipe::tools
