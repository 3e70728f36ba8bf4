#include "bytestream/net/happy_eyeballs_plan.h"

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/address_order.h"
#include "bytestream/net/ip_address.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using Kind = HappyEyeballsPlan::Step::Kind;

// Something that happens, and when.
struct Event {
  int millis;
  enum class Kind { kAnswer, kFailure } kind;
  IpFamily family = IpFamily::kIpv6;
  std::vector<std::string> addresses = {};  // none: the answer is `error`
  size_t attempt = 0;
  int error = 0;
};

Event Ipv6(int millis, std::vector<std::string> addresses, int error = EADDRNOTAVAIL) {
  return {millis, Event::Kind::kAnswer, IpFamily::kIpv6, std::move(addresses), 0, error};
}
Event Ipv4(int millis, std::vector<std::string> addresses, int error = EADDRNOTAVAIL) {
  return {millis, Event::Kind::kAnswer, IpFamily::kIpv4, std::move(addresses), 0, error};
}
Event Failure(int millis, size_t attempt, int error) {
  return {millis, Event::Kind::kFailure, IpFamily::kIpv6, {}, attempt, error};
}

std::vector<Destination> Destinations(const std::vector<std::string>& literals) {
  std::vector<Destination> destinations;
  for (const std::string& literal : literals) {
    Destination destination;
    destination.address = *IpAddress::Parse(literal, 0);
    destination.source = IpAddress::Parse(
        destination.address.family() == IpFamily::kIpv6 ? "2001:db8:ffff::2" : "192.0.2.254", 0);
    destinations.push_back(destination);
  }
  return destinations;
}

constexpr int64_t kNanosPerMilli = 1'000'000;

// Plays `events`, which are in order, and gives what the plan does about them:
// "ADDRESS@MILLISECONDS ..." and at the end "waits", or "fails:ERRNO@MILLISECONDS".
std::string Play(const std::vector<Event>& events,
                 HappyEyeballsOptions options = HappyEyeballsOptions()) {
  HappyEyeballsPlan plan(options);
  std::string log;
  int64_t now = 1000 * kNanosPerMilli;
  const int64_t start = now;
  const auto at = [&] { return absl::StrCat("@", (now - start) / kNanosPerMilli); };
  size_t next = 0;
  size_t attempts = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    const HappyEyeballsPlan::Step step = plan.Next(now);
    if (step.kind == Kind::kFail) {
      return absl::StrCat(log, "fails:", ErrnoName(StatusErrno(step.status)), at());
    }
    if (step.kind == Kind::kAttempt) {
      EXPECT_EQ(step.attempt, attempts++);
      absl::StrAppend(&log, step.address.HostString(), at(), " ");
      continue;
    }
    EXPECT_GT(step.until_nanos, now) << "a wait that is over already, after: " << log;
    const int64_t event =
        next < events.size() ? start + events[next].millis * kNanosPerMilli : INT64_MAX;
    if (event == INT64_MAX && step.until_nanos == INT64_MAX) return absl::StrCat(log, "waits");
    if (step.until_nanos < event) {
      now = step.until_nanos;
      continue;
    }
    now = event;
    const Event& e = events[next++];
    const absl::Status status = ErrnoStatus(e.error, "as scripted");
    if (e.kind == Event::Kind::kFailure) {
      plan.OnFailure(e.attempt, status);
    } else if (e.addresses.empty()) {
      plan.OnAnswer(e.family, {}, status, now);
    } else {
      plan.OnAnswer(e.family, Destinations(e.addresses), absl::OkStatus(), now);
    }
  }
  return log + "without end";
}

const std::vector<std::string> kSix = {"2001:db8::1", "2001:db8::2", "2001:db8::3"};
const std::vector<std::string> kFour = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

TEST(HappyEyeballsPlanTest, NothingIsDoneBeforeAnAnswer) { EXPECT_EQ(Play({}), "waits"); }

