#include "websocket/handshake/host_policy.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "http/core/upgrade.h"

namespace halfpipe::websocket {
namespace {

bool Accepted(absl::Span<const absl::string_view> hosts, absl::string_view host,
              bool secure = false, absl::string_view target = "/") {
  const std::string section = absl::StrCat("Host: ", host, "\r\n");
  http::RequestHead head;
  head.target = target;
  head.fields = http::HeaderList(section);
  http::RequestAddress address;
  EXPECT_EQ(http::CheckRequestAddress(head, &address), http::UpgradeError::kNone) << host;
  return IsHostAccepted({.hosts = hosts}, address, secure);
}

TEST(HostPolicyTest, NoneIsAny) {
  EXPECT_TRUE(Accepted({}, "evil.com"));
  EXPECT_TRUE(Accepted({}, "127.0.0.1:1"));
}

TEST(HostPolicyTest, NamesAndPorts) {
  const absl::string_view hosts[] = {"example.org", "localhost:8080", "[::1]", "127.0.0.1:80"};
  EXPECT_TRUE(IsValid({.hosts = hosts}));
  EXPECT_TRUE(Accepted(hosts, "example.org"));
  EXPECT_TRUE(Accepted(hosts, "EXAMPLE.org:1234"));
  EXPECT_TRUE(Accepted(hosts, "localhost:8080"));
  EXPECT_FALSE(Accepted(hosts, "localhost"));
  EXPECT_FALSE(Accepted(hosts, "localhost:80"));
  EXPECT_TRUE(Accepted(hosts, "[::1]:9"));
  EXPECT_TRUE(Accepted(hosts, "[0:0:0:0:0:0:0:1]"));
  EXPECT_TRUE(Accepted(hosts, "127.0.0.1"));
  EXPECT_TRUE(Accepted(hosts, "127.0.0.1:80"));
  EXPECT_FALSE(Accepted(hosts, "127.0.0.1:443"));
  // The port that is not written is that of the scheme.
  EXPECT_FALSE(Accepted(hosts, "127.0.0.1", /*secure=*/true));
  EXPECT_TRUE(Accepted(hosts, "127.0.0.1:80", /*secure=*/true));
  // What DNS rebinding and tricks with names look like.
  for (const char* other :
       {"evil.com", "example.org.evil.com", "evil-example.org", "sub.example.org", "example.org.",
        "exampleXorg", "127.0.0.2", "[::2]", "localhost.", "localhost.evil.com:8080"}) {
    EXPECT_FALSE(Accepted(hosts, other)) << other;
  }
}

// RFC 9112 section 3.2.2: the target's host is the one that counts.
TEST(HostPolicyTest, AbsoluteTargets) {
  const absl::string_view hosts[] = {"example.org"};
  EXPECT_TRUE(Accepted(hosts, "evil.com", false, "http://example.org/"));
  EXPECT_FALSE(Accepted(hosts, "example.org", false, "http://evil.com/"));
  // RFC 9110 section 7.4: a resource of https is not to be had without TLS.
  for (const char* target : {"https://example.org/", "WSS://example.org/"}) {
    EXPECT_FALSE(Accepted(hosts, "example.org", false, target));
    EXPECT_FALSE(Accepted({}, "example.org", false, target));
    EXPECT_TRUE(Accepted(hosts, "example.org", true, target));
  }
  for (const char* target : {"http://example.org/", "ws://example.org/"}) {
    EXPECT_TRUE(Accepted(hosts, "example.org", true, target));
  }
}

// HTTP/1.0 need not say.
TEST(HostPolicyTest, NoHostAtAll) {
  http::RequestHead head;
  head.target = "/";
  head.version_minor = 0;
  http::RequestAddress address;
  EXPECT_EQ(http::CheckRequestAddress(head, &address), http::UpgradeError::kNone);
  EXPECT_TRUE(IsHostAccepted({}, address, false));
  const absl::string_view hosts[] = {"example.org"};
  EXPECT_FALSE(IsHostAccepted({.hosts = hosts}, address, false));
}

TEST(HostPolicyTest, ListIsChecked) {
  for (const absl::string_view bad : {"", "http://example.org", "a b", "*.example.org/", "[::1"}) {
    EXPECT_FALSE(IsValid({.hosts = absl::MakeConstSpan(&bad, 1)})) << bad;
  }
}

}  // namespace
}  // namespace halfpipe::websocket
