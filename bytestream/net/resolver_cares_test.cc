#include "bytestream/net/resolver_cares.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolver.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/dns_server.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

using Kind = DnsReply::Kind;
using testing::ElementsAre;

// Long enough for a slow machine, so that only a fault of ours lets it pass.
Deadline Patience() { return Deadline::In(absl::Seconds(60)); }

CaresResolver::Options Asking(const DnsServer& server) {
  CaresResolver::Options options;
  options.servers = server.address();
  options.try_timeout_ms =
      30'000;  // A machine that stands still is no server that does not answer.
  return options;
}

// Gives up on a silent server soon.
CaresResolver::Options Hasty(const DnsServer& server) {
  CaresResolver::Options options = Asking(server);
  options.try_timeout_ms = 50;
  options.tries = 2;
  return options;
}

std::string Text(const absl::StatusOr<std::vector<IpAddress>>& addresses) {
  if (!addresses.ok()) return std::string(ErrnoName(StatusErrno(addresses.status())));
  std::string text;
  for (const IpAddress& address : *addresses) absl::StrAppend(&text, address.ToString(), " ");
  return text;
}

std::vector<std::string> Ipv4Addresses(int count) {
  std::vector<std::string> addresses;
  for (int i = 0; i < count; ++i) addresses.push_back(absl::StrCat("192.0.2.", i));
  return addresses;
}

