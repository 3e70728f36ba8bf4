#include "bytestream/testing/fake_resolver.h"

#include <cerrno>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/testing/fake_connector.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(FakeResolverTest, FollowsItsScript) {
  SimRuntime runtime;
  FakeResolver resolver(&runtime);
  const int64_t start = runtime.clock().NowNanos();
  EXPECT_THAT(resolver.Lookup("a", IpFamily::kIpv4, Deadline::Never()), IsErrno(EADDRNOTAVAIL));
  EXPECT_EQ(runtime.clock().NowNanos(), start);
  resolver.Say("a", IpFamily::kIpv4, {absl::Seconds(1), {"10.0.0.1"}, 0});
  resolver.Say("a", IpFamily::kIpv6, {absl::Seconds(1), {}, EHOSTUNREACH});
  const auto addresses = resolver.Lookup("a", IpFamily::kIpv4, Deadline::Never());
  ASSERT_THAT(addresses, IsOk());
  EXPECT_EQ(addresses->at(0).ToString(), "10.0.0.1:0");
  EXPECT_EQ(runtime.clock().NowNanos(), start + 1'000'000'000);
  EXPECT_THAT(resolver.Lookup("a", IpFamily::kIpv6, Deadline::Never()), IsErrno(EHOSTUNREACH));
  EXPECT_THAT(resolver.Lookup("a", IpFamily::kIpv4, Deadline::In(absl::Milliseconds(999))),
              IsErrno(ETIMEDOUT));
  EXPECT_THAT(resolver.lookups(), testing::ElementsAre("a A", "a A", "a AAAA", "a A"));
}

TEST(FakeConnectorTest, FollowsItsScript) {
  SimRuntime runtime;
  FakeConnector connector(&runtime);
  connector.Say("10.0.0.1", {.delay = absl::Milliseconds(3)});
  connector.Say("10.0.0.2", {.error = ECONNREFUSED, .routed = false});
  const IpAddress good = *IpAddress::Parse("10.0.0.1", 1);
  const IpAddress bad = *IpAddress::Parse("10.0.0.2", 1);
  EXPECT_TRUE(connector.SourceFor(good).has_value());
  EXPECT_FALSE(connector.SourceFor(bad).has_value());
  EXPECT_THAT(connector.Connect(bad, Deadline::Never()), IsErrno(ECONNREFUSED));
  const absl::StatusOr<int> connection = connector.Connect(good, Deadline::Never());
  ASSERT_THAT(connection, IsOk());
  EXPECT_THAT(connector.open(), testing::ElementsAre("10.0.0.1"));
  connector.Close(*connection);
  EXPECT_THAT(connector.open(), testing::IsEmpty());
  EXPECT_THAT(connector.Connect(*IpAddress::Parse("10.0.0.3", 1), Deadline::In(absl::Hours(1))),
              IsErrno(ETIMEDOUT));
  EXPECT_THAT(connector.attempts(),
              testing::ElementsAre("10.0.0.2:1@0", "10.0.0.1:1@0", "10.0.0.3:1@3"));
}

}  // namespace
}  // namespace halfpipe
