#include "bytestream/net/source_address.h"

#include <string>
#include <vector>

#include "bytestream/net/ip_address.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(SourceAddressTest, OfLoopbackItIsLoopback) {
  FdLeakCheck leaks;
  for (const uint16_t port : {uint16_t{0}, uint16_t{80}}) {
    const std::optional<IpAddress> source =
        SourceAddressFor(IpAddress::Loopback(IpFamily::kIpv4, port));
    ASSERT_TRUE(source.has_value());
    EXPECT_EQ(source->ToString(), "127.0.0.1:0");
  }
}

TEST(SourceAddressTest, NothingWhereThereIsNoWay) {
  FdLeakCheck leaks;
  // Nobody has a route to the class that is reserved (RFC 1112 section 4).
  EXPECT_FALSE(SourceAddressFor(*IpAddress::Parse("255.255.255.255", 1)).has_value());
}

TEST(SourceAddressTest, WhatCannotBeReachedComesLast) {
  std::vector<IpAddress> addresses = {*IpAddress::Parse("255.255.255.255", 1),
                                      *IpAddress::Parse("127.0.0.2", 1),
                                      *IpAddress::Parse("127.0.0.1", 1)};
  OrderBySource(&addresses);
  EXPECT_EQ(addresses[0].ToString(), "127.0.0.2:1");
  EXPECT_EQ(addresses[1].ToString(), "127.0.0.1:1");
  EXPECT_EQ(addresses[2].ToString(), "255.255.255.255:1");
}

}  // namespace
}  // namespace halfpipe
