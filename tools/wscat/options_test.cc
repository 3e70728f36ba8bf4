#include "tools/wscat/options.h"

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;

std::string UrlOf(const char* text) {
  const absl::StatusOr<std::string> url = ParseUrl(text);
  return url.ok() ? *url : "none";
}

TEST(ParseUrlTest, Urls) {
  for (const char* text : {"ws://example.org", "WS://[::1]:8080/a/b?c=d", "wss://example.org:443/",
                           "ws+unix:/run/echo", "ws+unix:/run/echo:/chat"}) {
    EXPECT_EQ(UrlOf(text), text);
  }
}

// As one says where to listen.
TEST(ParseUrlTest, UnixSocketsForShort) {
  EXPECT_EQ(UrlOf("unix:/run/echo"), "ws+unix:/run/echo");
  EXPECT_EQ(UrlOf("unix:/run/echo:/chat?a"), "ws+unix:/run/echo:/chat?a");
  EXPECT_EQ(UrlOf("unix:"), "none");
}

// What a program says that it listens on can be connected to.
TEST(ParseUrlTest, UrlsOfEndpoints) {
  for (const char* text :
       {"127.0.0.1:8080", "[::1]:1", "unix:/run/echo", "unix:echo:1", "unix:@name"}) {
    const std::string url = EndpointUrl(*ParseEndpoint(text));
    EXPECT_EQ(UrlOf(url.c_str()), url);
  }
}

TEST(ParseUrlTest, RefusesOthers) {
  for (const char* text :
       {"", "example.org", "http://example.org/", "https://example.org/", "ws://", "ws://a b/",
        "ws://host:0/", "ws://host/#part", "ws://user@host/", "ws+ws://host/", "/run/echo"}) {
    EXPECT_EQ(StatusErrno(ParseUrl(text).status()), EINVAL) << text;
  }
}

