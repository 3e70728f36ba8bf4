// Every system call and every request for memory of ours behind the C calls that look names up
// fails: the caller gets an errno that sockets.h names, nothing leaks, and the next lookup works.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/resolver_cares.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/dns_server.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

// A result, or a negative errno.
int Outcome(int result) { return result >= 0 ? result : -errno; }

// A name server on a thread of its own, whose system calls do not fail. It knows "a.example".
class ServerThread {
 public:
  ServerThread() {
    EXPECT_EQ(pipe(stop_), 0);
    std::promise<std::string> address;
    std::future<std::string> known = address.get_future();
    thread_ = std::thread([this, &address] {
      Runtime runtime;
      {
        DnsServer server(&runtime);
        server.Say("a.example", IpFamily::kIpv4, {.addresses = {"127.0.0.1"}});
        server.Say("a.example", IpFamily::kIpv6, {.addresses = {}});
        address.set_value(server.address());
        EXPECT_EQ(fdin(stop_[0], -1), 0);
        EXPECT_EQ(fdclean(stop_[0]), 0);
      }
    });
    address_ = known.get();
  }
  ~ServerThread() {
    EXPECT_EQ(close(stop_[1]), 0);
    thread_.join();
    EXPECT_EQ(close(stop_[0]), 0);
  }

  // A runtime's resolver that asks here, and soon again if there is no answer: so often that a
  // machine which stands still for a while is not taken for a server that is not there.
  void Use(Runtime* runtime) const {
    CaresResolver::Options options;
    options.servers = address_;
    options.try_timeout_ms = 20;
    options.tries = 12;
    SetRuntimeResolver(runtime, std::make_unique<CaresResolver>(runtime, options));
  }

 private:
  int stop_[2];
  std::string address_;
  std::thread thread_;
};

// What the calls may fail with; the last three from any call that waits.
const std::set<int> kNamed = {EADDRNOTAVAIL, EHOSTUNREACH, EMFILE, ENFILE,
                              ENOMEM,        ENOBUFS,      ENOSPC, ENODEV};

void ExpectNamed(int result) {
  EXPECT_TRUE(result >= 0 || kNamed.count(-result) > 0) << "errno " << -result;
}

// A listener of the system's, whose connections nobody accepts.
class Backlog {
 public:
  Backlog() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    dill_ipaddr addr;
    EXPECT_EQ(ipaddr_local(&addr, "127.0.0.1", 0, 0), 0);
    EXPECT_EQ(bind(fd_, dill_ipaddr_sockaddr(&addr), dill_ipaddr_len(&addr)), 0);
    EXPECT_EQ(listen(fd_, 1000), 0);
    socklen_t size = sizeof(addr);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&addr), &size), 0);
    port_ = ipaddr_port(&addr);
  }
  ~Backlog() { EXPECT_EQ(close(fd_), 0); }
  int port() const { return port_; }

 private:
  const int fd_;
  int port_ = 0;
};

// The calls, each a result or a negative errno.
int LookUp() {
  dill_ipaddr addr;
  return Outcome(ipaddr_remote(&addr, "a.example", 7, IPADDR_IPV4, now() + 120'000));
}
int LookUpAll() {
  dill_ipaddr addrs[4];
  return Outcome(ipaddr_remotes(addrs, 4, "a.example", 7, IPADDR_PREF_IPV6, now() + 120'000));
}
int Connect(int port) {
  const int h = Outcome(happyeyeballs_connect("a.example", port, now() + 120'000));
  if (h > 0) {
    EXPECT_EQ(hclose(h), 0);
  }
  return h;
}

class NamesFaultTest : public testing::Test {
 protected:
  // One life of a runtime in which `call` is made while faults count, and again when they do not.
  template <typename Fault, typename Call>
  int Run(Fault* fault, Call call) {
    fault->set_armed(false);
    FdLeakCheck leaks;
    Runtime runtime;
    server_.Use(&runtime);
    fault->set_armed(true);
    const int result = call();
    fault->set_armed(false);
    EXPECT_GE(call(), 0);
    EXPECT_EQ(HandleTable::Current().live_count(), 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    return result;
  }

  ServerThread server_;
  Backlog backlog_;
};

TEST_F(NamesFaultTest, EverySystemCallOfALookup) {
  EXPECT_GE(
      SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) { ExpectNamed(Run(&fault, LookUp)); }),
      4);
  EXPECT_GE(SweepSyscalls(SyscallSet(),
                          [&](SyscallFault& fault) { ExpectNamed(Run(&fault, LookUpAll)); }),
            4);
}

TEST_F(NamesFaultTest, EverySystemCallOfHappyEyeballs) {
  const int calls = SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
    const int result = Run(&fault, [&] { return Connect(backlog_.port()); });
    // An attempt's error is connect(2)'s or socket(2)'s own.
    EXPECT_TRUE(result >= 0 || kNamed.count(-result) > 0 || result == -fault.error()) << result;
  });
  EXPECT_GE(calls, 8);
}

// (A lookup alone makes no request that may fail but c-ares's own.)
TEST_F(NamesFaultTest, EveryRequestForMemoryOfHappyEyeballs) {
  const int requests = SweepAllocations([&](AllocationFault& fault) {
    const int result = Run(&fault, [&] { return Connect(backlog_.port()); });
    EXPECT_EQ(result < 0 ? result : 0, fault.hit() ? -ENOMEM : 0);
  });
  EXPECT_GE(requests, 1);
}

// Each errno of tcp_connect() is one of happyeyeballs_connect(): that of the attempt that failed
// last, here the only one.
TEST(NamesErrnoTest, HappyEyeballsSaysWhyTheAttemptFailed) {
  FdLeakCheck leaks;
  Runtime runtime;
  auto resolver = std::make_unique<FakeResolver>(&runtime);
  resolver->Say("a.example", IpFamily::kIpv4, {absl::ZeroDuration(), {"127.0.0.1"}, 0});
  SetRuntimeResolver(&runtime, std::move(resolver));
  const Backlog backlog;
  const int port = backlog.port();
  for (const int error : {ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN,
                          EADDRNOTAVAIL, EADDRINUSE, EACCES, EPERM}) {
    SyscallFault fault({Syscall::kConnect}, 0, error);
    fault.FailOn();
    EXPECT_FAILS(error, happyeyeballs_connect("a.example", port, -1));
  }
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, EAFNOSUPPORT}) {
    SyscallFault fault({Syscall::kSocket}, 0, error);
    fault.FailOn();
    EXPECT_FAILS(error, happyeyeballs_connect("a.example", port, -1));
  }
  const int h = happyeyeballs_connect("a.example", port, -1);
  EXPECT_GT(h, 0);
  EXPECT_EQ(hclose(h), 0);
  // No stack for the coroutines of a lookup of both kinds.
  {
    Runtime other;
    SetRuntimeResolver(&other, std::make_unique<FakeResolver>(&other));
    SyscallFault fault({Syscall::kMmap}, 0, ENOMEM);
    fault.FailOn();
    EXPECT_FAILS(ENOMEM, happyeyeballs_connect("a.example", port, -1));
    dill_ipaddr addrs[4];
    EXPECT_FAILS(ENOMEM, ipaddr_remotes(addrs, 4, "a.example", 7, 0, -1));
  }
}

}  // namespace
}  // namespace halfpipe
