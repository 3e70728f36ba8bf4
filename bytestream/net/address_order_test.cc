#include "bytestream/net/address_order.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

IpAddress Address(absl::string_view text) {
  const std::optional<IpAddress> address = IpAddress::Parse(text, 0);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(IpAddress());
}

// `source` empty: no way there.
Destination Via(absl::string_view address, absl::string_view source) {
  Destination destination;
  destination.address = Address(address);
  if (!source.empty()) destination.source = Address(source);
  return destination;
}

std::string Order(std::vector<Destination> destinations) {
  OrderDestinations(&destinations);
  std::string text;
  for (const Destination& d : destinations) absl::StrAppend(&text, d.address.HostString(), " ");
  return text;
}

// Both orders of the input, so that rule 10 cannot have decided.
void ExpectBefore(const Destination& first, const Destination& second, const char* why) {
  SCOPED_TRACE(why);
  const std::string expected =
      absl::StrCat(first.address.HostString(), " ", second.address.HostString(), " ");
  EXPECT_EQ(Order({first, second}), expected);
  EXPECT_EQ(Order({second, first}), expected);
}

// RFC 6724 section 10.2, the sources chosen as the RFC's result has them.
TEST(AddressOrderTest, ExamplesOfTheRfc) {
  ExpectBefore(Via("2001:db8:1::1", "2001:db8:1::2"), Via("198.51.100.121", "169.254.13.78"),
               "prefer matching scope");
  ExpectBefore(Via("198.51.100.121", "198.51.100.117"), Via("2001:db8:1::1", "fe80::1"),
               "prefer matching scope");
  ExpectBefore(Via("2001:db8:1::1", "2001:db8:1::2"), Via("10.1.2.3", "10.1.2.4"),
               "prefer higher precedence");
  ExpectBefore(Via("fe80::1", "fe80::2"), Via("2001:db8:1::1", "2001:db8:1::2"),
               "prefer smaller scope");
  Destination home = Via("2001:db8:1::1", "2001:db8:3::1");
  home.source_is_home = true;
  Destination care_of = Via("fe80::1", "fe80::2");
  care_of.source_is_care_of = true;
  ExpectBefore(home, care_of, "prefer home address");
  Destination deprecated = Via("fe80::1", "fe80::2");
  deprecated.source_deprecated = true;
  ExpectBefore(Via("2001:db8:1::1", "2001:db8:1::2"), deprecated, "avoid deprecated addresses");
  ExpectBefore(Via("2001:db8:1::1", "2001:db8:1::2"), Via("2001:db8:3ffe::1", "2001:db8:3f44::2"),
               "longest matching prefix");
  ExpectBefore(Via("2002:c633:6401::1", "2002:c633:6401::2"),
               Via("2001:db8:1::1", "2002:c633:6401::2"), "prefer matching label");
  ExpectBefore(Via("2001:db8:1::1", "2001:db8:1::2"), Via("2002:c633:6401::1", "2002:c633:6401::2"),
               "prefer higher precedence");
}

TEST(AddressOrderTest, WhatCannotBeReachedComesLast) {
  ExpectBefore(Via("10.0.0.1", "10.0.0.2"), Via("2001:db8::1", ""), "rule 1");
  // Among those the rules that need no source still hold.
  ExpectBefore(Via("2001:db8::1", ""), Via("10.0.0.1", ""), "rule 6");
  EXPECT_EQ(Order({Via("10.0.0.2", ""), Via("10.0.0.1", "")}), "10.0.0.2 10.0.0.1 ");
}

TEST(AddressOrderTest, HomeAndCareOfAtOnceComesFirst) {
  Destination both = Via("2001:db8:1::1", "2001:db8:1::2");
  both.source_is_home = both.source_is_care_of = true;
  Destination home = Via("2001:db8:2::1", "2001:db8:2::2");
  home.source_is_home = true;
  ExpectBefore(both, home, "rule 4");
}