class CaresResolverTest : public testing::Test {
 protected:
  // Soon, that is.
  void ExpectNoneAsked(const CaresResolver& resolver) {
    for (const Deadline end = Patience();
         resolver.asked_count() > 0 && !end.ExpiredAt(runtime_.clock().NowNanos());) {
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
    EXPECT_EQ(resolver.asked_count(), 0u);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  DnsServer server_{&runtime_};
};

TEST_F(CaresResolverTest, EachFamilyIsAskedForAlone) {
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.2", "192.0.2.1"}});
  server_.Say("a.example", IpFamily::kIpv6, {.addresses = {"2001:db8::1"}});
  CaresResolver resolver(&runtime_, Asking(server_));
  EXPECT_EQ(Text(resolver.Lookup("a.example", IpFamily::kIpv4, Patience())),
            "192.0.2.2:0 192.0.2.1:0 ");
  EXPECT_THAT(server_.questions(), ElementsAre("a.example A"));
  EXPECT_EQ(Text(resolver.Lookup("A.Example.", IpFamily::kIpv6, Patience())), "[2001:db8::1]:0 ");
  EXPECT_THAT(server_.questions(), ElementsAre("a.example A", "a.example AAAA"));
}

TEST_F(CaresResolverTest, ANameWithoutAddressesIsNotThere) {
  server_.Say("gone.example", IpFamily::kIpv4, {.kind = Kind::kNoSuchName});
  server_.Say("bare.example", IpFamily::kIpv6, {});
  CaresResolver resolver(&runtime_, Asking(server_));
  EXPECT_THAT(resolver.Lookup("gone.example", IpFamily::kIpv4, Patience()), IsErrno(EADDRNOTAVAIL));
  EXPECT_THAT(resolver.Lookup("bare.example", IpFamily::kIpv6, Patience()), IsErrno(EADDRNOTAVAIL));
}

TEST_F(CaresResolverTest, AliasesAreFollowed) {
  server_.Say(
      "www.example", IpFamily::kIpv4,
      {.addresses = {"192.0.2.7"}, .aliases = {"one.example", "two.example", "three.example"}});
  server_.Say("loose.example", IpFamily::kIpv4, {.aliases = {"nowhere.example"}});
  CaresResolver resolver(&runtime_, Asking(server_));
  EXPECT_EQ(Text(resolver.Lookup("www.example", IpFamily::kIpv4, Patience())), "192.0.2.7:0 ");
  EXPECT_THAT(resolver.Lookup("loose.example", IpFamily::kIpv4, Patience()),
              IsErrno(EADDRNOTAVAIL));
}

TEST_F(CaresResolverTest, ServersThatCannotTell) {
  server_.Say("fails.example", IpFamily::kIpv4, {.kind = Kind::kServerFailure});
  server_.Say("refuses.example", IpFamily::kIpv4, {.kind = Kind::kRefused});
  server_.Say("garbles.example", IpFamily::kIpv4, {.kind = Kind::kMalformed});
  server_.Say("silent.example", IpFamily::kIpv4, {.kind = Kind::kSilence});
  server_.Say("other.example", IpFamily::kIpv4,
              {.kind = Kind::kWrongId, .addresses = {"192.0.2.66"}});
  CaresResolver resolver(&runtime_, Hasty(server_));
  for (const char* const name :
       {"fails.example", "refuses.example", "garbles.example", "silent.example", "other.example"}) {
    EXPECT_THAT(resolver.Lookup(name, IpFamily::kIpv4, Patience()), IsErrno(EHOSTUNREACH)) << name;
  }
  // Silence was answered by asking again.
  EXPECT_GE(std::count(server_.questions().begin(), server_.questions().end(), "silent.example A"),
            2);
  // And none of it broke anything. A machine that is too slow for such haste has several tries.
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  std::string found;
  for (int i = 0; i < 50 && found != "192.0.2.1:0 "; ++i) {
    found = Text(resolver.Lookup("a.example", IpFamily::kIpv4, Patience()));
  }
  EXPECT_EQ(found, "192.0.2.1:0 ");
}

TEST_F(CaresResolverTest, NobodyAtTheServersAddress) {
  CaresResolver::Options options;
  {
    DnsServer dead(&runtime_);
    options = Hasty(dead);
  }
  CaresResolver resolver(&runtime_, options);
  EXPECT_THAT(resolver.Lookup("a.example", IpFamily::kIpv4, Patience()), IsErrno(EHOSTUNREACH));
  EXPECT_EQ(resolver.asked_count(), 0u);
}

TEST_F(CaresResolverTest, TheSecondServerIsAskedWhereTheFirstIsDead) {
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  CaresResolver::Options options = Asking(server_);
  {
    DnsServer dead(&runtime_);
    options.servers = absl::StrCat(dead.address(), ",", server_.address());
  }
  CaresResolver resolver(&runtime_, options);
  EXPECT_EQ(Text(resolver.Lookup("a.example", IpFamily::kIpv4, Patience())), "192.0.2.1:0 ");
}

TEST_F(CaresResolverTest, WhatIsCutOverUdpComesOverTcp) {
  const int max = static_cast<int>(kLookupAddressesMax);
  for (const int count : {max - 1, max, max + 1}) {
    server_.Say("many.example", IpFamily::kIpv4, {.addresses = Ipv4Addresses(count)});
    CaresResolver resolver(&runtime_, Asking(server_));
    const auto addresses = resolver.Lookup("many.example", IpFamily::kIpv4, Patience());
    ASSERT_THAT(addresses, IsOk());
    EXPECT_EQ(addresses->size(), static_cast<size_t>(std::min(count, max)));
    EXPECT_EQ(server_.questions().back(), "many.example A over TCP");
  }
}

TEST_F(CaresResolverTest, NamesThatCannotBeAskedForAreNot) {
  CaresResolver resolver(&runtime_, Asking(server_));
  const std::string label(63, 'a');
  const std::string longest =
      absl::StrCat(label, ".", label, ".", label, ".", std::string(61, 'b'));
  server_.Say(longest, IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  ASSERT_EQ(longest.size(), 253u);
  EXPECT_EQ(Text(resolver.Lookup(longest, IpFamily::kIpv4, Patience())), "192.0.2.1:0 ");
  const size_t asked = server_.questions().size();
  EXPECT_GE(asked, 1u);
  for (const std::string& name :
       {absl::StrCat(longest, "b"), absl::StrCat(label, "a.example"), std::string("a..example"),
        std::string("a b"), std::string(), std::string("a\0b", 3)}) {
    EXPECT_THAT(resolver.Lookup(name, IpFamily::kIpv4, Patience()), IsErrno(EADDRNOTAVAIL));
  }
  EXPECT_EQ(server_.questions().size(), asked);
}

TEST_F(CaresResolverTest, OthersRunWhileOneWaits) {
  server_.Say("slow.example", IpFamily::kIpv4,
              {.addresses = {"192.0.2.1"}, .delay = absl::Milliseconds(30)});
  CaresResolver resolver(&runtime_, Asking(server_));
  bool ran = false;
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    ran = true;
  }),
              IsOk());
  EXPECT_FALSE(ran);
  EXPECT_THAT(resolver.Lookup("slow.example", IpFamily::kIpv4, Patience()), IsOk());
  EXPECT_TRUE(ran);
}

