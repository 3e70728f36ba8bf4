// Everything that can fail behind the C calls of SOCKS 5 does: each system call, each request for
// memory, each wait, on the client's side and on the proxy's. Whoever calls gets an errno that the
// header names, nothing leaks, and what may be called again loses nothing.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/pair.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/socks5.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/ended_call.h"
#include "bytestream/testing/ended_call_fixture.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/patience.h"
#include "bytestream/testing/slow_network.h"
#include "bytestream/testing/stream_handle.h"
#include "bytestream/testing/syscall_faults.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

// Nothing here takes long. What would wait for ever is told by an errno that nobody expects.
int64_t Soon() { return now() + 20'000; }

constexpr int kPort = 443;
constexpr char kName[] = "a.example";
constexpr char kAddress[] = "10.1.2.3";

// Made when it is first asked for, which is where nothing fails yet.
dill_ipaddr Address() {
  static const dill_ipaddr kAddr = [] {
    dill_ipaddr addr;
    EXPECT_EQ(ipaddr_remote(&addr, kAddress, kPort, IPADDR_IPV4, -1), 0);
    return addr;
  }();
  return kAddr;
}

int Accept(const char*, const char*) { return 1; }
int AcceptLater(const char*, const char*) {
  static_cast<void>(msleep(now() + 1));
  return 1;
}

// How the client asks, and how the proxy receives that.
enum class Way { kAddress, kName, kLookup };
constexpr Way kWays[] = {Way::kAddress, Way::kName, Way::kLookup};
const char* WayName(Way way) {
  static constexpr const char* kNames[] = {"by address", "by name", "by name that is looked up"};
  return kNames[static_cast<int>(way)];
}

// The two ends' calls.
int ClientConnect(int s, Way way) {
  dill_ipaddr addr = Address();
  return Outcome(way == Way::kAddress
                     ? socks5_client_connect(s, "user", "pass", &addr, Soon())
                     : socks5_client_connectbyname(s, "user", "pass", kName, kPort, Soon()));
}

int ProxyReceive(int s, Way way) {
  std::string host(256, '\0');
  int port = 0;
  int result;
  if (way == Way::kName) {
    result = Outcome(socks5_proxy_recvcommandbyname(s, host.data(), &port, Soon()));
  } else {
    dill_ipaddr addr;
    result = Outcome(socks5_proxy_recvcommand(s, &addr, Soon()));
    if (result > 0) {
      ipaddr_str(&addr, host.data());
      port = ipaddr_port(&addr);
    }
  }
  if (result > 0) {
    EXPECT_EQ(result, SOCKS5_CONNECT);
    EXPECT_STREQ(host.c_str(), way == Way::kName ? kName : kAddress);
    EXPECT_EQ(port, kPort);
  }
  return result;
}

int ProxyReply(int s) {
  dill_ipaddr addr = Address();
  return Outcome(socks5_proxy_sendreply(s, SOCKS5_SUCCESS, &addr, Soon()));
}

// Has the runtime of this thread know the name, after a while: an address, or one of each kind.
void KnowName(bool of_each_kind = false) {
  Address();
  Runtime& runtime = Runtime::Current();
  auto resolver = std::make_unique<FakeResolver>(&runtime);
  resolver->Say(kName, IpFamily::kIpv4, {absl::Milliseconds(1), {kAddress}, 0});
  if (of_each_kind) {
    resolver->Say(kName, IpFamily::kIpv6, {absl::Milliseconds(1), {"2001:db8::7"}, 0});
  }
  SetRuntimeResolver(&runtime, std::move(resolver));
}

// A whole talk, either end of which may fail. What may be called again is, once.
class Talk {
 public:
  explicit Talk(Way way) : way_(way) {}

  // Takes both handles over. From `begin` on things may fail: before that a coroutine has to be
  // started.
  void Run(int client, int proxy, const std::function<void()>& begin) {
    const int h = go({
      EXPECT_EQ(yield(), 0);
      proxy_talked_ = Proxy(proxy);
      EXPECT_EQ(hclose(proxy), 0);
    });
    ASSERT_GT(h, 0);
    begin();
    client_talked_ = Client(client);
    EXPECT_EQ(hclose(client), 0);
    EXPECT_EQ(bundle_wait(h, -1), 0);
    EXPECT_EQ(hclose(h), 0);
  }

  bool talked() const { return client_talked_ && proxy_talked_; }
  // Each errno that a call has failed with, in order, of either end.
  const std::vector<int>& told() const { return told_; }

 private:
  int Note(int result) {
    if (result < 0) told_.push_back(-result);
    return result;
  }
  int Again(const std::function<int()>& call) {
    const int result = Note(call());
    const bool again = result == -ETIMEDOUT || result == -ECANCELED || IsShortage(-result);
    return again ? Note(call()) : result;
  }

  bool Client(int s) {
    if (Note(ClientConnect(s, way_)) != 0) return false;
    char hello[5];
    if (Again([&] { return Outcome(brecv(s, hello, sizeof(hello), Soon())); }) != 0) return false;
    EXPECT_EQ(std::string(hello, sizeof(hello)), "hello");
    return true;
  }

  bool Proxy(int s) {
    if (Note(Outcome(socks5_proxy_auth(s, Accept, Soon()))) != 0) return false;
    if (Again([&] { return ProxyReceive(s, way_); }) < 0) return false;
    if (Again([&] { return ProxyReply(s); }) != 0) return false;
    return Again([&] { return Outcome(bsend(s, "hello", 5, Soon())); }) == 0;
  }

  const Way way_;
  bool client_talked_ = false;
  bool proxy_talked_ = false;
  std::vector<int> told_;
};

// ---- System calls ------------------------------------------------------------------------------

class Socks5SyscallFaultTest : public testing::TestWithParam<Transport> {};

INSTANTIATE_TEST_SUITE_P(Sockets, Socks5SyscallFaultTest,
                         testing::Values(Transport::kUnix, Transport::kTcp),
                         [](const testing::TestParamInfo<Transport>& info) {
                           return TransportName(info.param);
                         });

// What a call may tell: the errno of the one that failed, or that the other end has gone.
std::set<int> Expected(const SyscallFault& fault) {
  std::set<int> expected = {ECONNRESET, EPIPE};
  if (const int error = ErrorOfStreamCall(fault.call(), fault.error())) expected.insert(error);
  return expected;
}

TEST_P(Socks5SyscallFaultTest, EverySystemCallOfATalk) {
  const bool tcp = GetParam() == Transport::kTcp;
  for (const Way way : kWays) {
    int runs = 0;
    int talked = 0;
    const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
      fault.set_armed(false);
      FdLeakCheck leaks;
      Runtime runtime;
      KnowName();
      std::array<int, 2> s = ConnectedFds(GetParam());
      for (int& each : s) {
        each = tcp ? tcp_fromfd(each) : ipc_fromfd(each);
        ASSERT_GT(each, 0);
      }
      Talk talk(way);
      talk.Run(s[0], s[1], [&] { fault.set_armed(true); });
      fault.set_armed(false);
      ++runs;
      if (talk.talked()) ++talked;
      if (!fault.hit()) {
        EXPECT_TRUE(talk.talked());
      }
      // After a failure that is told and has not passed, nobody believes that all is well.
      if (talk.told().empty()) {
        EXPECT_TRUE(talk.talked());
      }
      const std::set<int> expected = Expected(fault);
      for (const int error : talk.told()) {
        EXPECT_TRUE(fault.hit() && expected.count(error) > 0) << "errno " << error;
      }
      EXPECT_EQ(HandleTable::Current().live_count(), 0u);
      EXPECT_EQ(runtime.coroutine_count(), 0u);
      EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
    });
    std::printf("%s over %s: %d system calls, %d runs, %d of them to the end\n", WayName(way),
                TransportName(GetParam()), calls, runs, talked);
    EXPECT_GE(calls, 12);
  }
}

