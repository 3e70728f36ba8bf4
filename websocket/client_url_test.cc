#include "websocket/client_url.h"

#include <cerrno>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

using ::testing::HasSubstr;

// All of it in one line.
std::string Read(absl::string_view text) {
  const absl::StatusOr<ClientUrl> url = ParseClientUrl(text);
  if (!url.ok()) return "none";
  return absl::StrCat(url->unix_path.empty() ? "" : absl::StrCat("[", url->unix_path, "] "),
                      url->host, " ", url->port, url->secure ? " TLS " : " ", url->host_field, " ",
                      url->resource);
}

TEST(ClientUrlTest, HostsAndPorts) {
  EXPECT_EQ(Read("ws://a.example"), "a.example 80 a.example /");
  EXPECT_EQ(Read("WS://a.example:8080/b/c?d"), "a.example 8080 a.example:8080 /b/c?d");
  EXPECT_EQ(Read("wss://a.example:443?"), "a.example 443 TLS a.example /");
  EXPECT_EQ(Read("wss://[::1]:1/"), "::1 1 TLS [::1]:1 /");
}

TEST(ClientUrlTest, UnixSockets) {
  EXPECT_EQ(Read("ws+unix:/run/app.sock"), "[/run/app.sock] localhost 80 localhost /");
  EXPECT_EQ(Read("ws+unix:/run/app.sock:/"), "[/run/app.sock] localhost 80 localhost /");
  EXPECT_EQ(Read("WS+Unix:app:/chat?room=1"), "[app] localhost 80 localhost /chat?room=1");
  EXPECT_EQ(Read("ws+unix:@name:/chat"), "[@name] localhost 80 localhost /chat");
  EXPECT_EQ(Read("ws+unix://run/app:/x"), "[//run/app] localhost 80 localhost /x");
}

// Only what can begin a resource ends a path.
TEST(ClientUrlTest, AColonInThePathOfAUnixSocket) {
  EXPECT_EQ(Read("ws+unix:app:1"), "[app:1] localhost 80 localhost /");
  EXPECT_EQ(Read("ws+unix:app:1:/chat"), "[app:1] localhost 80 localhost /chat");
  EXPECT_EQ(Read("ws+unix:app:/to?url=ws://b:/c"),
            "[app] localhost 80 localhost /to?url=ws://b:/c");
  EXPECT_EQ(Read("ws+unix:app:"), "[app:] localhost 80 localhost /");
}

TEST(ClientUrlTest, WhatIsNone) {
  for (const char* text : {"",
                           "a.example",
                           "/run/app.sock",
                           "unix:/run/app.sock",
                           "ws+unix",
                           "ws+unix:",
                           "ws+unix::/x",
                           "ws+unix:app:/a b",
                           "ws+unix:app:/x#y",
                           "ws+unix:app:/%4",
                           "ws+wss://a/",
                           "wss+unix:app",
                           "http://a.example/",
                           "https://a.example/",
                           "ws:",
                           "ws://",
                           "ws:///x",
                           "ws://u:p@a.example/",
                           "ws://a.example/#x",
                           "ws://a.example:0/",
                           "ws://a.example:65536/",
                           "ws://a b/",
                           " ws://a/",
                           "ws://a/ "}) {
    EXPECT_EQ(Read(text), "none") << text;
    EXPECT_EQ(StatusErrno(ParseClientUrl(text).status()), EINVAL) << text;
  }
}

// It says why.
TEST(ClientUrlTest, Messages) {
  const auto message = [](absl::string_view text) {
    return std::string(ParseClientUrl(text).status().message());
  };
  for (const char* url : {"http://a.example/", "a.example", "a.example:80/chat", ""}) {
    EXPECT_THAT(message(url), HasSubstr("neither ws: nor wss: nor ws+unix:"));
  }
  EXPECT_THAT(message("ws+unix:"), HasSubstr("path of the Unix socket is empty"));
  EXPECT_THAT(message("ws://a.example/#x"), HasSubstr("fragment"));
  EXPECT_THAT(message("ws+unix:app:/x#y"), HasSubstr("fragment"));
}

}  // namespace
}  // namespace halfpipe::websocket
