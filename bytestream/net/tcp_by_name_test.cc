#include "bytestream/net/tcp_by_name.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/resolver_cares.h"
#include "bytestream/net/runtime_resolver.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/dns_server.h"
#include "bytestream/testing/fake_resolver.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr char kName[] = "www.example";

Deadline Patience() { return Deadline::In(absl::Seconds(60)); }

IpAddress Address(absl::string_view literal, uint16_t port) {
  return *IpAddress::Parse(literal, port);
}

class TcpByNameTest : public testing::Test {
 protected:
  void SetUp() override {
    auto fake = std::make_unique<FakeResolver>(&runtime_);
    resolver_ = fake.get();
    SetRuntimeResolver(&runtime_, std::move(fake));
    IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
    const absl::StatusOr<int> fd = TcpListenFd(&address, TcpListenOptions());
    ASSERT_THAT(fd, IsOk());
    listener_ = std::make_unique<Listener>(&runtime_, *fd);
    port_ = address.port();
  }

  void Ipv4(std::vector<std::string> addresses) {
    resolver_->Say(kName, IpFamily::kIpv4, {absl::ZeroDuration(), std::move(addresses), 0});
  }
  void Ipv6(std::vector<std::string> addresses) {
    resolver_->Say(kName, IpFamily::kIpv6, {absl::ZeroDuration(), std::move(addresses), 0});
  }

  // Connects, and sees that the listener has it.
  void ExpectConnection() {
    const absl::StatusOr<std::unique_ptr<FdStream>> stream =
        TcpConnectByName(&runtime_, kName, port_, Patience());
    ASSERT_THAT(stream, IsOk());
    EXPECT_EQ(PeerAddress((*stream)->fd())->ToString(), Address("127.0.0.1", port_).ToString());
    const absl::StatusOr<int> accepted = listener_->Accept(Patience());
    ASSERT_THAT(accepted, IsOk());
    close(*accepted);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  FakeResolver* resolver_ = nullptr;
  std::unique_ptr<Listener> listener_;
  uint16_t port_ = 0;
};

TEST_F(TcpByNameTest, OneAddress) {
  Ipv4({"127.0.0.1"});
  ExpectConnection();
}

TEST_F(TcpByNameTest, TheFirstAddressIsDead) {
  // Nobody listens there: loopback is all of 127.0.0.0/8.
  Ipv4({"127.0.0.77", "127.0.0.1"});
  ExpectConnection();
}

TEST_F(TcpByNameTest, Ipv6IsRefused) {
  // Refused, or without IPv6 unreachable.
  Ipv6({"::1"});
  Ipv4({"127.0.0.1"});
  ExpectConnection();
}

TEST_F(TcpByNameTest, AllAreDead) {
  Ipv4({"127.0.0.77", "127.0.0.78"});
  EXPECT_THAT(TcpConnectFdByName(&runtime_, kName, port_, Patience()), IsErrno(ECONNREFUSED));
  EXPECT_THAT(TcpConnectFdByName(&runtime_, "nobody.example", port_, Patience()),
              IsErrno(EADDRNOTAVAIL));
}

TEST_F(TcpByNameTest, LiteralsAndLocalhost) {
  for (const char* const name : {"127.0.0.1", "localhost", "a.localhost"}) {
    const absl::StatusOr<int> fd = TcpConnectFdByName(&runtime_, name, port_, Patience());
    ASSERT_THAT(fd, IsOk()) << name;
    close(*fd);
  }
  EXPECT_TRUE(resolver_->lookups().empty());
}

// An address that takes connections up without ever finishing them: a listener whose queue is full.
class BlackHole {
 public:
  explicit BlackHole(IpAddress address) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener_, address.sockaddr_ptr(), address.sockaddr_size()) < 0 ||
        listen(listener_, 0) < 0) {
      return;
    }
    // The queue holds one more than it was asked to.
    filler_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connect(filler_, address.sockaddr_ptr(), address.sockaddr_size());
    full_ = AwaitConnections(listener_, 1);
  }
  ~BlackHole() {
    if (filler_ >= 0) close(filler_);
    if (listener_ >= 0) close(listener_);
  }

  bool full() const { return full_; }

 private:
  int listener_ = -1;
  int filler_ = -1;
  bool full_ = false;
};

TEST_F(TcpByNameTest, TheFirstAddressIsABlackHole) {
  BlackHole hole(Address("127.0.0.2", port_));
  if (!hole.full()) GTEST_SKIP() << "this system's queue of connections does not fill up";
  Ipv4({"127.0.0.2", "127.0.0.1"});
  ExpectConnection();
  // With nothing else it takes as long as it may.
  Ipv4({"127.0.0.2"});
  EXPECT_THAT(TcpConnectFdByName(&runtime_, kName, port_, Deadline::In(absl::Milliseconds(50))),
              IsErrno(ETIMEDOUT));
  // And a coroutine that is closed comes out.
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(TcpConnectFdByName(&runtime_, kName, port_, Patience()), IsErrno(ECANCELED));
  }),
              IsOk());
}

// From text to a connected socket, with all that is in between.
TEST_F(TcpByNameTest, WithANameServer) {
  DnsServer server(&runtime_);
  server.Say(kName, IpFamily::kIpv6, {.kind = DnsReply::Kind::kSilence});
  server.Say(kName, IpFamily::kIpv4,
             {.addresses = {"127.0.0.77", "127.0.0.1"}, .aliases = {"host.example"}});
  CaresResolver::Options options;
  options.servers = server.address();
  SetRuntimeResolver(&runtime_, std::make_unique<CaresResolver>(&runtime_, options));
  ExpectConnection();
}

}  // namespace
}  // namespace halfpipe
