#include "bytestream/net/resolve.h"

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class ResolveTest : public testing::Test {
 protected:
  ResolveTest() {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    EXPECT_NE(file, nullptr);
    std::fputs("10.0.0.1 both four\nfd00::1 both six\n10.0.0.2 both\n", file);
    std::fclose(file);
  }
  ~ResolveTest() override { std::remove(path.c_str()); }

  std::string Remotes(absl::string_view name, AddressChoice choice) {
    const absl::StatusOr<std::vector<IpAddress>> addresses =
        ResolveRemotes(name, 7, choice, path.c_str());
    if (!addresses.ok()) return std::string(ErrnoName(StatusErrno(addresses.status())));
    std::string all;
    for (const IpAddress& address : *addresses) absl::StrAppend(&all, address.ToString(), " ");
    return all;
  }

  const std::string path =
      absl::StrCat(testing::TempDir(), "/resolve_test_",
                   testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ResolveTest, LiteralsStandForThemselves) {
  EXPECT_EQ(Remotes("1.2.3.4", AddressChoice::kPreferIpv4), "1.2.3.4:7 ");
  EXPECT_EQ(Remotes("1.2.3.4", AddressChoice::kPreferIpv6), "1.2.3.4:7 ");
  EXPECT_EQ(Remotes("::1", AddressChoice::kIpv6Only), "[::1]:7 ");
  EXPECT_EQ(Remotes("::1", AddressChoice::kIpv4Only), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("1.2.3.4", AddressChoice::kIpv6Only), "EADDRNOTAVAIL");
}

TEST_F(ResolveTest, NamesComeFromTheHostsFile) {
  EXPECT_EQ(Remotes("both", AddressChoice::kPreferIpv4), "10.0.0.1:7 10.0.0.2:7 [fd00::1]:7 ");
  EXPECT_EQ(Remotes("both", AddressChoice::kPreferIpv6), "[fd00::1]:7 10.0.0.1:7 10.0.0.2:7 ");
  EXPECT_EQ(Remotes("both", AddressChoice::kIpv6Only), "[fd00::1]:7 ");
  EXPECT_EQ(Remotes("four", AddressChoice::kIpv6Only), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("six", AddressChoice::kIpv4Only), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("nobody", AddressChoice::kPreferIpv4), "EADDRNOTAVAIL");
  EXPECT_EQ(Remotes("", AddressChoice::kPreferIpv4), "EINVAL");
  EXPECT_EQ(ResolveRemote("both", 7, AddressChoice::kPreferIpv6, path.c_str())->ToString(),
            "[fd00::1]:7");
  EXPECT_EQ(
      StatusErrno(ResolveRemote("nobody", 7, AddressChoice::kPreferIpv6, path.c_str()).status()),
      EADDRNOTAVAIL);
}

TEST_F(ResolveTest, LocalhostIsLoopbackAlsoWithoutTheFile) {
  EXPECT_EQ(Remotes("LocalHost", AddressChoice::kPreferIpv4), "127.0.0.1:7 [::1]:7 ");
  EXPECT_EQ(Remotes("any.localhost.", AddressChoice::kIpv4Only), "127.0.0.1:7 ");
  EXPECT_EQ(Remotes("notlocalhost", AddressChoice::kIpv4Only), "EADDRNOTAVAIL");
}

TEST_F(ResolveTest, WhatIsKnownWithoutAsking) {
  const auto known = [this](absl::string_view name) {
    const auto addresses = ResolveHere(name, 7, path.c_str());
    return addresses.has_value() ? static_cast<int>(addresses->size()) : -1;
  };
  EXPECT_EQ(known("1.2.3.4"), 1);
  EXPECT_EQ(known("both"), 3);
  EXPECT_EQ(known("localhost"), 2);
  EXPECT_EQ(known("a.invalid"), 0);
  EXPECT_EQ(known("no name"), 0);
  EXPECT_EQ(known(std::string(254, 'a')), 0);
  EXPECT_EQ(known("www.example.org"), -1);
}

TEST_F(ResolveTest, LocalNames) {
  EXPECT_EQ(ResolveLocal("", 7, AddressChoice::kPreferIpv4)->ToString(), "0.0.0.0:7");
  EXPECT_EQ(ResolveLocal("", 7, AddressChoice::kPreferIpv6)->ToString(), "[::]:7");
  EXPECT_EQ(ResolveLocal("127.0.0.1", 7, AddressChoice::kPreferIpv6)->ToString(), "127.0.0.1:7");
  EXPECT_EQ(StatusErrno(ResolveLocal("127.0.0.1", 7, AddressChoice::kIpv6Only).status()), ENODEV);
  EXPECT_EQ(StatusErrno(ResolveLocal("no-such-if", 7, AddressChoice::kPreferIpv4).status()),
            ENODEV);
}

TEST_F(ResolveTest, InterfacesHaveAddresses) {
  const absl::StatusOr<IpAddress> address = ResolveLocal("lo", 7, AddressChoice::kIpv4Only);
  if (!address.ok()) GTEST_SKIP() << "no interface lo with an IPv4 address";
  EXPECT_EQ(address->ToString(), "127.0.0.1:7");
}

// Asking, on simulated time.
class ResolveLookupTest : public testing::Test {
 protected:
  static constexpr absl::Duration kNever = absl::InfiniteDuration();

  void Ipv4(absl::Duration delay, std::vector<std::string> addresses, int error = 0) {
    resolver_.Say("a.example", IpFamily::kIpv4, {delay, std::move(addresses), error});
  }
  void Ipv6(absl::Duration delay, std::vector<std::string> addresses, int error = 0) {
    resolver_.Say("a.example", IpFamily::kIpv6, {delay, std::move(addresses), error});
  }

  // "ADDRESS ..." or "ERRNO", and the milliseconds that it took.
  std::string Remotes(AddressChoice choice, size_t count_max = 100,
                      Deadline deadline = Deadline::Never(), absl::string_view name = "a.example") {
    ResolveOptions options;
    options.choice = choice;
    options.count_max = count_max;
    options.resolver = &resolver_;
    options.hosts_path = "/dev/null";
    const int64_t start = runtime_.clock().NowNanos();
    const absl::StatusOr<std::vector<IpAddress>> addresses =
        ResolveRemotes(&runtime_, name, 7, options, deadline);
    std::string text;
    if (addresses.ok()) {
      for (const IpAddress& a : *addresses) absl::StrAppend(&text, a.ToString(), " ");
    } else {
      absl::StrAppend(&text, ErrnoName(StatusErrno(addresses.status())), " ");
    }
    return absl::StrCat(text, "@", (runtime_.clock().NowNanos() - start) / 1'000'000);
  }

  SimRuntime runtime_;
  FakeResolver resolver_{&runtime_};
};

TEST_F(ResolveLookupTest, EachChoiceAsksForWhatItNeeds) {
  Ipv4(absl::Milliseconds(10), {"127.0.0.1", "127.0.0.2"});
  Ipv6(absl::Milliseconds(20), {"::1"});
  EXPECT_EQ(Remotes(AddressChoice::kIpv4Only), "127.0.0.1:7 127.0.0.2:7 @10");
  EXPECT_THAT(resolver_.lookups(), testing::ElementsAre("a.example A"));
  EXPECT_EQ(Remotes(AddressChoice::kIpv6Only), "[::1]:7 @20");
  EXPECT_EQ(resolver_.lookups().size(), 2u);
  // Both at the same time.
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4), "127.0.0.1:7 127.0.0.2:7 [::1]:7 @20");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv6), "[::1]:7 127.0.0.1:7 127.0.0.2:7 @20");
  EXPECT_EQ(resolver_.lookups().size(), 6u);
}

