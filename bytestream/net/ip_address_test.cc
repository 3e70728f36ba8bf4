#include "bytestream/net/ip_address.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

std::string Printed(absl::string_view text) {
  const std::optional<IpAddress> address = IpAddress::Parse(text, 80);
  return address ? address->ToString() : "none";
}

TEST(IpAddressTest, ParsesLiteralsAndPrintsThem) {
  EXPECT_EQ(Printed("127.0.0.1"), "127.0.0.1:80");
  EXPECT_EQ(Printed("255.255.255.255"), "255.255.255.255:80");
  EXPECT_EQ(Printed("::1"), "[::1]:80");
  EXPECT_EQ(Printed("2001:DB8:0:0:0:0:0:1"), "[2001:db8::1]:80");
  EXPECT_EQ(Printed("::ffff:1.2.3.4"), "[::ffff:1.2.3.4]:80");
  EXPECT_EQ(Printed("fe80::1%7"), "[fe80::1%7]:80");
  EXPECT_EQ(Printed("fe80::1%4294967295"), "[fe80::1%4294967295]:80");
}

TEST(IpAddressTest, RefusesOtherText) {
  const std::string with_nul("127.0.0.1\0x", 11);
  for (const absl::string_view text : {"",
                                       "localhost",
                                       "1.2.3",
                                       "1.2.3.4.5",
                                       "1.2.3.256",
                                       " 1.2.3.4",
                                       "1.2.3.4 ",
                                       "01.2.3.4",
                                       "0x7f.0.0.1",
                                       ":",
                                       ":::",
                                       "::1::",
                                       "1:2:3:4:5:6:7",
                                       "12345::",
                                       "::1%",
                                       "fe80::1%no-such-if",
                                       "fe80::1%4294967296",
                                       "[::1]",
                                       "1.2.3.4%1",
                                       "::1 "}) {
    EXPECT_EQ(Printed(text), "none") << std::string(text);
  }
  EXPECT_EQ(Printed(with_nul), "none");
  EXPECT_EQ(Printed(std::string(5000, ':')), "none");
}

TEST(IpAddressTest, ScopeMayBeAnInterfacesName) {
  const unsigned int loopback = if_nametoindex("lo");
  if (loopback == 0) GTEST_SKIP() << "no interface lo";
  EXPECT_EQ(IpAddress::Parse("fe80::1%lo", 1)->HostString(), "fe80::1%" + std::to_string(loopback));
}

TEST(IpAddressTest, ParsesOneFamilyOnly) {
  EXPECT_TRUE(IpAddress::Parse("1.2.3.4", 1, IpFamily::kIpv4));
  EXPECT_FALSE(IpAddress::Parse("1.2.3.4", 1, IpFamily::kIpv6));
  EXPECT_TRUE(IpAddress::Parse("::1", 1, IpFamily::kIpv6));
  EXPECT_FALSE(IpAddress::Parse("::1", 1, IpFamily::kIpv4));
}

TEST(IpAddressTest, ParsesHostAndPort) {
  const auto printed = [](absl::string_view text) {
    const std::optional<IpAddress> address = IpAddress::ParseWithPort(text);
    return address ? address->ToString() : "none";
  };
  EXPECT_EQ(printed("127.0.0.1:0"), "127.0.0.1:0");
  EXPECT_EQ(printed("127.0.0.1:65535"), "127.0.0.1:65535");
  EXPECT_EQ(printed("[::1]:8080"), "[::1]:8080");
  for (const absl::string_view text :
       {"127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1: 1", "127.0.0.1:99999999999999999999", "::1:80", "[::1]", "[::1:80", "[:80",
        "[]:80", "[127.0.0.1]:80", ":80", ""}) {
    EXPECT_EQ(printed(text), "none") << std::string(text);
  }
}

TEST(IpAddressTest, SpecialAddresses) {
  EXPECT_EQ(IpAddress().ToString(), "0.0.0.0:0");
  EXPECT_EQ(IpAddress::Any(IpFamily::kIpv6, 5).ToString(), "[::]:5");
  EXPECT_EQ(IpAddress::Loopback(IpFamily::kIpv4, 5).ToString(), "127.0.0.1:5");
  EXPECT_EQ(IpAddress::Loopback(IpFamily::kIpv6, 5).ToString(), "[::1]:5");
}

TEST(IpAddressTest, EqualityComparesAddressScopeAndPort) {
  const IpAddress a = *IpAddress::Parse("fe80::1%1", 80);
  IpAddress b = a;
  EXPECT_EQ(a, b);
  b.set_port(81);
  EXPECT_EQ(b.port(), 81);
  EXPECT_FALSE(a == b);
  EXPECT_TRUE(a.SameHost(b));
  EXPECT_FALSE(a.SameHost(*IpAddress::Parse("fe80::1%2", 80)));
  EXPECT_FALSE(a.SameHost(*IpAddress::Parse("fe80::2%1", 80)));
  EXPECT_FALSE(IpAddress::Any(IpFamily::kIpv4, 1) == IpAddress::Any(IpFamily::kIpv6, 1));
  EXPECT_FALSE(IpAddress::Parse("1.2.3.4", 1)->SameHost(*IpAddress::Parse("1.2.3.5", 1)));
}

TEST(IpAddressTest, RoundTripsThroughTheSystemsForm) {
  for (const absl::string_view text : {"1.2.3.4", "fe80::1%3"}) {
    const IpAddress address = *IpAddress::Parse(text, 4242);
    const std::optional<IpAddress> back =
        IpAddress::FromSockaddr(address.sockaddr_ptr(), address.sockaddr_size());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, address);
    EXPECT_FALSE(IpAddress::FromSockaddr(address.sockaddr_ptr(), address.sockaddr_size() - 1));
  }
  sockaddr_un other = {};
  other.sun_family = AF_UNIX;
  EXPECT_FALSE(IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&other), sizeof(other)));
  EXPECT_FALSE(IpAddress::FromSockaddr(nullptr, 0));
}

}  // namespace
}  // namespace halfpipe