// RFC 8305 section 3.
TEST(HappyEyeballsPlanTest, TheFirstAttempt) {
  const struct {
    const char* what;
    std::vector<Event> events;
    const char* log;
  } kRows[] = {
      {"IPv6 alone starts at once", {Ipv6(10, {kSix[0]})}, "2001:db8::1@10 waits"},
      {"IPv4 waits for IPv6", {Ipv4(10, {kFour[0]})}, "10.0.0.1@60 waits"},
      {"IPv6 within the delay is first",
       {Ipv4(10, {kFour[0]}), Ipv6(59, {kSix[0]})},
       "2001:db8::1@59 10.0.0.1@309 waits"},
      {"at its very end too",
       {Ipv4(10, {kFour[0]}), Ipv6(60, {kSix[0]})},
       "2001:db8::1@60 10.0.0.1@310 waits"},
      {"after it IPv4 has begun",
       {Ipv4(10, {kFour[0]}), Ipv6(61, {kSix[0]})},
       "10.0.0.1@60 2001:db8::1@310 waits"},
      {"no IPv6 ends the delay", {Ipv4(10, {kFour[0]}), Ipv6(20, {})}, "10.0.0.1@20 waits"},
      {"nor does a failure keep IPv4 back",
       {Ipv4(10, {kFour[0]}), Ipv6(20, {}, EHOSTUNREACH)},
       "10.0.0.1@20 waits"},
      {"no IPv6 first: IPv4 starts at once",
       {Ipv6(5, {}), Ipv4(10, {kFour[0]})},
       "10.0.0.1@10 waits"},
      {"no IPv4 first: IPv6 starts at once",
       {Ipv4(5, {}), Ipv6(500, {kSix[0]})},
       "2001:db8::1@500 waits"},
      {"no IPv6: wait for IPv4", {Ipv6(5, {})}, "waits"},
      {"no IPv4: wait for IPv6", {Ipv4(5, {})}, "waits"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Play(row.events), row.log) << row.what;
}

// RFC 8305 sections 4 and 5.
TEST(HappyEyeballsPlanTest, FamiliesInTurn) {
  EXPECT_EQ(Play({Ipv6(0, kSix), Ipv4(0, kFour)}),
            "2001:db8::1@0 10.0.0.1@250 2001:db8::2@500 10.0.0.2@750 2001:db8::3@1000 "
            "10.0.0.3@1250 waits");
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Ipv4(0, kFour)}),
            "2001:db8::1@0 10.0.0.1@250 10.0.0.2@500 10.0.0.3@750 waits");
  EXPECT_EQ(Play({Ipv6(0, kSix), Ipv4(0, {kFour[0]})}),
            "2001:db8::1@0 10.0.0.1@250 2001:db8::2@500 2001:db8::3@750 waits");
}

TEST(HappyEyeballsPlanTest, TheFirstFamilyMayHaveSeveral) {
  HappyEyeballsOptions options;
  options.first_family_count = 2;
  EXPECT_EQ(Play({Ipv6(0, kSix), Ipv4(0, kFour)}, options),
            "2001:db8::1@0 2001:db8::2@250 10.0.0.1@500 2001:db8::3@750 10.0.0.2@1000 "
            "10.0.0.3@1250 waits");
  options.first_family_count = 9;
  EXPECT_EQ(Play({Ipv6(0, kSix), Ipv4(0, {kFour[0]})}, options),
            "2001:db8::1@0 2001:db8::2@250 2001:db8::3@500 10.0.0.1@750 waits");
  options.first_family_count = 0;  // as 1
  EXPECT_EQ(Play({Ipv6(0, {kSix[0], kSix[1]}), Ipv4(0, {kFour[0]})}, options),
            "2001:db8::1@0 10.0.0.1@250 2001:db8::2@500 waits");
}

TEST(HappyEyeballsPlanTest, LateAnswersJoin) {
  EXPECT_EQ(Play({Ipv4(10, kFour), Ipv6(460, kSix)}),
            "10.0.0.1@60 10.0.0.2@310 2001:db8::1@560 10.0.0.3@810 2001:db8::2@1060 "
            "2001:db8::3@1310 waits");
  EXPECT_EQ(Play({Ipv6(10, kSix), Ipv4(400, kFour)}),
            "2001:db8::1@10 2001:db8::2@260 10.0.0.1@510 2001:db8::3@760 10.0.0.2@1010 "
            "10.0.0.3@1260 waits");
  // After all of the first family have failed: at once.
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Failure(5, 0, ECONNREFUSED), Ipv4(700, {kFour[0]})}),
            "2001:db8::1@0 10.0.0.1@700 waits");
  // While the last one still lasts: when its time is over.
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Ipv4(100, {kFour[0]})}), "2001:db8::1@0 10.0.0.1@250 waits");
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Ipv4(700, {kFour[0]})}), "2001:db8::1@0 10.0.0.1@700 waits");
}

TEST(HappyEyeballsPlanTest, FailuresAdvanceAtOnce) {
  EXPECT_EQ(Play({Ipv6(0, kSix), Ipv4(0, kFour), Failure(30, 0, ECONNREFUSED),
                  Failure(40, 1, ECONNREFUSED)}),
            "2001:db8::1@0 10.0.0.1@30 2001:db8::2@40 10.0.0.2@290 2001:db8::3@540 10.0.0.3@790 "
            "waits");
  // Of an older attempt it says nothing about the newest one.
  EXPECT_EQ(Play({Ipv6(0, {kSix[0], kSix[1]}), Ipv4(0, {kFour[0]}), Failure(300, 0, ECONNREFUSED)}),
            "2001:db8::1@0 10.0.0.1@250 2001:db8::2@500 waits");
}

TEST(HappyEyeballsPlanTest, TheLastFailureIsReported) {
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Ipv4(0, {kFour[0]}), Failure(300, 1, ENETUNREACH),
                  Failure(400, 0, ECONNREFUSED)}),
            "2001:db8::1@0 10.0.0.1@250 fails:ECONNREFUSED@400");
  // Not before everybody has answered.
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Failure(30, 0, ECONNREFUSED)}), "2001:db8::1@0 waits");
  EXPECT_EQ(Play({Ipv6(0, {kSix[0]}), Failure(30, 0, ECONNREFUSED), Ipv4(90, {}, EHOSTUNREACH)}),
            "2001:db8::1@0 fails:ECONNREFUSED@90");
}

