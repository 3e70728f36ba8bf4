#include "http/core/redirect.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/url.h"

namespace halfpipe::http {
namespace {

// The URL, with "!" behind it where credentials stay behind; or the error's number.
std::string Resolve(absl::string_view base, absl::string_view location) {
  Url url;
  EXPECT_EQ(ParseUrl(base, &url), UrlError::kNone) << base;
  Redirect redirect;
  const RedirectError error = ResolveRedirect(url, location, &redirect);
  if (error != RedirectError::kNone) {
    EXPECT_EQ(redirect.url, "");
    return absl::StrCat(static_cast<int>(error));
  }
  return absl::StrCat(redirect.url, redirect.same_origin ? "" : "!");
}

std::string Error(RedirectError error) { return absl::StrCat(static_cast<int>(error)); }

// The examples of RFC 3986 section 5.4 that have a scheme of ours and no fragment in the result.
TEST(RedirectTest, ExamplesOfTheRfc) {
  const struct {
    const char* reference;
    const char* result;
  } kRows[] = {
      {"g", "ws://a/b/c/g"},
      {"./g", "ws://a/b/c/g"},
      {"g/", "ws://a/b/c/g/"},
      {"/g", "ws://a/g"},
      {"//g", "ws://g/!"},
      {"?y", "ws://a/b/c/d;p?y"},
      {"g?y", "ws://a/b/c/g?y"},
      {"#s", "ws://a/b/c/d;p?q"},
      {"g#s", "ws://a/b/c/g"},
      {"g?y#s", "ws://a/b/c/g?y"},
      {";x", "ws://a/b/c/;x"},
      {"g;x", "ws://a/b/c/g;x"},
      {"g;x?y#s", "ws://a/b/c/g;x?y"},
      {".", "ws://a/b/c/"},
      {"./", "ws://a/b/c/"},
      {"..", "ws://a/b/"},
      {"../", "ws://a/b/"},
      {"../g", "ws://a/b/g"},
      {"../..", "ws://a/"},
      {"../../", "ws://a/"},
      {"../../g", "ws://a/g"},
      {"../../../g", "ws://a/g"},
      {"../../../../g", "ws://a/g"},
      {"/./g", "ws://a/g"},
      {"/../g", "ws://a/g"},
      {"g.", "ws://a/b/c/g."},
      {".g", "ws://a/b/c/.g"},
      {"g..", "ws://a/b/c/g.."},
      {"..g", "ws://a/b/c/..g"},
      {"./../g", "ws://a/b/g"},
      {"./g/.", "ws://a/b/c/g/"},
      {"g/./h", "ws://a/b/c/g/h"},
      {"g/../h", "ws://a/b/c/h"},
      {"g;x=1/./y", "ws://a/b/c/g;x=1/y"},
      {"g;x=1/../y", "ws://a/b/c/y"},
      {"g?y/./x", "ws://a/b/c/g?y/./x"},
      {"g?y/../x", "ws://a/b/c/g?y/../x"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Resolve("ws://a/b/c/d;p?q", row.reference), row.result) << row.reference;
  }
  // Strict: not "g".
  EXPECT_EQ(Resolve("ws://a/b/c/d;p?q", "ws:g"), Error(RedirectError::kBadScheme));
  EXPECT_EQ(Resolve("ws://a/b/c/d;p?q", "g:h"), Error(RedirectError::kBadScheme));
}

TEST(RedirectTest, BasesWithoutPathOrWithAPort) {
  EXPECT_EQ(Resolve("ws://a", "g"), "ws://a/g");
  EXPECT_EQ(Resolve("ws://a?q", "#f"), "ws://a/?q");
  // A WebSocket has no empty query (RFC 6455 section 3).
  EXPECT_EQ(Resolve("ws://a?q", "?"), "ws://a/");
  EXPECT_EQ(Resolve("ws://a?q", "http://a/b?"), "ws://a/b");
  EXPECT_EQ(Resolve("ws://a:81/b", "/c"), "ws://a:81/c");
  EXPECT_EQ(Resolve("ws://[::1]:81/b", "c"), "ws://[::1]:81/c");
  EXPECT_EQ(Resolve("http://a/b", "c"), "ws://a/c");
  EXPECT_EQ(Resolve("https://a/b", "c"), "wss://a/c");
  EXPECT_EQ(Resolve("ws://a/b//c", "d"), "ws://a/b//d");
  EXPECT_EQ(Resolve("ws://a/b", "%2e%2e/c"), "ws://a/%2e%2e/c");
}

TEST(RedirectTest, SchemesAndOrigins) {
  EXPECT_EQ(Resolve("ws://a/", "http://a/b"), "ws://a/b");
  EXPECT_EQ(Resolve("ws://a/", "HTTP://A:80/b"), "ws://A/b");
  EXPECT_EQ(Resolve("wss://a/", "https://a:443/b"), "wss://a/b");
  EXPECT_EQ(Resolve("ws://a/", "https://a/"), "wss://a/!");
  EXPECT_EQ(Resolve("ws://a/", "ws://a:81/"), "ws://a:81/!");
  EXPECT_EQ(Resolve("ws://a/", "ws://b/"), "ws://b/!");
  EXPECT_EQ(Resolve("ws://a.b/", "ws://evil-a.b/"), "ws://evil-a.b/!");
  EXPECT_EQ(Resolve("ws://a.b/", "ws://a.b.evil.com/"), "ws://a.b.evil.com/!");
  EXPECT_EQ(Resolve("ws://a.b/", "ws://a.b./"), "ws://a.b./!");
  EXPECT_EQ(Resolve("ws://[::1]/", "ws://[0:0::0001]/"), "ws://[0:0::0001]/");
  EXPECT_EQ(Resolve("wss://a/", "ws://a/"), Error(RedirectError::kDowngrade));
  EXPECT_EQ(Resolve("wss://a/", "http://b/"), Error(RedirectError::kDowngrade));
  EXPECT_EQ(Resolve("https://a/", "ws://a/"), Error(RedirectError::kDowngrade));
  EXPECT_EQ(Resolve("wss://a/", "//b/"), "wss://b/!");
}

TEST(RedirectTest, WhatIsNoPlaceToGo) {
  EXPECT_EQ(Resolve("ws://a/", ""), Error(RedirectError::kNoLocation));
  for (const char* scheme : {"ftp://a/", "javascript:alert(1)", "file:///etc/passwd", "data:,x",
                             "unix:/x", "ws:", "ws:/", "ws:///x:y", "mailto:a@b"}) {
    const std::string error = Resolve("ws://a/", scheme);
    EXPECT_TRUE(error == Error(RedirectError::kBadScheme) ||
                error == Error(RedirectError::kBadLocation))
        << scheme << " " << error;
  }
  for (const char* bad :
       {"ws://u:p@a/", "//u@a/", "ws://a:0/", "ws://a:65536/", "ws:///", "//", "/a b",
        "/a\r\nHost: evil", "/\xc3\xa9", "/%", "/%zz", "/a\\b", "?a b", "/<", "//[::1/", "//a]"}) {
    EXPECT_EQ(Resolve("ws://a/", bad), Error(RedirectError::kBadLocation)) << bad;
  }
  EXPECT_EQ(Resolve("ws://a/", absl::string_view("/\0", 2)), Error(RedirectError::kBadLocation));
}

TEST(RemoveDotSegmentsTest, OfTheRfc) {
  EXPECT_EQ(RemoveDotSegments("/a/b/c/./../../g"), "/a/g");
  EXPECT_EQ(RemoveDotSegments("mid/content=5/../6"), "mid/6");
  EXPECT_EQ(RemoveDotSegments(""), "");
  EXPECT_EQ(RemoveDotSegments("."), "");
  EXPECT_EQ(RemoveDotSegments(".."), "");
  EXPECT_EQ(RemoveDotSegments("../a"), "a");
  EXPECT_EQ(RemoveDotSegments("./a"), "a");
  EXPECT_EQ(RemoveDotSegments("/.."), "/");
  EXPECT_EQ(RemoveDotSegments("/."), "/");
  EXPECT_EQ(RemoveDotSegments("//a//../b"), "//a/b");
  EXPECT_EQ(RemoveDotSegments("/..."), "/...");
}

TEST(RedirectTest, StatusesThatRedirect) {
  for (int status = 100; status < 600; ++status) {
    EXPECT_EQ(IsRedirectStatus(status), std::set<int>({301, 302, 303, 307, 308}).count(status) == 1)
        << status;
  }
}

TEST(RedirectChainTest, GoesOnUpToItsLimit) {
  RedirectChain chain("ws://a/0", 2);
  EXPECT_EQ(chain.Follow(302, "1"), RedirectError::kNone);
  EXPECT_EQ(chain.url(), "ws://a/1");
  EXPECT_EQ(chain.Follow(200, "x"), RedirectError::kNotARedirect);
  EXPECT_EQ(chain.Follow(307, ""), RedirectError::kNoLocation);
  EXPECT_EQ(chain.Follow(307, "//u@b"), RedirectError::kBadLocation);
  EXPECT_EQ(chain.url(), "ws://a/1");
  EXPECT_TRUE(chain.credentials_allowed());
  EXPECT_EQ(chain.Follow(308, "2"), RedirectError::kNone);
  EXPECT_EQ(chain.Follow(301, "3"), RedirectError::kTooMany);
  EXPECT_EQ(chain.url(), "ws://a/2");
  RedirectChain none("ws://a/", 0);
  EXPECT_EQ(none.Follow(301, "/"), RedirectError::kTooMany);
}

TEST(RedirectChainTest, CredentialsDoNotComeBack) {
  RedirectChain chain("ws://a/");
  EXPECT_EQ(chain.Follow(302, "/b"), RedirectError::kNone);
  EXPECT_TRUE(chain.credentials_allowed());
  EXPECT_EQ(chain.Follow(302, "http://evil/"), RedirectError::kNone);
  EXPECT_FALSE(chain.credentials_allowed());
  EXPECT_EQ(chain.Follow(302, "http://a/"), RedirectError::kNone);
  EXPECT_EQ(chain.url(), "ws://a/");
  EXPECT_FALSE(chain.credentials_allowed());
}

TEST(RedirectChainTest, FromTlsThereIsNoWayBack) {
  RedirectChain chain("ws://a/");
  EXPECT_EQ(chain.Follow(301, "wss://a/"), RedirectError::kNone);
  EXPECT_EQ(chain.Follow(301, "ws://a/"), RedirectError::kDowngrade);
  EXPECT_EQ(chain.url(), "wss://a/");
}

TEST(RedirectTest, ErrorTextsDiffer) {
  std::set<absl::string_view> texts;
  for (int i = 0; i <= static_cast<int>(RedirectError::kTooMany); ++i) {
    texts.insert(RedirectErrorText(static_cast<RedirectError>(i)));
  }
  EXPECT_EQ(texts.size(), 7u);
}

}  // namespace
}  // namespace halfpipe::http
