#include "bytestream/hosts_file.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::vector<std::string> Find(absl::string_view hosts, absl::string_view name) {
  std::vector<std::string> found;
  for (const IpAddress& address : FindInHosts(hosts, name, 80)) found.push_back(address.ToString());
  return found;
}

using Strings = std::vector<std::string>;

constexpr char kHosts[] =
    "# a comment\n"
    "\n"
    "127.0.0.1\tlocalhost\n"
    "  10.0.0.1   one.example  Uno   # two.example\n"
    "10.0.0.2 two.example\r\n"
    "::2 one.example\n"
    "not-an-address one.example\n"
    "10.0.0.9\n"
    "10.0.0.3 last";

TEST(HostsFileTest, FindsNamesAndAliasesInTheOrderOfLines) {
  EXPECT_EQ(Find(kHosts, "one.example"), (Strings{"10.0.0.1:80", "[::2]:80"}));
  EXPECT_EQ(Find(kHosts, "uno"), Strings{"10.0.0.1:80"});
  EXPECT_EQ(Find(kHosts, "two.example"), Strings{"10.0.0.2:80"});
  EXPECT_EQ(Find(kHosts, "last"), Strings{"10.0.0.3:80"});
}

TEST(HostsFileTest, CaseAndFinalDotDoNotMatter) {
  EXPECT_EQ(Find(kHosts, "TWO.Example."), Strings{"10.0.0.2:80"});
  EXPECT_EQ(Find("10.0.0.4 dotted.", "dotted"), Strings{"10.0.0.4:80"});
}

TEST(HostsFileTest, WhatIsNoNameIsNotFound) {
  for (const absl::string_view name :
       {"", ".", "#", "comment", "example", "one.exampl", "10.0.0.1", "one.example uno"}) {
    EXPECT_EQ(Find(kHosts, name), Strings{}) << name;
  }
  EXPECT_EQ(Find("", "one.example"), Strings{});
}

TEST(HostsFileTest, LocalhostIsLoopbackUnlessTheFileSaysOtherwise) {
  EXPECT_EQ(Find("", "LocalHost."), (Strings{"127.0.0.1:80", "[::1]:80"}));
  EXPECT_EQ(Find("", "a.localhost"), (Strings{"127.0.0.1:80", "[::1]:80"}));
  EXPECT_EQ(Find("127.0.0.5 localhost", "localhost"), Strings{"127.0.0.5:80"});
  EXPECT_EQ(Find("", "notlocalhost"), Strings{});
}

}  // namespace
}  // namespace halfpipe