TEST_F(CaresResolverTest, AnExpiredLookupIsLeftAtOnceAndDropped) {
  server_.Say("silent.example", IpFamily::kIpv4, {.kind = Kind::kSilence});
  CaresResolver resolver(&runtime_, Asking(server_));
  EXPECT_THAT(resolver.Lookup("silent.example", IpFamily::kIpv4, Deadline::Immediately()),
              IsErrno(ETIMEDOUT));
  EXPECT_TRUE(server_.questions().empty());
  EXPECT_THAT(
      resolver.Lookup("silent.example", IpFamily::kIpv4, Deadline::In(absl::Milliseconds(30))),
      IsErrno(ETIMEDOUT));
  // Nobody waits for anything, so c-ares soon has no more questions.
  ExpectNoneAsked(resolver);
}

TEST_F(CaresResolverTest, TheLateAnswerOfAnAbandonedLookupIsDropped) {
  server_.Say("late.example", IpFamily::kIpv4,
              {.addresses = {"192.0.2.1"}, .delay = absl::Milliseconds(60)});
  server_.Say("later.example", IpFamily::kIpv4,
              {.addresses = {"192.0.2.2"}, .delay = absl::Milliseconds(120)});
  CaresResolver resolver(&runtime_, Asking(server_));
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(Text(resolver.Lookup("later.example", IpFamily::kIpv4, Patience())), "192.0.2.2:0 ");
  }),
              IsOk());
  EXPECT_THAT(
      resolver.Lookup("late.example", IpFamily::kIpv4, Deadline::In(absl::Milliseconds(20))),
      IsErrno(ETIMEDOUT));
  EXPECT_EQ(bundle.Wait(Patience()), 0);
  ExpectNoneAsked(resolver);
}

TEST_F(CaresResolverTest, ACoroutineIsClosedDuringItsLookup) {
  server_.Say("silent.example", IpFamily::kIpv4, {.kind = Kind::kSilence});
  CaresResolver resolver(&runtime_, Asking(server_));
  for (const bool asked : {false, true}) {
    int error = 0;
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      error = StatusErrno(resolver.Lookup("silent.example", IpFamily::kIpv4, Patience()).status());
    }),
                IsOk());
    if (asked) {
      while (resolver.asked_count() == 0) {
        ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
      }
    }
    bundle.CancelAndJoin();
    EXPECT_EQ(error, ECANCELED);
  }
}

TEST_F(CaresResolverTest, ACancelledCoroutineAsksNothing) {
  CaresResolver resolver(&runtime_, Asking(server_));
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    runtime_.Cancel(runtime_.current());
    EXPECT_THAT(resolver.Lookup("a.example", IpFamily::kIpv4, Patience()), IsErrno(ECANCELED));
  }),
              IsOk());
  EXPECT_TRUE(server_.questions().empty());
}

TEST_F(CaresResolverTest, WaitsSwept) {
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      CaresResolver resolver(&runtime_, Asking(server_));
      Bundle bundle(&runtime_);
      fault.set_only(runtime_.current());  // until the coroutine is known
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        const auto addresses = resolver.Lookup("a.example", IpFamily::kIpv4, Patience());
        EXPECT_THAT(addresses, IsErrno(fault.hit() ? error : 0));
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(Patience()), 0);
    });
    EXPECT_EQ(waits, 1);
  }
}