TEST(ParseOptionsTest, Defaults) {
  const absl::StatusOr<Options> options = ParseOptions({"ws://localhost:1/"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->url, "ws://localhost:1/");
  EXPECT_FALSE(options->listen.has_value());
  EXPECT_FALSE(options->echo || options->binary || options->ping || options->help);
  EXPECT_EQ(options->close_code, 1000);
  EXPECT_EQ(options->close_reason, "");
  EXPECT_EQ(options->message_bytes_max, 16777216u);
}

TEST(ParseOptionsTest, Everything) {
  const absl::StatusOr<Options> options =
      ParseOptions({"--listen=127.0.0.1:0", "--echo", "--binary", "--ping", "--close=3001,a, b",
                    "--message_bytes_max=10"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->url, "");
  ASSERT_TRUE(options->listen.has_value());
  EXPECT_EQ(EndpointUrl(*options->listen), "ws://127.0.0.1:0/");
  EXPECT_TRUE(options->echo && options->binary && options->ping);
  EXPECT_EQ(options->close_code, 3001);
  EXPECT_EQ(options->close_reason, "a, b");
  EXPECT_EQ(options->message_bytes_max, 10u);
}

TEST(ParseOptionsTest, Compression) {
  EXPECT_FALSE(ParseOptions({"ws://a/"})->deflate.enabled);
  const absl::StatusOr<Options> options =
      ParseOptions({"ws://a/", "--deflate", "--deflate_server_max_window_bits=9"});
  ASSERT_TRUE(options.ok());
  EXPECT_TRUE(options->deflate.enabled);
  EXPECT_EQ(options->deflate.server_max_window_bits, 9);
  EXPECT_EQ(StatusErrno(ParseOptions({"ws://a/", "--deflate_level=1"}).status()), EINVAL);
  EXPECT_THAT(HelpText(), HasSubstr("--deflate_level=LEVEL"));
}

TEST(ParseOptionsTest, Subprotocols) {
  using Names = std::vector<std::string>;
  for (const char* peer : {"ws://a/", "--listen=127.0.0.1:0"}) {
    const auto options = ParseOptions({peer, "--subprotocol=v2.chat", "--subprotocol=chat"});
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(options->subprotocols, (Names{"v2.chat", "chat"}));
    for (const Names& bad : {Names{""}, Names{"a b"}, Names{"a,b"}, Names{"a", "b", "a"}}) {
      Names arguments = {peer};
      for (const std::string& name : bad) arguments.push_back("--subprotocol=" + name);
      EXPECT_EQ(StatusErrno(ParseOptions(arguments).status()), EINVAL) << bad.front();
    }
  }
}

TEST(ParseOptionsTest, NeedsExactlyOnePeer) {
  using Arguments = std::vector<std::string>;
  EXPECT_EQ(StatusErrno(ParseOptions({}).status()), EINVAL);
  EXPECT_EQ(StatusErrno(ParseOptions({"ws://a/", "ws://b/"}).status()), EINVAL);
  EXPECT_EQ(StatusErrno(ParseOptions({"ws://a/", "--listen=127.0.0.1:0"}).status()), EINVAL);
  EXPECT_EQ(StatusErrno(ParseOptions(Arguments{"--listen=here"}).status()), EINVAL);
}

TEST(ParseOptionsTest, TheLargestBound) {
  EXPECT_TRUE(ParseOptions({"ws://a/", "--message_bytes_max=9223372036854775807"}).ok());
  for (const char* peer : {"ws://a/", "--listen=127.0.0.1:0"}) {
    EXPECT_EQ(StatusErrno(ParseOptions({peer, "--message_bytes_max=9223372036854775808"}).status()),
              EINVAL);
  }
}

TEST(ParseOptionsTest, CloseCodes) {
  for (const char* good : {"0", "1000", "1003", "1007", "1014", "3000", "4999", "4000,"}) {
    EXPECT_TRUE(ParseOptions({"ws://a/", std::string("--close=") + good}).ok()) << good;
  }
  const std::string longest(123, 'r');
  EXPECT_TRUE(ParseOptions({"ws://a/", "--close=1000," + longest}).ok());
  for (const std::string& bad :
       {std::string("x"), std::string(",reason"), std::string("-1"), std::string("1004"),
        std::string("1005"), std::string("1006"), std::string("1015"), std::string("2999"),
        std::string("5000"), std::string("99999999999"), std::string("0,reason"),
        std::string("1000,\xff"), "1000," + longest + "r"}) {
    EXPECT_EQ(StatusErrno(ParseOptions({"ws://a/", "--close=" + bad}).status()), EINVAL) << bad;
  }
}

TEST(ParseOptionsTest, HelpNeedsNothingElse) {
  const absl::StatusOr<Options> options = ParseOptions({"--help"});
  ASSERT_TRUE(options.ok());
  EXPECT_TRUE(options->help);
  EXPECT_THAT(HelpText(), HasSubstr("--close=CODE[,REASON]"));
}

TEST(ParseOptionsTest, WhatTheRequestSaysBesides) {
  const auto options = ParseOptions({"ws://h/", "--header=A:b", "--user=u:p", "--follow"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->request.fields.size(), 1u);
  EXPECT_TRUE(options->request.basic.has_value());
  EXPECT_TRUE(options->request.follow);
  EXPECT_EQ(options->url, "ws://h/");
  EXPECT_EQ(StatusErrno(ParseOptions({"ws://h/", "--header=A"}).status()), EINVAL);
  for (const char* flag : {"--header=A:b", "--cookie=a=b", "--user=u:p", "--bearer=t",
                           "--origin=null", "--follow", "--trust_file=roots.pem"}) {
    EXPECT_EQ(StatusErrno(ParseOptions({"--listen=127.0.0.1:0", flag}).status()), EINVAL) << flag;
  }
}

}  // namespace
}  // namespace halfpipe::tools
