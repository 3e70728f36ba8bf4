#include "http/core/scheme.h"

#include <optional>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

TEST(SchemeTest, NamesAndPorts) {
  const struct {
    Scheme scheme;
    absl::string_view name;
    bool secure;
    int port;
  } kRows[] = {{Scheme::kWs, "ws", false, 80},
               {Scheme::kWss, "wss", true, 443},
               {Scheme::kHttp, "http", false, 80},
               {Scheme::kHttps, "https", true, 443}};
  for (const auto& row : kRows) {
    EXPECT_EQ(SchemeName(row.scheme), row.name);
    EXPECT_EQ(FindScheme(row.name), row.scheme);
    EXPECT_EQ(IsSecure(row.scheme), row.secure);
    EXPECT_EQ(DefaultPort(row.secure), row.port);
  }
  EXPECT_EQ(FindScheme("WsS"), Scheme::kWss);
  EXPECT_EQ(FindScheme("HTTPS"), Scheme::kHttps);
  for (const absl::string_view other : {"", "w", "wsss", "ftp", "http ", "httpss", "ws:"}) {
    EXPECT_EQ(FindScheme(other), std::nullopt) << other;
  }
}

TEST(SchemeTest, TakenOffTheFront) {
  absl::string_view text = "wSs://h/x://y";
  EXPECT_EQ(TakeScheme(&text), Scheme::kWss);
  EXPECT_EQ(text, "h/x://y");
  for (const absl::string_view other :
       {"", ":", "://", "ws", "ws:", "ws:/", "ws:h", "ws:/h", "ftp://h", " ws://h", "wsx://h"}) {
    text = other;
    EXPECT_EQ(TakeScheme(&text), std::nullopt) << other;
    EXPECT_EQ(text, other);
  }
}

}  // namespace
}  // namespace halfpipe::http