TEST_F(ResolveLookupTest, NoMoreIsWaitedForThanIsWanted) {
  Ipv4(absl::Milliseconds(10), {"127.0.0.1", "127.0.0.2"});
  Ipv6(absl::Milliseconds(20), {"::1"});
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 1), "127.0.0.1:7 @10");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 2), "127.0.0.1:7 127.0.0.2:7 @10");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 3), "127.0.0.1:7 127.0.0.2:7 [::1]:7 @20");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv6, 1), "[::1]:7 @20");
  EXPECT_EQ(Remotes(AddressChoice::kIpv4Only, 1), "127.0.0.1:7 @10");
  EXPECT_EQ(resolver_.active(), 0);
  EXPECT_EQ(resolver_.cancelled(), 2);
}

TEST_F(ResolveLookupTest, OneAnswerIsEnough) {
  Ipv4(absl::Milliseconds(10), {"127.0.0.1"});
  Ipv6(absl::Milliseconds(20), {});
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv6), "127.0.0.1:7 @20");
  Ipv6(absl::Milliseconds(20), {}, EHOSTUNREACH);
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv6), "127.0.0.1:7 @20");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4), "127.0.0.1:7 @20");
  Ipv6(kNever, {});
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv6, 9, Deadline::In(absl::Milliseconds(100))),
            "127.0.0.1:7 @100");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 9, Deadline::In(absl::Milliseconds(100))),
            "127.0.0.1:7 @100");
}

