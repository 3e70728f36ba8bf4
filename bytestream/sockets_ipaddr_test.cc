#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

using SocketsIpaddrTest = CCallTest;

std::string Text(const dill_ipaddr& addr) {
  char text[IPADDR_MAXSTRLEN];
  EXPECT_EQ(ipaddr_str(&addr, text), text);
  return text;
}

TEST_F(SocketsIpaddrTest, Literals) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 80, 0), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  EXPECT_EQ(ipaddr_port(&addr), 80);
  EXPECT_EQ(ipaddr_family(&addr), AF_INET);
  EXPECT_EQ(ipaddr_len(&addr), static_cast<int>(sizeof(sockaddr_in)));
  ASSERT_EQ(ipaddr_remote(&addr, "2001:DB8:0:0:0:0:0:1", 65535, 0, -1), 0);
  EXPECT_EQ(Text(addr), "2001:db8::1");
  EXPECT_EQ(ipaddr_port(&addr), 65535);
  EXPECT_EQ(ipaddr_family(&addr), AF_INET6);
  EXPECT_EQ(ipaddr_len(&addr), static_cast<int>(sizeof(sockaddr_in6)));
  ASSERT_EQ(ipaddr_remote(&addr, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 0, 0, -1), 0);
  EXPECT_EQ(Text(addr), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST_F(SocketsIpaddrTest, SockaddrIsTheSystemsForm) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "10.1.2.3", 258, 0), 0);
  sockaddr_in v4;
  std::memcpy(&v4, ipaddr_sockaddr(&addr), sizeof(v4));
  EXPECT_EQ(v4.sin_family, AF_INET);
  EXPECT_EQ(ntohs(v4.sin_port), 258);
  EXPECT_EQ(ntohl(v4.sin_addr.s_addr), 0x0a010203u);
}

TEST_F(SocketsIpaddrTest, ModesOfNoName) {
  dill_ipaddr addr;
  for (const int mode : {0, IPADDR_IPV4, IPADDR_PREF_IPV4}) {
    ASSERT_EQ(ipaddr_local(&addr, nullptr, 1, mode), 0);
    EXPECT_EQ(Text(addr), "0.0.0.0");
  }
  for (const int mode : {IPADDR_IPV6, IPADDR_PREF_IPV6}) {
    ASSERT_EQ(ipaddr_local(&addr, nullptr, 1, mode), 0);
    EXPECT_EQ(Text(addr), "::");
  }
}

TEST_F(SocketsIpaddrTest, LiteralOfTheOtherKind) {
  dill_ipaddr addr;
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "127.0.0.1", 1, IPADDR_IPV6));
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "::1", 1, IPADDR_IPV4));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "127.0.0.1", 1, IPADDR_IPV6, -1));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "::1", 1, IPADDR_IPV4, -1));
  EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 1, IPADDR_PREF_IPV6), 0);
  EXPECT_EQ(ipaddr_remote(&addr, "::1", 1, IPADDR_PREF_IPV4, -1), 0);
}

TEST_F(SocketsIpaddrTest, Interfaces) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "lo", 7, IPADDR_IPV4), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  EXPECT_EQ(ipaddr_port(&addr), 7);
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "no_such_interface", 7, 0));
  EXPECT_FAILS(ENODEV, ipaddr_local(&addr, "", 7, 0));
}

TEST_F(SocketsIpaddrTest, NamesOfTheHostsFile) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_remote(&addr, "localhost", 9, IPADDR_IPV4, -1), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  EXPECT_EQ(ipaddr_port(&addr), 9);
  // No waiting is needed for it.
  EXPECT_EQ(ipaddr_remote(&addr, "localhost", 9, 0, 0), 0);
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "no-such-host.invalid", 9, 0, -1));
  dill_ipaddr addrs[4];
  EXPECT_EQ(ipaddr_remotes(addrs, 4, "no-such-host.invalid", 9, 0, -1), 0);
  const int count = ipaddr_remotes(addrs, 4, "x.localhost", 9, IPADDR_PREF_IPV6, -1);
  ASSERT_EQ(count, 2);
  EXPECT_EQ(Text(addrs[0]), "::1");
  EXPECT_EQ(Text(addrs[1]), "127.0.0.1");
  EXPECT_EQ(ipaddr_remotes(addrs, 1, "x.localhost", 9, IPADDR_PREF_IPV4, -1), 1);
  EXPECT_EQ(Text(addrs[0]), "127.0.0.1");
  EXPECT_EQ(ipaddr_remotes(addrs, 4, "x.localhost", 9, IPADDR_IPV6, -1), 1);
  EXPECT_EQ(Text(addrs[0]), "::1");
  EXPECT_EQ(ipaddr_remotes(nullptr, 0, "localhost", 9, 0, -1), 0);
}

