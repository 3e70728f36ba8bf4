#include "bytestream/net/happy_eyeballs.h"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/happy_eyeballs_plan.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fake_connector.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using absl::Milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kName[] = "www.example";
constexpr absl::Duration kNever = absl::InfiniteDuration();

// Everything that a race needs, made anew.
struct Scene {
  explicit Scene(Runtime* runtime) : runtime(runtime), resolver(runtime), connector(runtime) {}
  ~Scene() {
    EXPECT_EQ(resolver.active(), 0);
    EXPECT_EQ(connector.active(), 0);
    EXPECT_EQ(runtime->coroutine_count(), coroutines_before);
  }

  void Ipv6(absl::Duration delay, std::vector<std::string> addresses, int error = 0) {
    resolver.Say(kName, IpFamily::kIpv6, {delay, std::move(addresses), error});
  }
  void Ipv4(absl::Duration delay, std::vector<std::string> addresses, int error = 0) {
    resolver.Say(kName, IpFamily::kIpv4, {delay, std::move(addresses), error});
  }

  absl::StatusOr<int> Connect(Deadline deadline = Deadline::Never(), const char* name = kName) {
    const HappyEyeballsParts parts = {runtime, &resolver, &connector, "/dev/null"};
    return HappyEyeballsConnect(parts, name, 80, HappyEyeballsOptions(), deadline);
  }

  std::string attempts() const { return absl::StrJoin(connector.attempts(), " "); }

  Runtime* const runtime;
  const size_t coroutines_before = runtime->coroutine_count();
  FakeResolver resolver;
  FakeConnector connector;
};

class HappyEyeballsTest : public testing::Test {
 protected:
  SimRuntime runtime_;
  Scene scene_{&runtime_};
};

TEST_F(HappyEyeballsTest, BothAtOnceAndIpv6First) {
  scene_.Ipv6(Milliseconds(10), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(10), {"10.0.0.1"});
  scene_.connector.Say("2001:db8::1", {.delay = Milliseconds(20)});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_THAT(scene_.resolver.lookups(), ElementsAre("www.example AAAA", "www.example A"));
  EXPECT_EQ(scene_.attempts(), "[2001:db8::1]:80@10");
  EXPECT_THAT(scene_.connector.open(), ElementsAre("2001:db8::1"));
}

TEST_F(HappyEyeballsTest, SlowAaaa) {
  scene_.Ipv6(absl::Minutes(10), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(10), {"10.0.0.1"});
  scene_.connector.Say("10.0.0.1", {.delay = Milliseconds(5)});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "10.0.0.1:80@60");
  EXPECT_EQ(scene_.resolver.cancelled(), 1);
}

TEST_F(HappyEyeballsTest, AaaaWithinTheDelayIsFirst) {
  scene_.Ipv6(Milliseconds(50), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(10), {"10.0.0.1"});
  scene_.connector.Say("2001:db8::1", {});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "[2001:db8::1]:80@50");
}

TEST_F(HappyEyeballsTest, DeadFirstAddressAdvancesAtOnce) {
  scene_.Ipv6(Milliseconds(1), {"2001:db8::1", "2001:db8::2"});
  scene_.Ipv4(Milliseconds(2), {"10.0.0.1"});
  scene_.connector.Say("2001:db8::1", {.delay = Milliseconds(30), .error = ECONNREFUSED});
  scene_.connector.Say("10.0.0.1", {.delay = Milliseconds(10)});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "[2001:db8::1]:80@1 10.0.0.1:80@31");
}

TEST_F(HappyEyeballsTest, BlackHoleFirstIsNotGivenUp) {
  scene_.Ipv6(Milliseconds(1), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(2), {"10.0.0.1"});
  scene_.connector.Say("2001:db8::1", {.delay = Milliseconds(400)});
  scene_.connector.Say("10.0.0.1", {.delay = Milliseconds(400)});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "[2001:db8::1]:80@1 10.0.0.1:80@251");
  EXPECT_THAT(scene_.connector.open(), ElementsAre("2001:db8::1"));
}

TEST_F(HappyEyeballsTest, AllDead) {
  scene_.Ipv6(Milliseconds(1), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(2), {"10.0.0.1", "10.0.0.2"});
  scene_.connector.Say("2001:db8::1", {.delay = Milliseconds(9), .error = ENETUNREACH});
  scene_.connector.Say("10.0.0.1", {.delay = Milliseconds(300), .error = ECONNREFUSED});
  scene_.connector.Say("10.0.0.2", {.delay = Milliseconds(1), .error = EHOSTUNREACH});
  EXPECT_THAT(scene_.Connect(), IsErrno(ECONNREFUSED));
  EXPECT_EQ(scene_.attempts(), "[2001:db8::1]:80@1 10.0.0.1:80@10 10.0.0.2:80@260");
  EXPECT_THAT(scene_.connector.open(), IsEmpty());
}

