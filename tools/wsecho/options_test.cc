#include "tools/wsecho/options.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/endpoint.h"
#include "websocket/server_options.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;

using Arguments = std::vector<std::string>;

TEST(WsechoOptionsTest, Defaults) {
  const absl::StatusOr<EchoOptions> options = ParseEchoOptions({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE(options->help);
  EXPECT_FALSE(options->tls());
  EXPECT_EQ(EndpointUrl(options->listen, options->tls()), "ws://127.0.0.1:8080/");
  EXPECT_EQ(options->connection.message_bytes_max, 16777216u);
  EXPECT_FALSE(options->connection.deflate.enabled);
  EXPECT_EQ(options->server.handshake_time, absl::Seconds(10));
  EXPECT_EQ(options->drain_time, absl::Seconds(1));
  EXPECT_EQ(options->server.message_memory_max, websocket::ServerOptions().message_memory_max);
}

TEST(WsechoOptionsTest, Everything) {
  const absl::StatusOr<EchoOptions> options =
      ParseEchoOptions({"--listen=[::1]:0", "--tls_certificate=c.pem", "--tls_key=k.pem",
                        "--message_bytes_max=10", "--handshake_timeout=3", "--drain_timeout=7",
                        "--deflate", "--deflate_server_max_window_bits=9"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->tls());
  EXPECT_EQ(options->tls_certificate, "c.pem");
  EXPECT_EQ(options->tls_key, "k.pem");
  EXPECT_EQ(EndpointUrl(options->listen, options->tls()), "wss://[::1]:0/");
  EXPECT_EQ(options->connection.message_bytes_max, 10u);
  EXPECT_TRUE(options->connection.deflate.enabled);
  EXPECT_EQ(options->connection.deflate.server_max_window_bits, 9);
  EXPECT_EQ(options->server.handshake_time, absl::Seconds(3));
  EXPECT_EQ(options->drain_time, absl::Seconds(7));
}

TEST(WsechoOptionsTest, TheLargestMessageHasRoom) {
  const auto options = ParseEchoOptions(Arguments{"--message_bytes_max=9223372036854775807"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->server.message_memory_max, 9223372036854775807u);
  EXPECT_EQ(
      StatusErrno(ParseEchoOptions(Arguments{"--message_bytes_max=9223372036854775808"}).status()),
      EINVAL);
}

TEST(WsechoOptionsTest, HandshakeTimeouts) {
  for (const char* good : {"1", "86400"}) {
    EXPECT_TRUE(ParseEchoOptions(Arguments{std::string("--handshake_timeout=") + good}).ok())
        << good;
  }
  for (const char* bad : {"0", "86401", "x", ""}) {
    EXPECT_EQ(StatusErrno(
                  ParseEchoOptions(Arguments{std::string("--handshake_timeout=") + bad}).status()),
              EINVAL)
        << bad;
  }
}

TEST(WsechoOptionsTest, DrainTimeouts) {
  for (const char* good : {"0", "1", "86400"}) {
    EXPECT_TRUE(ParseEchoOptions(Arguments{std::string("--drain_timeout=") + good}).ok()) << good;
  }
  for (const char* bad : {"86401", "x", ""}) {
    EXPECT_EQ(
        StatusErrno(ParseEchoOptions(Arguments{std::string("--drain_timeout=") + bad}).status()),
        EINVAL)
        << bad;
  }
}

TEST(WsechoOptionsTest, WhatItDoesNotUnderstand) {
  for (const Arguments& bad :
       {Arguments{"argument"}, Arguments{"--what"}, Arguments{"--listen=here"},
        Arguments{"--listen=unix:"}, Arguments{"--tls_certificate=c.pem"},
        Arguments{"--tls_key=k.pem"}, Arguments{"--deflate_level=1"},
        Arguments{"--listen=unix:echo", "--tls_certificate=c.pem", "--tls_key=k.pem"}}) {
    EXPECT_EQ(StatusErrno(ParseEchoOptions(bad).status()), EINVAL) << bad.front();
  }
}

TEST(WsechoOptionsTest, HelpNeedsNothingElse) {
  const absl::StatusOr<EchoOptions> options = ParseEchoOptions({"--help", "--listen=here"});
  ASSERT_TRUE(options.ok());
  EXPECT_TRUE(options->help);
  for (const char* flag : {"--listen=ADDRESS:PORT", "--tls_certificate=FILE", "--tls_key=FILE",
                           "--message_bytes_max=BYTES", "--handshake_timeout=SECONDS",
                           "--drain_timeout=SECONDS", "--deflate", "--deflate_level=LEVEL"}) {
    EXPECT_THAT(EchoHelpText(), HasSubstr(flag));
  }
}

}  // namespace
}  // namespace halfpipe::tools