TEST_F(SocketsIpaddrTest, BadArguments) {
  dill_ipaddr addr;
  EXPECT_FAILS(EINVAL, ipaddr_local(nullptr, "127.0.0.1", 1, 0));
  EXPECT_FAILS(EINVAL, ipaddr_remote(nullptr, "127.0.0.1", 1, 0, -1));
  EXPECT_FAILS(EINVAL, ipaddr_remote(&addr, nullptr, 1, 0, -1));
  EXPECT_FAILS(EINVAL, ipaddr_remotes(&addr, -1, "127.0.0.1", 1, 0, -1));
  EXPECT_FAILS(EINVAL, ipaddr_remotes(nullptr, 1, "127.0.0.1", 1, 0, -1));
  for (const int port : {-1, 65536}) {
    EXPECT_FAILS(EINVAL, ipaddr_local(&addr, nullptr, port, 0));
    EXPECT_FAILS(EINVAL, ipaddr_remote(&addr, "127.0.0.1", port, 0, -1));
  }
  for (const int mode : {-1, 5}) {
    EXPECT_FAILS(EINVAL, ipaddr_local(&addr, nullptr, 1, mode));
    EXPECT_FAILS(EINVAL, ipaddr_remote(&addr, "127.0.0.1", 1, mode, -1));
  }
}

TEST_F(SocketsIpaddrTest, SetPortAndEqual) {
  dill_ipaddr a;
  dill_ipaddr b;
  ASSERT_EQ(ipaddr_local(&a, "::1", 1, 0), 0);
  ASSERT_EQ(ipaddr_local(&b, "::1", 2, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 1), 1);
  ipaddr_setport(&b, 1);
  EXPECT_EQ(ipaddr_port(&b), 1);
  EXPECT_EQ(ipaddr_equal(&a, &b, 0), 1);
  ASSERT_EQ(ipaddr_local(&b, "::2", 1, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 1), 0);
  ASSERT_EQ(ipaddr_local(&b, "127.0.0.1", 1, 0), 0);
  EXPECT_EQ(ipaddr_equal(&a, &b, 1), 0);
}

// Names that only a name server knows, here a scripted one.
class SocketsNamesTest : public CCallTest {
 protected:
  SocketsNamesTest() {
    auto fake = std::make_unique<FakeResolver>(&runtime_);
    resolver_ = fake.get();
    SetRuntimeResolver(&runtime_, std::move(fake));
  }

  void Ipv4(std::vector<std::string> addresses, int error = 0,
            absl::Duration delay = absl::Milliseconds(1)) {
    resolver_->Say("a.example", IpFamily::kIpv4, {delay, std::move(addresses), error});
  }
  void Ipv6(std::vector<std::string> addresses, int error = 0,
            absl::Duration delay = absl::Milliseconds(1)) {
    resolver_->Say("a.example", IpFamily::kIpv6, {delay, std::move(addresses), error});
  }

  // All addresses, or "errno N".
  std::string Remotes(int mode, int capacity = 8) {
    dill_ipaddr addrs[8];
    const int count = ipaddr_remotes(addrs, capacity, "a.example", 7, mode, now() + 60'000);
    if (count < 0) return "errno " + std::to_string(errno);
    std::string text;
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(ipaddr_port(&addrs[i]), 7);
      text += Text(addrs[i]) + " ";
    }
    return text;
  }

  FakeResolver* resolver_;
};

