#include "tools/wsecho/endpoint.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

std::string UrlOf(absl::string_view text) {
  const std::optional<Endpoint> endpoint = ParseEndpoint(text);
  return endpoint.has_value() ? EndpointUrl(*endpoint) : "nothing";
}

TEST(EndpointTest, Addresses) {
  EXPECT_EQ(UrlOf("127.0.0.1:8080"), "ws://127.0.0.1:8080/");
  EXPECT_EQ(UrlOf("0.0.0.0:0"), "ws://0.0.0.0:0/");
  EXPECT_EQ(UrlOf("[::1]:65535"), "ws://[::1]:65535/");
  EXPECT_EQ(UrlOf("localhost:80"), "ws://127.0.0.1:80/");
}

TEST(EndpointTest, WithTls) {
  EXPECT_EQ(EndpointUrl(*ParseEndpoint("127.0.0.1:8080"), /*tls=*/true), "wss://127.0.0.1:8080/");
}

TEST(EndpointTest, Paths) {
  EXPECT_EQ(UrlOf("unix:/run/echo"), "ws+unix:/run/echo");
  EXPECT_EQ(UrlOf("unix:echo:1"), "ws+unix:echo:1");
  const std::string longest(107, 'p');
  EXPECT_EQ(UrlOf("unix:" + longest), "ws+unix:" + longest);
}

TEST(EndpointTest, RefusesOthers) {
  const std::string too_long = "unix:" + std::string(108, 'p');
  for (absl::string_view bad :
       {absl::string_view(""), absl::string_view("8080"), absl::string_view(":8080"),
        absl::string_view("127.0.0.1"), absl::string_view("127.0.0.1:"),
        absl::string_view("127.0.0.1:65536"), absl::string_view("127.0.0.1:-1"),
        absl::string_view("example.org:80"), absl::string_view("::1:80"),
        absl::string_view("localhost"), absl::string_view("localhost:"), absl::string_view("unix:"),
        absl::string_view("unix:a\0b", 8), absl::string_view(too_long)}) {
    EXPECT_EQ(UrlOf(bad), "nothing") << bad;
  }
}

}  // namespace
}  // namespace halfpipe::tools