// ---- Memory ------------------------------------------------------------------------------------

TEST(Socks5AllocationTest, EveryRequestForMemoryOfATalk) {
  for (const Way way : kWays) {
    const int requests = SweepAllocations([&](AllocationFault& fault) {
      fault.set_armed(false);
      FdLeakCheck leaks;
      Runtime runtime;
      KnowName(/*of_each_kind=*/true);
      PairOptions options;
      options.capacity_bytes = 3;  // so that there are tails
      auto [a, b] = MakePair(&runtime, options);
      Talk talk(way);
      talk.Run(StreamHandle::Make(std::move(a)), StreamHandle::Make(std::move(b)),
               [&] { fault.set_armed(true); });
      fault.set_armed(false);
      if (!fault.hit()) {
        EXPECT_TRUE(talk.talked());
      }
      // What was taken over and can be neither kept nor sent ends the connection.
      for (const int error : talk.told()) {
        EXPECT_TRUE(fault.hit() && (error == ENOMEM || error == ECONNRESET || error == EPIPE))
            << error;
      }
      if (talk.told().empty()) {
        EXPECT_TRUE(talk.talked());
      }
      EXPECT_EQ(HandleTable::Current().live_count(), 0u);
      EXPECT_EQ(runtime.coroutine_count(), 0u);
      EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
    });
    std::printf("%s: %d requests for memory\n", WayName(way), requests);
    // Only a lookup makes any.
    EXPECT_GE(requests, way == Way::kLookup ? 1 : 0);
  }
}

