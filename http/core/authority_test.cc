#include "http/core/authority.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::http {
namespace {

TEST(AuthorityTest, Accepts) {
  const struct {
    absl::string_view text;
    absl::string_view host;
    HostKind kind;
    int port;  // -1: none.
  } kRows[] = {
      {"example.org", "example.org", HostKind::kName, -1},
      {"EXAMPLE.org:8080", "EXAMPLE.org", HostKind::kName, 8080},
      {"h:", "h", HostKind::kName, -1},  // RFC 3986 section 3.2.3: a port may be empty.
      {"h:0", "h", HostKind::kName, 0},
      {"h:65535", "h", HostKind::kName, 65535},
      {"h:00080", "h", HostKind::kName, 80},
      {"a_b-c~!$&'()*+,;=%4a", "a_b-c~!$&'()*+,;=%4a", HostKind::kName, -1},
      {"a,b:1", "a,b", HostKind::kName, 1},  // A comma is a sub-delim.
      {"127.0.0.1:1", "127.0.0.1", HostKind::kIpv4, 1},
      {"256.0.0.1", "256.0.0.1", HostKind::kName, -1},
      {"1.2.3", "1.2.3", HostKind::kName, -1},
      {"[::1]", "::1", HostKind::kIpv6, -1},
      {"[2001:db8::1]:443", "2001:db8::1", HostKind::kIpv6, 443},
      {"[::ffff:1.2.3.4]:", "::ffff:1.2.3.4", HostKind::kIpv6, -1},
  };
  for (const auto& row : kRows) {
    const std::string exact(row.text);
    Authority authority;
    ASSERT_TRUE(ParseAuthority(exact, &authority)) << row.text;
    EXPECT_EQ(authority.host, row.host);
    EXPECT_EQ(authority.host_kind, row.kind) << row.text;
    EXPECT_EQ(authority.has_port, row.port >= 0) << row.text;
    if (row.port >= 0) {
      EXPECT_EQ(authority.port, row.port) << row.text;
    }
  }
}

TEST(AuthorityTest, Refuses) {
  for (const absl::string_view text : {"",
                                       ":",
                                       ":80",
                                       "h:65536",
                                       "h:4294967376",
                                       "h:99999999999999999999",
                                       "h:8a",
                                       "h: 80",
                                       "h:-1",
                                       "h:80:80",
                                       " h",
                                       "h ",
                                       "h h",
                                       "user@h",
                                       "h/",
                                       "h?",
                                       "h#",
                                       "h\\",
                                       "%",
                                       "%4",
                                       "%4g",
                                       "h%",
                                       "[",
                                       "[]",
                                       "]",
                                       "[::1",
                                       "::1",
                                       "2001:db8::1",
                                       "[::1]x",
                                       "[::1]80",
                                       "[::1]:x",
                                       "[h]",
                                       "[1.2.3.4]",
                                       "[fe80::1%25eth0]",
                                       "[v1.a]",
                                       "[::1]]",
                                       "[[::1]]",
                                       "\xc3\xa9",
                                       "h\t"}) {
    Authority authority;
    authority.host = "untouched";
    EXPECT_FALSE(ParseAuthority(text, &authority)) << text;
    EXPECT_EQ(authority.host, "untouched");
  }
  Authority authority;
  EXPECT_FALSE(ParseAuthority(absl::string_view("a\0b", 3), &authority));
}

TEST(AuthorityTest, Ipv4) {
  for (const absl::string_view text : {"0.0.0.0", "255.255.255.255", "1.20.199.250"}) {
    EXPECT_TRUE(IsIpv4Address(text)) << text;
  }
  for (const absl::string_view text :
       {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3.4", "1..2.3", "256.1.1.1",
        "1.1.1.256", "01.2.3.4", "1.2.3.04", "00.0.0.0", "1.2.3.4 ", "1.2.3.a", "1.2.3.1234"}) {
    EXPECT_FALSE(IsIpv4Address(text)) << text;
  }
}

TEST(AuthorityTest, Ipv6) {
  for (const absl::string_view text :
       {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "ABCD:ef01::", "1::8",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3::5:6:7:8", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
        "1::5:6:1.2.3.4", "::ffff:255.255.255.255", "0000::0000"}) {
    EXPECT_TRUE(IsIpv6Address(text)) << text;
  }
  for (const absl::string_view text : {"",
                                       ":",
                                       ":::",
                                       "1",
                                       "1:",
                                       ":1",
                                       "1:2:3:4:5:6:7",
                                       "1:2:3:4:5:6:7:8:9",
                                       "1:2:3:4:5:6:7:8::",
                                       "::1:2:3:4:5:6:7:8",
                                       "1:2:3:4::5:6:7:8",
                                       "1::2::3",
                                       "12345::",
                                       "g::",
                                       "::1 ",
                                       "1.2.3.4",
                                       "1.2.3.4::",
                                       "1:1.2.3.4::",
                                       "::1.2.3",
                                       "::1.2.3.4:5",
                                       "1:2:3:4:5:6:7:1.2.3.4",
                                       ":1::",
                                       "1:::2",
                                       "::1%eth0",
                                       "::256.1.1.1"}) {
    EXPECT_FALSE(IsIpv6Address(text)) << text;
  }
}

TEST(SameHostTest, NamesAndAddresses) {
  const struct {
    const char* a;
    const char* b;
    bool same;
  } kRows[] = {
      {"h", "h", true},
      {"Example.ORG:1", "example.org:2", true},
      {"example.org", "example.org.", false},
      {"example.org", "xexample.org", false},
      {"127.0.0.1", "127.0.0.1:5", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"[::]", "[0:0:0:0:0:0:0:0]", true},
      {"[::1]", "[0:0:0:0:0:0:0:1]", true},
      {"[1::]", "[1:0:0:0:0:0:0:0]", true},
      {"[::1]", "[1::]", false},
      {"[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", true},
      {"[1:2::7:8]", "[1:2:0:0:0:0:7:8]", true},
      {"[1:2::7:8]", "[1:2:0:0:0:7:8:0]", false},
      {"[ABCD::00ef]", "[abcd:0::ef]", true},
      {"[::ffff:192.0.2.33]", "[::ffff:c000:221]", true},
      {"[64:ff9b::192.0.2.33]", "[64:ff9b:0:0:0:0:c000:0221]", true},
      {"[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:102:304]", true},
      {"[::255.255.255.255]", "[::ffff:ffff]", true},
      {"[::1.2.3.4]", "1.2.3.4", false},
      {"[::1]", "h", false},
  };
  for (const auto& row : kRows) {
    Authority a;
    Authority b;
    ASSERT_TRUE(ParseAuthority(row.a, &a)) << row.a;
    ASSERT_TRUE(ParseAuthority(row.b, &b)) << row.b;
    EXPECT_EQ(IsSameHost(a, b), row.same) << row.a << " " << row.b;
    EXPECT_EQ(IsSameHost(b, a), row.same) << row.a << " " << row.b;
    EXPECT_TRUE(IsSameHost(a, a));
  }
}

}  // namespace
}  // namespace halfpipe::http