TEST_F(HappyEyeballsTest, AnAnswerAfterTheFirstAttemptFailed) {
  scene_.Ipv6(Milliseconds(1), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(900), {"10.0.0.1"});
  scene_.connector.Say("2001:db8::1", {.error = ECONNREFUSED});
  scene_.connector.Say("10.0.0.1", {});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "[2001:db8::1]:80@1 10.0.0.1:80@900");
}

TEST_F(HappyEyeballsTest, NoAddresses) {
  EXPECT_THAT(scene_.Connect(), IsErrno(EADDRNOTAVAIL));
  scene_.Ipv4(Milliseconds(5), {}, EHOSTUNREACH);
  EXPECT_THAT(scene_.Connect(), IsErrno(EHOSTUNREACH));
  EXPECT_EQ(scene_.attempts(), "");
}

TEST_F(HappyEyeballsTest, OneFamilyFails) {
  scene_.Ipv6(Milliseconds(5), {}, EHOSTUNREACH);
  scene_.Ipv4(Milliseconds(10), {"10.0.0.1"});
  scene_.connector.Say("10.0.0.1", {});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "10.0.0.1:80@10");
}

TEST_F(HappyEyeballsTest, WhatIsKnownIsNotAskedFor) {
  scene_.connector.Say("::1", {.error = ECONNREFUSED});
  scene_.connector.Say("127.0.0.1", {});
  scene_.connector.Say("10.9.9.9", {});
  ASSERT_THAT(scene_.Connect(Deadline::Immediately(), "10.9.9.9"), IsOk());
  ASSERT_THAT(scene_.Connect(Deadline::Immediately(), "LOCALHOST"), IsOk());
  EXPECT_EQ(scene_.attempts(), "10.9.9.9:80@0 [::1]:80@0 127.0.0.1:80@0");
  const absl::StatusOr<int> nobody = scene_.Connect(Deadline::Never(), "a.invalid");
  EXPECT_THAT(nobody, IsErrno(EADDRNOTAVAIL));
  EXPECT_TRUE(absl::StrContains(nobody.status().message(), "a.invalid")) << nobody.status();
  EXPECT_THAT(scene_.Connect(Deadline::Never(), "no name"), IsErrno(EADDRNOTAVAIL));
  EXPECT_THAT(scene_.Connect(Deadline::Never(), ""), IsErrno(EINVAL));
  EXPECT_THAT(scene_.resolver.lookups(), IsEmpty());
}

TEST_F(HappyEyeballsTest, Ipv6WithoutARouteComesSecond) {
  scene_.Ipv4(Milliseconds(1), {"10.0.0.1"});
  scene_.Ipv6(Milliseconds(2), {"2001:db8::1"});
  scene_.connector.Say("2001:db8::1", {.error = ENETUNREACH, .routed = false});
  scene_.connector.Say("10.0.0.1", {.delay = Milliseconds(300)});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.attempts(), "10.0.0.1:80@2 [2001:db8::1]:80@252");
}

// Two connections in the same moment: one is returned, the other one closed.
TEST_F(HappyEyeballsTest, LosersAreClosed) {
  scene_.Ipv6(Milliseconds(1), {"2001:db8::1"});
  scene_.Ipv4(Milliseconds(1), {"10.0.0.1", "10.0.0.2"});
  scene_.connector.Say("2001:db8::1", {.delay = Milliseconds(500)});
  scene_.connector.Say("10.0.0.1", {.delay = Milliseconds(250)});
  ASSERT_THAT(scene_.Connect(), IsOk());
  EXPECT_EQ(scene_.connector.open().size(), 1u);
}