// ---- Waits -------------------------------------------------------------------------------------

class Socks5SweepTest : public EndedCallTest {
 protected:
  // The same with two connected handles, which it closes: over a slow network in memory, or over
  // sockets.
  int Sweep(const char* what, const std::function<void(EndedCall*, int, int)>& scenario) {
    return EndedCallTest::Sweep(what, [&](EndedCall* run) {
      KnowName();
      std::optional<SlowNetwork> network;
      if (medium() == Medium::kMemory) network.emplace(/*piece_bytes=*/2);
      const std::array<int, 2> s = medium() == Medium::kMemory ? network->ends() : Sockets();
      scenario(run, s[0], s[1]);
      for (const int each : s) EXPECT_EQ(hclose(each), 0);
    });
  }

  // The proxy's end is the one that can send little.
  std::array<int, 2> Sockets() {
    const std::array<int, 2> s = Connected(/*pair_bytes=*/0);
    return {s[1], s[0]};
  }

  void ExpectEnded(const EndedCall& run, int result) {
    if (result >= 0) return;
    EXPECT_TRUE(run.hit());
    EXPECT_EQ(result, -ErrorOf(end()));
  }

  // The least number of waits that make a sweep.
  int Least(int on_slow) const { return medium() == Medium::kMemory ? on_slow : 1; }
};

INSTANTIATE_TEST_SUITE_P(Lower, Socks5SweepTest,
                         testing::Combine(testing::ValuesIn(kEveryMedium),
                                          testing::ValuesIn(kEveryEnd)),
                         Socks5SweepTest::Name);

// All that a proxy does, until something fails.
int WholeProxy(int s, Way way) {
  int result = Outcome(socks5_proxy_auth(s, AcceptLater, Soon()));
  if (result == 0) result = ProxyReceive(s, way);
  if (result >= 0) result = ProxyReply(s);
  return result;
}