TEST_F(SocketsNamesTest, Modes) {
  Ipv4({"127.0.0.1", "127.0.0.2"});
  Ipv6({"::1"});
  EXPECT_EQ(Remotes(0), "127.0.0.1 127.0.0.2 ::1 ");
  EXPECT_EQ(Remotes(IPADDR_PREF_IPV4), "127.0.0.1 127.0.0.2 ::1 ");
  EXPECT_EQ(Remotes(IPADDR_PREF_IPV6), "::1 127.0.0.1 127.0.0.2 ");
  EXPECT_EQ(Remotes(IPADDR_IPV4), "127.0.0.1 127.0.0.2 ");
  EXPECT_EQ(Remotes(IPADDR_IPV6), "::1 ");
  EXPECT_EQ(Remotes(0, 1), "127.0.0.1 ");
  EXPECT_EQ(Remotes(IPADDR_PREF_IPV6, 2), "::1 127.0.0.1 ");
  EXPECT_EQ(Remotes(0, 0), "");
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_remote(&addr, "a.example", 7, 0, -1), 0);
  EXPECT_EQ(Text(addr), "127.0.0.1");
  ASSERT_EQ(ipaddr_remote(&addr, "a.example", 7, IPADDR_PREF_IPV6, -1), 0);
  EXPECT_EQ(Text(addr), "::1");
}

TEST_F(SocketsNamesTest, TheOtherKindWhereThereIsNoneOfThePreferred) {
  Ipv4({}, EADDRNOTAVAIL);
  Ipv6({"::1"});
  EXPECT_EQ(Remotes(IPADDR_PREF_IPV4), "::1 ");
  EXPECT_EQ(Remotes(IPADDR_IPV4), "");
  dill_ipaddr addr;
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "a.example", 7, IPADDR_IPV4, -1));
  // Also when the preferred kind does not come in time.
  Ipv4({}, 0, absl::InfiniteDuration());
  int found = -1;
  for (int patience_ms = 100; found != 0 && patience_ms < 60'000; patience_ms *= 3) {
    found = ipaddr_remote(&addr, "a.example", 7, IPADDR_PREF_IPV4, now() + patience_ms);
  }
  ASSERT_EQ(found, 0);
  EXPECT_EQ(Text(addr), "::1");
}

TEST_F(SocketsNamesTest, EachErrno) {
  dill_ipaddr addr;
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "gone.example", 7, 0, -1));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "", 7, 0, -1));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, std::string(254, 'a').c_str(), 7, 0, -1));
  EXPECT_FAILS(EADDRNOTAVAIL, ipaddr_remote(&addr, "a b", 7, 0, -1));
  EXPECT_EQ(ipaddr_remotes(&addr, 1, "gone.example", 7, 0, -1), 0);
  for (const int error : {EHOSTUNREACH, EMFILE, ENFILE, ENOMEM}) {
    Ipv4({}, error);
    EXPECT_FAILS(error, ipaddr_remote(&addr, "a.example", 7, 0, -1));
    EXPECT_FAILS(error, ipaddr_remotes(&addr, 1, "a.example", 7, IPADDR_IPV4, -1));
  }
  Ipv4({}, 0, absl::InfiniteDuration());
  for (const int64_t deadline : {int64_t{0}, now() + 20}) {
    EXPECT_FAILS(ETIMEDOUT, ipaddr_remote(&addr, "a.example", 7, 0, deadline));
    EXPECT_FAILS(ETIMEDOUT, ipaddr_remotes(&addr, 1, "a.example", 7, IPADDR_IPV4, deadline));
  }
}

coroutine void Count(int* counter) {
  while (yield() == 0) ++*counter;
}

TEST_F(SocketsNamesTest, OthersRunDuringALookup) {
  Ipv4({"127.0.0.1"}, 0, absl::Milliseconds(10));
  int counter = 0;
  const int other = go(Count(&counter));
  const int before = counter;
  // A machine that stands still may be through with one of them before others have their turn.
  for (int i = 0; i < 20 && counter <= before + 1; ++i) {
    dill_ipaddr addr;
    EXPECT_EQ(ipaddr_remote(&addr, "a.example", 7, IPADDR_IPV4, -1), 0);
  }
  EXPECT_GT(counter, before + 1);
  EXPECT_EQ(hclose(other), 0);
}