TEST_F(HappyEyeballsTest, TheDeadlineIsForAllOfIt) {
  const struct {
    const char* what;
    absl::Duration answers;
    absl::Duration connects;
    absl::Duration deadline;
  } kRows[] = {
      {"at once", kNever, kNever, absl::ZeroDuration()},
      {"while asking", kNever, kNever, Milliseconds(30)},
      {"in the resolution delay", Milliseconds(10), kNever, Milliseconds(40)},
      {"while connecting", Milliseconds(10), kNever, Milliseconds(100)},
      {"after the second attempt", Milliseconds(10), kNever, Milliseconds(400)},
      {"ten minutes later", Milliseconds(10), kNever, absl::Minutes(10)},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.what);
    Scene scene(&runtime_);
    scene.Ipv4(row.answers, {"10.0.0.1", "10.0.0.2"});
    scene.Ipv6(kNever, {"2001:db8::1"});
    scene.connector.Say("10.0.0.1", {.delay = row.connects});
    const Deadline deadline = Deadline::In(row.deadline);
    EXPECT_THAT(scene.Connect(deadline), IsErrno(ETIMEDOUT));
    if (!deadline.is_immediate()) {
      EXPECT_EQ(runtime_.clock().NowNanos(), deadline.nanos());
    }
    EXPECT_THAT(scene.connector.open(), IsEmpty());
  }
}

// A scenario with every kind of wait: for an answer, in the delay, between attempts, for the last.
void SetLongScene(Scene* scene) {
  scene->Ipv4(Milliseconds(10), {"10.0.0.1", "10.0.0.2"});
  scene->Ipv6(Milliseconds(200), {"2001:db8::1"});
  scene->connector.Say("10.0.0.1", {.delay = Milliseconds(20), .error = ECONNREFUSED});
  scene->connector.Say("10.0.0.2", {.delay = Milliseconds(2000)});
  scene->connector.Say("2001:db8::1", {.delay = Milliseconds(1000)});
}

TEST_F(HappyEyeballsTest, EveryWaitOfTheCallerEnds) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Scene scene(&runtime_);
      SetLongScene(&scene);
      Bundle bundle(&runtime_);
      fault.set_only(runtime_.current());
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        const absl::StatusOr<int> connection = scene.Connect();
        EXPECT_THAT(connection, IsErrno(fault.hit() ? error : 0));
        EXPECT_EQ(scene.connector.open().size(), connection.ok() ? 1u : 0u);
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    });
    EXPECT_GE(waits, 5);
  }
}

// Waits of lookups and attempts that end badly are failures like others.
TEST_F(HappyEyeballsTest, EveryWaitOfAllEnds) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Scene scene(&runtime_);
      SetLongScene(&scene);
      Bundle bundle(&runtime_);
      fault.set_except(runtime_.current());
      ASSERT_THAT(bundle.Go([&] {
        const absl::StatusOr<int> connection = scene.Connect();
        EXPECT_EQ(scene.connector.open().size(), connection.ok() ? 1u : 0u);
      }),
                  IsOk());
      ASSERT_EQ(bundle.Wait(Deadline::Never()), 0);
    });
    EXPECT_GE(waits, 8);
  }
}

// A coroutine is cancelled at any time of the scenario, which lasts 1330 ms.
TEST_F(HappyEyeballsTest, CancelledAtAnyTime) {
  int cancelled = 0;
  for (int millis = 0; millis < 1400; millis += 7) {
    Scene scene(&runtime_);
    SetLongScene(&scene);
    absl::StatusOr<int> connection(-1);
    {
      Bundle bundle(&runtime_);
      ASSERT_THAT(bundle.Go([&] { connection = scene.Connect(); }), IsOk());
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(Milliseconds(millis))), 0);
    }
    if (!connection.ok()) {
      ++cancelled;
      EXPECT_THAT(connection, IsErrno(ECANCELED));
    }
    EXPECT_EQ(scene.connector.open().size(), connection.ok() ? 1u : 0u);
  }
  EXPECT_EQ(cancelled, 1330 / 7);  // a connection in the very moment counts
}

TEST_F(HappyEyeballsTest, ACancelledCoroutineBeginsNothing) {
  scene_.Ipv6(Milliseconds(1), {"2001:db8::1"});
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    runtime_.Cancel(runtime_.current());
    EXPECT_THAT(scene_.Connect(), IsErrno(ECANCELED));
  }),
              IsOk());
  EXPECT_THAT(scene_.resolver.lookups(), IsEmpty());
}

// In the moment in which time runs out: what is made counts.
TEST_F(HappyEyeballsTest, AConnectionAtTheDeadlineIsNotLost) {
  scene_.Ipv6(Milliseconds(10), {"2001:db8::1"});
  scene_.Ipv4(kNever, {});
  scene_.connector.Say("2001:db8::1", {.delay = Milliseconds(40)});
  const absl::StatusOr<int> connection = scene_.Connect(Deadline::In(Milliseconds(50)));
  EXPECT_EQ(scene_.connector.open().size(), connection.ok() ? 1u : 0u);
}

}  // namespace
}  // namespace halfpipe