TEST(HappyEyeballsPlanTest, WithoutAnyAddressTheAnswersAreReported) {
  EXPECT_EQ(Play({Ipv6(1, {}), Ipv4(2, {})}), "fails:EADDRNOTAVAIL@2");
  EXPECT_EQ(Play({Ipv6(1, {}), Ipv4(2, {}, EHOSTUNREACH)}), "fails:EHOSTUNREACH@2");
  EXPECT_EQ(Play({Ipv6(1, {}, EHOSTUNREACH), Ipv4(2, {})}), "fails:EHOSTUNREACH@2");
  EXPECT_EQ(Play({Ipv4(1, {}, EMFILE), Ipv6(2, {}, 0)}), "fails:EMFILE@2");
  EXPECT_EQ(Play({Ipv4(1, {}, 0), Ipv6(2, {}, 0)}), "fails:EADDRNOTAVAIL@2");
}

TEST(HappyEyeballsPlanTest, DelaysAreBounded) {
  const std::vector<Event> events = {Ipv6(0, {kSix[0], kSix[1]})};
  const struct {
    absl::Duration delay;
    const char* log;
  } kRows[] = {
      {absl::Milliseconds(99), "2001:db8::1@0 2001:db8::2@100 waits"},
      {absl::Milliseconds(100), "2001:db8::1@0 2001:db8::2@100 waits"},
      {absl::Milliseconds(101), "2001:db8::1@0 2001:db8::2@101 waits"},
      {-absl::InfiniteDuration(), "2001:db8::1@0 2001:db8::2@100 waits"},
      {absl::Milliseconds(1999), "2001:db8::1@0 2001:db8::2@1999 waits"},
      {absl::Milliseconds(2000), "2001:db8::1@0 2001:db8::2@2000 waits"},
      {absl::Milliseconds(2001), "2001:db8::1@0 2001:db8::2@2000 waits"},
      {absl::InfiniteDuration(), "2001:db8::1@0 2001:db8::2@2000 waits"},
  };
  for (const auto& row : kRows) {
    HappyEyeballsOptions options;
    options.attempt_delay = row.delay;
    EXPECT_EQ(Play(events, options), row.log) << row.delay;
  }
  HappyEyeballsOptions options;
  options.resolution_delay = absl::ZeroDuration();
  EXPECT_EQ(Play({Ipv4(10, {kFour[0]})}, options), "10.0.0.1@10 waits");
  options.resolution_delay = -absl::Seconds(1);
  EXPECT_EQ(Play({Ipv4(10, {kFour[0]})}, options), "10.0.0.1@10 waits");
  options.resolution_delay = absl::InfiniteDuration();
  EXPECT_EQ(Play({Ipv4(10, {kFour[0]}), Ipv6(9999, {})}, options), "10.0.0.1@9999 waits");
}

TEST(HappyEyeballsPlanTest, AddressesOfAFamilyAreBounded) {
  for (const size_t count :
       {kAttemptsPerFamilyMax - 1, kAttemptsPerFamilyMax, kAttemptsPerFamilyMax + 1}) {
    std::vector<std::string> addresses;
    for (size_t i = 0; i < count; ++i) addresses.push_back(absl::StrCat("10.0.0.", i));
    HappyEyeballsPlan plan{HappyEyeballsOptions()};
    plan.OnAnswer(IpFamily::kIpv4, Destinations(addresses), absl::OkStatus(), 0);
    plan.OnAnswer(IpFamily::kIpv6, {}, absl::OkStatus(), 0);
    size_t attempts = 0;
    for (; plan.Next(0).kind == Kind::kAttempt; ++attempts) {
      plan.OnFailure(attempts, ErrnoStatus(ECONNREFUSED, ""));
    }
    EXPECT_EQ(attempts, std::min(count, kAttemptsPerFamilyMax));
  }
}

TEST(HappyEyeballsPlanTest, EachAddressOnce) {
  EXPECT_EQ(Play({Ipv6(0, {kSix[0], kSix[0]}), Ipv4(0, {kFour[0], kFour[1], kFour[0]})}),
            "2001:db8::1@0 10.0.0.1@250 10.0.0.2@500 waits");
}

// The order is RFC 6724's: IPv6 without a route comes behind IPv4.
TEST(HappyEyeballsPlanTest, WhatCannotBeReachedComesLast) {
  HappyEyeballsPlan plan{HappyEyeballsOptions()};
  std::vector<Destination> six = Destinations({kSix[0]});
  six[0].source.reset();
  plan.OnAnswer(IpFamily::kIpv4, Destinations({kFour[0], kFour[1]}), absl::OkStatus(), 0);
  plan.OnAnswer(IpFamily::kIpv6, six, absl::OkStatus(), 1);
  EXPECT_EQ(plan.Next(1).address.HostString(), kFour[0]);
}

}  // namespace
}  // namespace halfpipe
