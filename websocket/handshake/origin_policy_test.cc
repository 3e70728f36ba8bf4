#include "websocket/handshake/origin_policy.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/authority.h"
#include "http/core/header_list.h"

namespace halfpipe::websocket {
namespace {

http::Authority HostOf(absl::string_view text) {
  http::Authority authority;
  EXPECT_TRUE(http::ParseAuthority(text, &authority)) << text;
  return authority;
}

OriginVerdict Judge(const OriginPolicy& policy, absl::string_view origin,
                    absl::string_view host = "example.org", bool secure = true) {
  const std::string section = absl::StrCat("A: 1\r\nOrigin: ", origin, "\r\n");
  return JudgeOrigin(policy, http::HeaderList(section), HostOf(host), secure);
}

OriginPolicy SameOrigin() { return {.kind = OriginPolicy::Kind::kSameOrigin}; }

TEST(OriginTest, Parsed) {
  Origin origin;
  EXPECT_TRUE(ParseOrigin("https://example.org", &origin));
  EXPECT_EQ(origin.scheme, "https");
  EXPECT_EQ(origin.authority.host, "example.org");
  EXPECT_EQ(origin.port(), 443);
  EXPECT_TRUE(ParseOrigin("HTTP://[::1]:8080", &origin));
  EXPECT_EQ(origin.port(), 8080);
  EXPECT_TRUE(ParseOrigin("http://h", &origin));
  EXPECT_EQ(origin.port(), 80);
  EXPECT_TRUE(ParseOrigin("ws://h", &origin));
  EXPECT_EQ(origin.port(), 80);
  EXPECT_TRUE(ParseOrigin("wss://h", &origin));
  EXPECT_EQ(origin.port(), 443);
  EXPECT_TRUE(ParseOrigin("moz-extension://0a1b-2c", &origin));
  EXPECT_EQ(origin.port(), 0);
  const std::string nul("http://h\0", 9);
  for (const std::string& bad : {std::string(),
                                 std::string("null"),
                                 std::string("example.org"),
                                 std::string("//example.org"),
                                 std::string("https:example.org"),
                                 std::string("https:/example.org"),
                                 std::string("https://"),
                                 std::string("https://example.org/"),
                                 std::string("https://example.org/path"),
                                 std::string("https://example.org?q"),
                                 std::string("https://example.org#f"),
                                 std::string("https://user@example.org"),
                                 std::string("https://example.org:"),
                                 std::string("https://example.org:x"),
                                 std::string("https://example.org:65536"),
                                 std::string("https://[::1"),
                                 std::string("https://a b"),
                                 std::string("https://a https://b"),
                                 std::string("https://a,https://b"),
                                 std::string("1https://a"),
                                 std::string("://a"),
                                 std::string("ht tp://a"),
                                 std::string(" https://a"),
                                 std::string("https://a\r\nEvil: 1"),
                                 std::string("file://"),
                                 nul}) {
    SCOPED_TRACE(bad);
    EXPECT_FALSE(ParseOrigin(bad, &origin));
    EXPECT_EQ(IsValidOriginField(bad), bad == "null");
  }
  EXPECT_EQ(origin.scheme, "moz-extension");
}

// RFC 6454 section 6.2.
TEST(OriginTest, SentAsItIsSerialized) {
  for (const char* good :
       {"null", "https://example.org", "http://example.org:443", "https://example.org:80",
        "http://h:8080", "http://127.0.0.1:1", "http://[::1]", "http://[fe80::a]:65535", "ws://h",
        "wss://h:80", "moz-extension://0a1b-2c", "moz-extension://0a1b-2c:80"}) {
    EXPECT_TRUE(IsValidOriginField(good)) << good;
  }
  for (const char* bad :
       {"NULL", "Null", "https://Example.org", "HTTPS://example.org", "https://example.org:443",
        "http://example.org:80", "ws://h:80", "wss://h:443", "http://h:08080", "http://h:00080",
        "http://h:0", "http://[FE80::a]", "http://[::1]:80"}) {
    EXPECT_FALSE(IsValidOriginField(bad)) << bad;
  }
}

TEST(OriginPolicyTest, AnyIsNotEvenLookedAt) {
  for (const char* origin : {"https://evil.com", "null", "nonsense", ""}) {
    EXPECT_EQ(Judge({}, origin), OriginVerdict::kAllowed) << origin;
  }
  EXPECT_EQ(JudgeOrigin({}, http::HeaderList("A: 1\r\n"), HostOf("h"), false),
            OriginVerdict::kAllowed);
}

TEST(OriginPolicyTest, SameOrigin) {
  const struct {
    const char* origin;
    const char* host;
    bool secure;
    OriginVerdict verdict;
  } kRows[] = {
      {"https://example.org", "example.org", true, OriginVerdict::kAllowed},
      {"https://EXAMPLE.org", "example.ORG", true, OriginVerdict::kAllowed},
      {"HTTPS://example.org", "example.org", true, OriginVerdict::kAllowed},
      // Default ports, written or not, on either side.
      {"https://example.org:443", "example.org", true, OriginVerdict::kAllowed},
      {"https://example.org", "example.org:443", true, OriginVerdict::kAllowed},
      {"http://example.org:80", "example.org", false, OriginVerdict::kAllowed},
      {"http://example.org", "example.org:80", false, OriginVerdict::kAllowed},
      {"http://example.org:8080", "example.org:8080", false, OriginVerdict::kAllowed},
      {"http://[::1]:8080", "[::1]:8080", false, OriginVerdict::kAllowed},
      {"http://[0:0:0:0:0:0:0:1]", "[::1]", false, OriginVerdict::kAllowed},
      {"http://[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", false, OriginVerdict::kAllowed},
      {"http://127.0.0.1:1", "127.0.0.1:1", false, OriginVerdict::kAllowed},
      // Another port or scheme.
      {"https://example.org:8443", "example.org", true, OriginVerdict::kOther},
      {"https://example.org", "example.org:8443", true, OriginVerdict::kOther},
      {"http://example.org:443", "example.org", true, OriginVerdict::kOther},
      {"http://example.org", "example.org", true, OriginVerdict::kOther},
      {"https://example.org", "example.org", false, OriginVerdict::kOther},
      {"https://example.org:80", "example.org", false, OriginVerdict::kOther},
      {"wss://example.org", "example.org", true, OriginVerdict::kOther},
      {"ws://example.org", "example.org", false, OriginVerdict::kOther},
      {"chrome-extension://example.org", "example.org", true, OriginVerdict::kOther},
      // Tricks with the name.
      {"https://evil-example.org", "example.org", true, OriginVerdict::kOther},
      {"https://example.org.evil.com", "example.org", true, OriginVerdict::kOther},
      {"https://sub.example.org", "example.org", true, OriginVerdict::kOther},
      {"https://example.org", "sub.example.org", true, OriginVerdict::kOther},
      {"https://example.org.", "example.org", true, OriginVerdict::kOther},
      {"https://example.org", "example.org.", true, OriginVerdict::kOther},
      {"https://example.orgx", "example.org", true, OriginVerdict::kOther},
      {"https://example%2eorg", "example.org", true, OriginVerdict::kOther},
      {"http://127.1", "127.0.0.1", false, OriginVerdict::kOther},
      {"http://[::2]", "[::1]", false, OriginVerdict::kOther},
      {"http://127.0.0.1", "[::ffff:127.0.0.1]", false, OriginVerdict::kOther},
      {"https://example.org@evil.com", "example.org", true, OriginVerdict::kMalformed},
      {"https://evil.com/https://example.org", "example.org", true, OriginVerdict::kMalformed},
      {"https://evil.com?https://example.org", "example.org", true, OriginVerdict::kMalformed},
      {"https://evil.com#example.org", "example.org", true, OriginVerdict::kMalformed},
      {"https://example.org/", "example.org", true, OriginVerdict::kMalformed},
      {"https://example.org https://evil.com", "example.org", true, OriginVerdict::kMalformed},
      {"example.org", "example.org", true, OriginVerdict::kMalformed},
      {"", "example.org", true, OriginVerdict::kMalformed},
      {"null", "example.org", true, OriginVerdict::kNull},
      {"Null", "example.org", true, OriginVerdict::kMalformed},
      {"null", "null", true, OriginVerdict::kNull},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Judge(SameOrigin(), row.origin, row.host, row.secure), row.verdict)
        << row.origin << " at " << row.host;
  }
}

TEST(OriginPolicyTest, AllowList) {
  const absl::string_view allowed[] = {"https://example.org", "http://localhost:3000",
                                       "chrome-extension://abc"};
  const OriginPolicy policy = {.kind = OriginPolicy::Kind::kAllowList, .allowed = allowed};
  EXPECT_TRUE(IsValid(policy));
  EXPECT_EQ(Judge(policy, "https://example.org", "api.net"), OriginVerdict::kAllowed);
  EXPECT_EQ(Judge(policy, "http://localhost:3000", "api.net"), OriginVerdict::kAllowed);
  EXPECT_EQ(Judge(policy, "chrome-extension://abc", "api.net"), OriginVerdict::kAllowed);
  // The own origin is none of them.
  EXPECT_EQ(Judge(policy, "https://api.net", "api.net"), OriginVerdict::kOther);
  EXPECT_EQ(Judge(policy, "http://localhost:3001", "api.net"), OriginVerdict::kOther);
  EXPECT_EQ(Judge(policy, "http://localhost", "api.net"), OriginVerdict::kOther);
  EXPECT_EQ(Judge(policy, "https://evil-example.org", "api.net"), OriginVerdict::kOther);
  EXPECT_EQ(Judge(policy, "https://example.org.evil.com", "api.net"), OriginVerdict::kOther);
  const OriginPolicy nobody = {.kind = OriginPolicy::Kind::kAllowList};
  EXPECT_EQ(Judge(nobody, "https://example.org"), OriginVerdict::kOther);
  // Beside the own one.
  OriginPolicy both = policy;
  both.kind = OriginPolicy::Kind::kSameOrigin;
  EXPECT_EQ(Judge(both, "https://api.net", "api.net"), OriginVerdict::kAllowed);
  EXPECT_EQ(Judge(both, "https://example.org", "api.net"), OriginVerdict::kAllowed);
  EXPECT_EQ(Judge(both, "https://evil.com", "api.net"), OriginVerdict::kOther);
}

TEST(OriginPolicyTest, ListIsChecked) {
  for (const absl::string_view bad : {"example.org", "https://example.org/", "null", "*", ""}) {
    EXPECT_FALSE(IsValid(OriginPolicy{.allowed = absl::MakeConstSpan(&bad, 1)})) << bad;
  }
  EXPECT_TRUE(IsValid(OriginPolicy()));
}

TEST(OriginPolicyTest, MissingAndNullByOption) {
  const http::HeaderList none("A: 1\r\n");
  for (const auto kind : {OriginPolicy::Kind::kSameOrigin, OriginPolicy::Kind::kAllowList}) {
    OriginPolicy policy = {.kind = kind};
    EXPECT_EQ(JudgeOrigin(policy, none, HostOf("h"), true), OriginVerdict::kMissing);
    EXPECT_EQ(Judge(policy, "null"), OriginVerdict::kNull);
    policy.allow_missing = true;
    EXPECT_EQ(JudgeOrigin(policy, none, HostOf("h"), true), OriginVerdict::kAllowed);
    EXPECT_EQ(Judge(policy, "null"), OriginVerdict::kNull);
    EXPECT_EQ(Judge(policy, ""), OriginVerdict::kMalformed);
    policy.allow_null = true;
    EXPECT_EQ(Judge(policy, "null"), OriginVerdict::kAllowed);
    EXPECT_EQ(Judge(policy, "https://evil.com"), OriginVerdict::kOther);
  }
}

TEST(OriginPolicyTest, SeveralAreNeverOne) {
  const std::string section = "Origin: https://example.org\r\norigin: https://example.org\r\n";
  for (const auto kind : {OriginPolicy::Kind::kAny, OriginPolicy::Kind::kSameOrigin,
                          OriginPolicy::Kind::kAllowList}) {
    const OriginPolicy policy = {.kind = kind, .allow_missing = true};
    EXPECT_EQ(JudgeOrigin(policy, http::HeaderList(section), HostOf("example.org"), true),
              OriginVerdict::kSeveral);
  }
}

TEST(OriginPolicyTest, VerdictsHaveTextsAndStatuses) {
  std::set<std::string> texts;
  for (int i = 0; i <= static_cast<int>(OriginVerdict::kOther); ++i) {
    const OriginVerdict verdict = static_cast<OriginVerdict>(i);
    texts.insert(OriginVerdictText(verdict));
    EXPECT_EQ(OriginVerdictStatus(verdict), verdict == OriginVerdict::kAllowed   ? 0
                                            : verdict == OriginVerdict::kSeveral ? 400
                                                                                 : 403);
  }
  EXPECT_EQ(texts.size(), 6u);
}

}  // namespace
}  // namespace halfpipe::websocket