TEST_F(CaresResolverTest, MoreThanTheLimitWaitInOrder) {
  CaresResolver::Options options = Asking(server_);
  options.lookups_max = 2;
  CaresResolver resolver(&runtime_, options);
  std::vector<int> finished;
  Bundle bundle(&runtime_);
  for (int i = 0; i < 6; ++i) {
    const std::string name = absl::StrCat("n", i, ".example");
    server_.Say(name, IpFamily::kIpv4,
                {.addresses = {absl::StrCat("192.0.2.", i)}, .delay = absl::Milliseconds(5)});
    ASSERT_THAT(bundle.Go([&, i, name] {
      EXPECT_THAT(resolver.Lookup(name, IpFamily::kIpv4, Patience()), IsOk());
      EXPECT_LE(resolver.asked_count(), 2u);
      finished.push_back(i);
    }),
                IsOk());
  }
  // One that is still in the queue may give up.
  EXPECT_THAT(resolver.Lookup("n9.example", IpFamily::kIpv4, Deadline::Immediately()),
              IsErrno(ETIMEDOUT));
  EXPECT_EQ(bundle.Wait(Patience()), 0);
  EXPECT_EQ(finished.size(), 6u);
  ASSERT_GE(server_.questions().size(), 6u);
  // The first two may leave in either order, as may each further pair.
  for (int i = 0; i < 6; ++i) {
    const auto begin = server_.questions().begin();
    const auto at = std::find(begin, server_.questions().end(), absl::StrCat("n", i, ".example A"));
    EXPECT_LE(std::abs(static_cast<int>(at - begin) - i), 1) << i;
  }
}