TEST_F(ResolveLookupTest, NoAnswer) {
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4), "EADDRNOTAVAIL @0");
  EXPECT_EQ(Remotes(AddressChoice::kIpv4Only), "EADDRNOTAVAIL @0");
  Ipv6(absl::Milliseconds(1), {}, EHOSTUNREACH);
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4), "EHOSTUNREACH @1");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv6), "EHOSTUNREACH @1");
  EXPECT_EQ(Remotes(AddressChoice::kIpv6Only), "EHOSTUNREACH @1");
  Ipv6(kNever, {});
  const auto soon = [] { return Deadline::In(absl::Milliseconds(30)); };
  for (const AddressChoice choice :
       {AddressChoice::kPreferIpv4, AddressChoice::kPreferIpv6, AddressChoice::kIpv6Only}) {
    EXPECT_EQ(Remotes(choice, 9, soon()), "ETIMEDOUT @30");
    EXPECT_EQ(Remotes(choice, 9, Deadline::Immediately()), "ETIMEDOUT @0");
  }
}

TEST_F(ResolveLookupTest, NotEverythingIsAskedFor) {
  const Deadline now = Deadline::Immediately();
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 9, now, "1.2.3.4"), "1.2.3.4:7 @0");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 1, now, "x.localhost"), "127.0.0.1:7 @0");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 9, now, "x.invalid"), "EADDRNOTAVAIL @0");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 9, now, "a..b"), "EADDRNOTAVAIL @0");
  EXPECT_EQ(Remotes(AddressChoice::kPreferIpv4, 9, now, ""), "EINVAL @0");
  EXPECT_TRUE(resolver_.lookups().empty());
}

TEST_F(ResolveLookupTest, EveryWaitEnds) {
  Ipv4(absl::Milliseconds(10), {"127.0.0.1"});
  Ipv6(absl::Milliseconds(20), {"::1"});
  const int waits = SweepWaits(&runtime_, ECANCELED, [&](WaitFault& fault) {
    Bundle bundle(&runtime_);
    fault.set_only(runtime_.current());
    ASSERT_THAT(bundle.Go([&] {
      fault.set_only(runtime_.current());
      const std::string text = Remotes(AddressChoice::kPreferIpv4);
      EXPECT_EQ(text.substr(0, 9), fault.hit() ? "ECANCELED" : "127.0.0.1");
    }),
                IsOk());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(resolver_.active(), 0);
  });
  EXPECT_EQ(waits, 2);
}

}  // namespace
}  // namespace halfpipe
