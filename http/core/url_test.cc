#include "http/core/url.h"

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/authority.h"
#include "http/core/scheme.h"

namespace halfpipe::http {
namespace {

TEST(UrlTest, Accepts) {
  const struct {
    absl::string_view text;
    Scheme scheme;
    absl::string_view host;
    int port;
    absl::string_view target;
    absl::string_view host_field;
    absl::string_view again;
  } kRows[] = {
      {"ws://example.org", Scheme::kWs, "example.org", 80, "/", "example.org", "ws://example.org/"},
      {"wss://example.org", Scheme::kWss, "example.org", 443, "/", "example.org",
       "wss://example.org/"},
      {"http://h/", Scheme::kHttp, "h", 80, "/", "h", "http://h/"},
      {"https://h:8443/a/b", Scheme::kHttps, "h", 8443, "/a/b", "h:8443", "https://h:8443/a/b"},
      {"WsS://H/A", Scheme::kWss, "H", 443, "/A", "H", "wss://H/A"},
      // The scheme's own port is not written; the other scheme's is.
      {"ws://h:80/x", Scheme::kWs, "h", 80, "/x", "h", "ws://h/x"},
      {"ws://h:443/x", Scheme::kWs, "h", 443, "/x", "h:443", "ws://h:443/x"},
      {"wss://h:80", Scheme::kWss, "h", 80, "/", "h:80", "wss://h:80/"},
      {"ws://h:", Scheme::kWs, "h", 80, "/", "h", "ws://h/"},
      {"ws://h:1", Scheme::kWs, "h", 1, "/", "h:1", "ws://h:1/"},
      {"ws://h:65535", Scheme::kWs, "h", 65535, "/", "h:65535", "ws://h:65535/"},
      {"ws://127.0.0.1:8080/", Scheme::kWs, "127.0.0.1", 8080, "/", "127.0.0.1:8080",
       "ws://127.0.0.1:8080/"},
      {"ws://[::1]:8080/c", Scheme::kWs, "::1", 8080, "/c", "[::1]:8080", "ws://[::1]:8080/c"},
      {"wss://[2001:db8::1]", Scheme::kWss, "2001:db8::1", 443, "/", "[2001:db8::1]",
       "wss://[2001:db8::1]/"},
      // Queries, with and without a path.
      {"ws://h?a=b", Scheme::kWs, "h", 80, "/?a=b", "h", "ws://h/?a=b"},
      {"ws://h?", Scheme::kWs, "h", 80, "/", "h", "ws://h/"},
      {"wss://h/p?", Scheme::kWss, "h", 443, "/p", "h", "wss://h/p"},
      {"http://h?", Scheme::kHttp, "h", 80, "/?", "h", "http://h/?"},
      {"ws://h/p?q?r/s:@!$&'()*+,;=-._~", Scheme::kWs, "h", 80, "/p?q?r/s:@!$&'()*+,;=-._~", "h",
       "ws://h/p?q?r/s:@!$&'()*+,;=-._~"},
      {"ws://h/%41%2f?%00", Scheme::kWs, "h", 80, "/%41%2f?%00", "h", "ws://h/%41%2f?%00"},
      {"ws://h//a//", Scheme::kWs, "h", 80, "//a//", "h", "ws://h//a//"},
      {"ws://h/@", Scheme::kWs, "h", 80, "/@", "h", "ws://h/@"},
      // A fragment is not sent.
      {"http://h/p?q#f?/", Scheme::kHttp, "h", 80, "/p?q", "h", "http://h/p?q"},
      {"https://h#", Scheme::kHttps, "h", 443, "/", "h", "https://h/"},
  };
  for (const auto& row : kRows) {
    const std::string exact(row.text);
    Url url;
    ASSERT_EQ(ParseUrl(exact, &url), UrlError::kNone) << row.text;
    EXPECT_EQ(url.scheme, row.scheme) << row.text;
    EXPECT_EQ(url.secure(), row.scheme == Scheme::kWss || row.scheme == Scheme::kHttps);
    EXPECT_EQ(url.authority.host, row.host);
    EXPECT_EQ(url.port(), row.port) << row.text;
    EXPECT_EQ(RequestTarget(url), row.target);
    EXPECT_EQ(HostField(url), row.host_field);
    EXPECT_EQ(UrlText(url), row.again);

    // What is printed parses to the same and prints the same.
    const std::string printed = UrlText(url);
    Url again;
    ASSERT_EQ(ParseUrl(printed, &again), UrlError::kNone) << printed;
    EXPECT_EQ(UrlText(again), printed);
    EXPECT_EQ(again.port(), url.port());
  }
}

TEST(UrlTest, Refuses) {
  const struct {
    absl::string_view text;
    UrlError error;
  } kRows[] = {
      {"", UrlError::kBadScheme},
      {"example.org", UrlError::kBadScheme},
      {"/path", UrlError::kBadScheme},
      {"ws", UrlError::kBadScheme},
      {"ws:", UrlError::kBadScheme},
      {"ws:/", UrlError::kBadScheme},
      {"ws:h", UrlError::kBadScheme},
      {"ftp://h", UrlError::kBadScheme},
      {"wsss://h", UrlError::kBadScheme},
      {" ws://h", UrlError::kBadScheme},
      {"://h", UrlError::kBadScheme},
      {"ws ://h", UrlError::kBadScheme},
      {"ws://user@h", UrlError::kUserinfo},
      {"ws://user:password@h/", UrlError::kUserinfo},
      {"ws://@h", UrlError::kUserinfo},
      {"ws://", UrlError::kBadHost},
      {"ws:///p", UrlError::kBadHost},
      {"ws://:80", UrlError::kBadHost},
      {"ws://?q", UrlError::kBadHost},
      {"ws://h h/", UrlError::kBadHost},
      {"ws://h\\p", UrlError::kBadHost},
      {"ws://::1/", UrlError::kBadHost},
      {"ws://[::1", UrlError::kBadHost},
      {"ws://[::1%25eth0]/", UrlError::kBadHost},
      {"ws://[h]:80/", UrlError::kBadHost},
      {"ws://\xc3\xa9/", UrlError::kBadHost},
      {"ws://h:0/", UrlError::kBadPort},
      {"ws://h:65536/", UrlError::kBadPort},
      {"ws://h:x/", UrlError::kBadPort},
      {"ws://[::1]:x/", UrlError::kBadPort},
      {"ws://h/ ", UrlError::kBadPath},
      {"ws://h/a b", UrlError::kBadPath},
      {"ws://h/%", UrlError::kBadPath},
      {"ws://h/%4", UrlError::kBadPath},
      {"ws://h/%zz", UrlError::kBadPath},
      {"ws://h/\\", UrlError::kBadPath},
      {"ws://h/\xc3\xa9", UrlError::kBadPath},
      {"ws://h/\r\nX:", UrlError::kBadPath},
      {"ws://h/?a|b", UrlError::kBadQuery},
      {"ws://h/?\n", UrlError::kBadQuery},
      {"ws://h/?%", UrlError::kBadQuery},
      // RFC 6455 section 3, an empty fragment too.
      {"ws://h/#f", UrlError::kFragment},
      {"wss://h/#", UrlError::kFragment},
      {"ws://h#", UrlError::kFragment},
      {"http://h/#a#b", UrlError::kFragment},
      {"http://h/# ", UrlError::kFragment},
  };
  for (const auto& row : kRows) {
    const std::string exact(row.text);
    Url url;
    url.path = "untouched";
    EXPECT_EQ(ParseUrl(exact, &url), row.error)
        << row.text << ": " << UrlErrorText(ParseUrl(exact, &url));
    EXPECT_EQ(url.path, "untouched");
  }
  Url url;
  EXPECT_EQ(ParseUrl(absl::string_view("ws://h/\0", 8), &url), UrlError::kBadPath);
}

TEST(UrlTest, EachErrorHasATextOfItsOwn) {
  std::set<std::string> texts;
  for (int i = 0; i <= static_cast<int>(UrlError::kFragment); ++i) {
    EXPECT_TRUE(texts.insert(std::string(UrlErrorText(static_cast<UrlError>(i)))).second);
  }
  EXPECT_EQ(texts.count("unknown error"), 0u);
}

}  // namespace
}  // namespace halfpipe::http