TEST_P(Socks5SweepTest, Client) {
  for (const Way way : kWays) {
    const int waits = Sweep("client's connect", [&](EndedCall* run, int client, int proxy) {
      int proxied = -1;
      const int h = go(proxied = WholeProxy(proxy, way));
      run->Begin([&] { return ClientConnect(client, way); });
      const int result = run->Finish([] {});
      ExpectEnded(*run, result);
      if (result == 0) {
        EXPECT_EQ(bundle_wait(h, -1), 0);
        EXPECT_EQ(proxied, 0);
        // The connection begins right behind the talk.
        char byte = 0;
        EXPECT_EQ(bsend(proxy, "x", 1, -1), 0);
        EXPECT_EQ(brecv(client, &byte, 1, -1), 0);
        EXPECT_EQ(byte, 'x');
      }
      EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_GE(waits, Least(4));
  }
}

TEST_P(Socks5SweepTest, ProxyAuth) {
  for (dill_socks5_auth_function* const function : {+Accept, +AcceptLater}) {
    const int waits = Sweep("socks5_proxy_auth()", [&](EndedCall* run, int client, int proxy) {
      const int h = go(static_cast<void>(ClientConnect(client, Way::kName)));
      run->Begin([&] { return Outcome(socks5_proxy_auth(proxy, function, -1)); });
      const int result = run->Finish([] {});
      // A function that was cut short has decided all the same.
      ExpectEnded(*run, result);
      if (result == 0) {
        EXPECT_EQ(ProxyReceive(proxy, Way::kName), SOCKS5_CONNECT);
        EXPECT_EQ(ProxyReply(proxy), 0);
        EXPECT_EQ(bundle_wait(h, -1), 0);
      }
      EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_GE(waits, Least(3));
  }
}

// What was not received is received by the next call.
TEST_P(Socks5SweepTest, ProxyReceive) {
  for (const Way way : kWays) {
    const int waits =
        Sweep("socks5_proxy_recvcommand()", [&](EndedCall* run, int client, int proxy) {
          int connected = -1;
          const int h = go(connected = ClientConnect(client, way));
          ASSERT_EQ(socks5_proxy_auth(proxy, Accept, -1), 0);
          run->Begin([&] { return ProxyReceive(proxy, way); });
          const int result = run->Finish([] {});
          ExpectEnded(*run, result);
          if (result < 0) {
            EXPECT_EQ(ProxyReceive(proxy, way), SOCKS5_CONNECT);
          }
          EXPECT_EQ(ProxyReply(proxy), 0);
          EXPECT_EQ(bundle_wait(h, -1), 0);
          EXPECT_EQ(connected, 0);
          EXPECT_EQ(hclose(h), 0);
        });
    EXPECT_GE(waits, Least(3));
  }
}

// A connection that is full. What was not sent is sent by the next call, and once.
TEST_P(Socks5SweepTest, ProxyReply) {
  const std::string before = Pattern(100'000);
  const int waits = Sweep("socks5_proxy_sendreply()", [&](EndedCall* run, int client, int proxy) {
    std::string got;
    const auto take = [&] {
      char piece[500];
      for (int i = 0; i < 20 && got.size() < before.size(); ++i) {
        if (brecv(client, piece, sizeof(piece), 0) != 0) break;
        got.append(piece, sizeof(piece));
      }
    };
    ASSERT_EQ(bsend(proxy, before.data(), before.size(), 0), 0);
    run->Begin([&] { return ProxyReply(proxy); });
    const int result = run->Finish(take);
    ExpectEnded(*run, result);
    if (result < 0) {
      EndedCall next(&Runtime::Current(), End::kTimedOut, kSweepWaitsMax);
      next.Begin([&] { return ProxyReply(proxy); });
      EXPECT_EQ(next.Finish(take), 0);
    }
    for (const Patience patience; got.size() < before.size() && patience.Lasts();) {
      take();
      EXPECT_EQ(yield(), 0);
    }
    EXPECT_TRUE(got == before);
    std::string reply(10, '?');
    EXPECT_EQ(brecv(client, reply.data(), reply.size(), -1), 0);
    EXPECT_EQ(reply, std::string("\x05\0\0\x01\x0a\x01\x02\x03\x01\xbb", 10));
    EXPECT_EQ(Outcome(brecv(client, nullptr, 1, 0)), -ETIMEDOUT);
  });
  EXPECT_GE(waits, 1);
}

}  // namespace
}  // namespace halfpipe