TEST_F(CaresResolverTest, AbandonedLookupsDoNotKeepOthersOut) {
  server_.Say("silent.example", IpFamily::kIpv4, {.kind = Kind::kSilence});
  server_.Say("slow.example", IpFamily::kIpv4, {.kind = Kind::kSilence});
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.2"}});
  CaresResolver::Options options = Asking(server_);
  options.lookups_max = 4;
  CaresResolver resolver(&runtime_, options);
  Bundle bundle(&runtime_);
  // Somebody waits for this one all the time, so that the others cannot simply be dropped.
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(Text(resolver.Lookup("slow.example", IpFamily::kIpv4, Patience())), "192.0.2.1:0 ");
  }),
              IsOk());
  {
    Bundle impatient(&runtime_);
    for (int i = 0; i < 3; ++i) {
      ASSERT_THAT(impatient.Go([&] {
        EXPECT_THAT(resolver.Lookup("silent.example", IpFamily::kIpv4, Patience()),
                    IsErrno(ECANCELED));
      }),
                  IsOk());
    }
    while (resolver.asked_count() < 4) {
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
    // It is asked for again when the others have gone.
    server_.Say("slow.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  }
  EXPECT_EQ(Text(resolver.Lookup("a.example", IpFamily::kIpv4, Patience())), "192.0.2.2:0 ");
  EXPECT_EQ(bundle.Wait(Patience()), 0);
}

TEST_F(CaresResolverTest, NoDescriptorWhileNothingIsAsked) {
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  CaresResolver resolver(&runtime_, Asking(server_));
  // The engine's own are there from the first wait on.
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
  FdLeakCheck idle;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(resolver.Lookup("a.example", IpFamily::kIpv4, Patience()), IsOk());
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
  }
}

// Lowers the limit of descriptors so that `count` more can be had.
class FewDescriptors {
 public:
  explicit FewDescriptors(int count) {
    getrlimit(RLIMIT_NOFILE, &before_);
    // Fills the gaps below the limit.
    for (int fd = dup(0); fd >= 0 && fd < kLimit; fd = dup(0)) fillers_.push_back(fd);
    for (int i = 0; i < count; ++i) {
      close(fillers_.back());
      fillers_.pop_back();
    }
    rlimit few = before_;
    few.rlim_cur = kLimit;
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() {
    setrlimit(RLIMIT_NOFILE, &before_);
    for (const int fd : fillers_) close(fd);
    close(kLimit);
  }

 private:
  static constexpr int kLimit = 100;
  rlimit before_;
  std::vector<int> fillers_;
};

TEST_F(CaresResolverTest, WithoutDescriptorsItFailsAndRecovers) {
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
  int error = EMFILE;
  int needed = 0;
  while (error != 0 && needed < 20) {
    CaresResolver resolver(&runtime_, Asking(server_));
    absl::StatusOr<std::vector<IpAddress>> addresses(std::vector<IpAddress>{});
    {
      FewDescriptors few(needed);
      addresses = resolver.Lookup("a.example", IpFamily::kIpv4, Patience());
    }
    error = StatusErrno(addresses.status());
    if (error != 0) {
      EXPECT_EQ(error, EMFILE) << "with " << needed << " descriptors";
      EXPECT_THAT(resolver.Lookup("a.example", IpFamily::kIpv4, Patience()), IsOk());
      ++needed;
    }
  }
  EXPECT_EQ(error, 0);
  EXPECT_GE(needed, 2);  // a timer and a socket
}

TEST_F(CaresResolverTest, EachRuntimeHasOne) {
  EXPECT_EQ(RuntimeResolver(&runtime_), RuntimeResolver(&runtime_));
  server_.Say("a.example", IpFamily::kIpv4, {.addresses = {"192.0.2.1"}});
  SetRuntimeResolver(&runtime_, std::make_unique<CaresResolver>(&runtime_, Asking(server_)));
  EXPECT_EQ(Text(RuntimeResolver(&runtime_)->Lookup("a.example", IpFamily::kIpv4, Patience())),
            "192.0.2.1:0 ");
  Resolver* const former = RuntimeResolver(&runtime_);
  {
    Runtime inner;
    EXPECT_NE(RuntimeResolver(&inner), former);
  }
  EXPECT_EQ(RuntimeResolver(&runtime_), former);
  SetRuntimeResolver(&runtime_, nullptr);
  EXPECT_NE(RuntimeResolver(&runtime_), nullptr);
}

// The runtime goes first, with whatever is asked.
TEST(CaresResolverEndTest, ARuntimeEndsRightAfterALookupWasLeft) {
  FdLeakCheck leaks;
  Runtime runtime;
  DnsServer server(&runtime);
  server.Say("silent.example", IpFamily::kIpv4, {.kind = Kind::kSilence});
  SetRuntimeResolver(&runtime, std::make_unique<CaresResolver>(&runtime, Asking(server)));
  EXPECT_THAT(RuntimeResolver(&runtime)->Lookup("silent.example", IpFamily::kIpv4,
                                                Deadline::In(absl::Milliseconds(20))),
              IsErrno(ETIMEDOUT));
}

// A thread that ends abandons its coroutines, in whichever state their lookups are.
TEST(CaresResolverEndTest, AThreadEndsWithLookupsInFlight) {
  FdLeakCheck leaks;
  std::thread([] {
    Runtime& runtime = Runtime::Current();
    CaresResolver::Options options;
    options.servers = "127.0.0.1:9";
    options.try_timeout_ms = 60'000;
    options.lookups_max = 2;
    SetRuntimeResolver(&runtime, std::make_unique<CaresResolver>(&runtime, options));
    // Stays, as its coroutines do.
    static Bundle* bundle = nullptr;
    bundle = new Bundle(&runtime);
    for (int i = 0; i < 4; ++i) {
      EXPECT_THAT(bundle->Go([&runtime] {
        static_cast<void>(
            RuntimeResolver(&runtime)->Lookup("a.example", IpFamily::kIpv4, Deadline::Never()));
      }),
                  IsOk());
    }
    EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(5))), 0);
    EXPECT_THAT(bundle->Go([&runtime] {
      static_cast<void>(
          RuntimeResolver(&runtime)->Lookup("b.example", IpFamily::kIpv4, Deadline::Never()));
    }),
                IsOk());
  }).join();
}

// In a child process with a mount namespace of its own.
TEST(CaresResolverEndTest, WithoutResolvConfThisMachineIsAsked) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr int kCannotTell = 77;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0 ||
        mount("/dev/null", "/etc/resolv.conf", nullptr, MS_BIND, nullptr) != 0) {
      _exit(kCannotTell);
    }
    Runtime runtime;
    CaresResolver::Options options;
    options.try_timeout_ms = 50;
    options.tries = 1;
    CaresResolver resolver(&runtime, options);
    // There is no network at all.
    const auto addresses = resolver.Lookup("a.example", IpFamily::kIpv4, Patience());
    _exit(StatusErrno(addresses.status()) == EHOSTUNREACH ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no namespaces for a file system of its own";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace halfpipe