coroutine void LookUp(int* error) {
  dill_ipaddr addr;
  *error = ipaddr_remote(&addr, "a.example", 7, 0, -1) == 0 ? 0 : errno;
}

TEST_F(SocketsNamesTest, ClosingACoroutineEndsItsLookup) {
  Ipv4({}, 0, absl::InfiniteDuration());
  Ipv6({}, 0, absl::InfiniteDuration());
  int error = 0;
  EXPECT_EQ(hclose(go(LookUp(&error))), 0);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_EQ(resolver_->active(), 0);
}

TEST_F(SocketsNamesTest, HappyEyeballs) {
  dill_ipaddr addr;
  ASSERT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
  const int listener = tcp_listen(&addr, 10);
  ASSERT_GE(listener, 0);
  const int port = ipaddr_port(&addr);
  // An address where nobody listens comes first.
  Ipv6({"::1"});
  Ipv4({"127.0.0.77", "127.0.0.1"});
  const int client = happyeyeballs_connect("a.example", port, now() + 60'000);
  ASSERT_GE(client, 0);
  const int server = tcp_accept(listener, nullptr, -1);
  ASSERT_GE(server, 0);
  EXPECT_EQ(bsend(client, "ABC", 3, -1), 0);
  char buf[3];
  EXPECT_EQ(brecv(server, buf, 3, -1), 0);
  EXPECT_EQ(hclose(server), 0);
  EXPECT_EQ(tcp_close(client, -1), 0);
  EXPECT_EQ(hclose(listener), 0);
}

TEST_F(SocketsNamesTest, HappyEyeballsErrnos) {
  for (const int port : {-1, 0, 65536}) {
    EXPECT_FAILS(EINVAL, happyeyeballs_connect("a.example", port, -1));
  }
  EXPECT_FAILS(EINVAL, happyeyeballs_connect(nullptr, 1, -1));
  EXPECT_FAILS(EINVAL, happyeyeballs_connect("", 1, -1));
  EXPECT_FAILS(EADDRNOTAVAIL, happyeyeballs_connect("gone.example", 1, -1));
  Ipv4({"127.0.0.77"});
  EXPECT_FAILS(ECONNREFUSED, happyeyeballs_connect("a.example", 1, now() + 60'000));
  for (const int error : {EHOSTUNREACH, EMFILE, ENFILE, ENOMEM}) {
    Ipv4({}, error);
    EXPECT_FAILS(error, happyeyeballs_connect("a.example", 1, -1));
  }
  Ipv4({}, 0, absl::InfiniteDuration());
  for (const int64_t deadline : {int64_t{0}, now() + 20}) {
    EXPECT_FAILS(ETIMEDOUT, happyeyeballs_connect("a.example", 1, deadline));
  }
}

coroutine void ConnectByName(int* error) {
  *error = happyeyeballs_connect("a.example", 1, -1) >= 0 ? 0 : errno;
}

TEST_F(SocketsNamesTest, ClosingACoroutineEndsHappyEyeballs) {
  Ipv4({}, 0, absl::InfiniteDuration());
  int error = 0;
  EXPECT_EQ(hclose(go(ConnectByName(&error))), 0);
  EXPECT_EQ(error, ECANCELED);
  EXPECT_EQ(resolver_->active(), 0);
}

// Each wait of the caller is cancelled.
TEST_F(SocketsNamesTest, HappyEyeballsCancelledAtEachWait) {
  Ipv6({}, EADDRNOTAVAIL);
  Ipv4({"127.0.0.77"}, 0, absl::Milliseconds(2));
  for (const int fault_error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, fault_error, [&](WaitFault& fault) {
      fault.set_only(runtime_.current());
      int error = 0;
      const int h = go([](int* out, WaitFault* f) {
        f->set_only(Runtime::Current().current());
        *out = happyeyeballs_connect("a.example", 1, -1) >= 0 ? 0 : errno;
      }(&error, &fault));
      EXPECT_EQ(bundle_wait(h, -1), 0);
      EXPECT_EQ(error, fault.hit() ? fault_error : ECONNREFUSED);
      EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_GE(waits, 1);
  }
}

}  // namespace
}  // namespace halfpipe