TEST(AddressOrderTest, NativeTransportComesFirst) {
  Destination tunnel = Via("2001:db8:1::1", "2001:db8:1::2");
  tunnel.encapsulated = true;
  ExpectBefore(Via("2001:db8:2::1", "2001:db8:9::2"), tunnel, "rule 7");
}

TEST(AddressOrderTest, PrefixCountsAsFarAsTheSourcesNetwork) {
  // Alike in 127 and 65 bits, of which 64 are those of the network.
  EXPECT_EQ(Order({Via("2001:db8::8000:0:0:1", "2001:db8::1"), Via("2001:db8::2", "2001:db8::3")}),
            "2001:db8::8000:0:0:1 2001:db8::2 ");
  Destination near = Via("2001:db8::2", "2001:db8::3");
  near.source_prefix_bits = 128;
  Destination far = Via("2001:db8::8000:0:0:1", "2001:db8::1");
  far.source_prefix_bits = 128;
  ExpectBefore(near, far, "rule 9");
}

TEST(AddressOrderTest, Ipv4KeepsTheServersOrderUnlessTheNetworkIsKnown) {
  EXPECT_EQ(Order({Via("10.55.0.1", "10.99.0.2"), Via("10.99.0.1", "10.99.0.2")}),
            "10.55.0.1 10.99.0.1 ");
  Destination near = Via("10.99.0.1", "10.99.0.2");
  near.source_prefix_bits = 16;
  Destination far = Via("10.55.0.1", "10.99.0.2");
  far.source_prefix_bits = 16;
  ExpectBefore(near, far, "rule 9");
}

TEST(AddressOrderTest, EqualOnesStay) {
  EXPECT_EQ(Order({Via("192.0.2.3", "10.0.0.1"), Via("192.0.2.1", "10.0.0.1"),
                   Via("192.0.2.2", "10.0.0.1")}),
            "192.0.2.3 192.0.2.1 192.0.2.2 ");
  EXPECT_EQ(Order({}), "");
}

TEST(AddressOrderTest, PolicyTable) {
  const struct {
    const char* address;
    int precedence;
    int label;
  } kRows[] = {
      {"::1", 50, 0},
      {"::2", 1, 3},
      {"2001:db8::1", 40, 1},
      {"8.8.8.8", 35, 4},
      {"::ffff:1.2.3.4", 35, 4},
      {"2002::1", 30, 2},
      {"2001::1", 5, 5},
      {"2001:1::", 40, 1},
      {"fc00::1", 3, 13},
      {"fdff::1", 3, 13},
      {"fe00::1", 40, 1},
      {"fec0::1", 1, 11},
      {"feff::1", 1, 11},
      {"3ffe::1", 1, 12},
      {"::", 1, 3},
      {"::1.2.3.4", 1, 3},
  };
  for (const auto& row : kRows) {
    const AddressPolicy policy = PolicyOf(Address(row.address));
    EXPECT_EQ(policy.precedence, row.precedence) << row.address;
    EXPECT_EQ(policy.label, row.label) << row.address;
  }
}

TEST(AddressOrderTest, Scopes) {
  const struct {
    const char* address;
    int scope;
  } kRows[] = {
      {"127.0.0.1", 2}, {"127.255.0.9", 2},  {"169.254.1.1", 2}, {"169.255.1.1", 14},
      {"10.0.0.1", 14}, {"192.168.0.1", 14}, {"::1", 2},         {"fe80::1", 2},
      {"febf::1", 2},   {"fec0::1", 5},      {"fd00::1", 14},    {"2001:db8::1", 14},
      {"ff02::1", 2},   {"ff05::1", 5},      {"ff0e::1", 14},    {"::", 14},
  };
  for (const auto& row : kRows)
    EXPECT_EQ(AddressScope(Address(row.address)), row.scope) << row.address;
}

}  // namespace
}  // namespace halfpipe
