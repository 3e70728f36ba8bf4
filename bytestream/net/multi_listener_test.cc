#include "bytestream/net/multi_listener.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/unique_name.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr size_t kCount = 3;

class MultiListenerTest : public testing::Test {
 protected:
  MultiListenerTest() : addresses_(kCount, IpAddress::Loopback(IpFamily::kIpv4, 0)) {
    std::vector<int> fds;
    for (IpAddress& address : addresses_) {
      fds.push_back(*TcpListenFd(&address, TcpListenOptions()));
    }
    listener_ = std::make_unique<MultiListener>(&runtime_, fds, ListenerOptions());
  }
  ~MultiListenerTest() override {
    for (const int fd : clients_) close(fd);
  }

  void Connect(size_t index) {
    clients_.push_back(*TcpConnectFd(&runtime_, addresses_[index], Deadline::Never()));
  }

  // The index of the listener that a connection came from, or a negative errno.
  int AcceptIndex(Deadline deadline = Deadline::Never()) {
    size_t index = kCount;
    const absl::StatusOr<int> fd = listener_->Accept(deadline, nullptr, &index);
    if (!fd.ok()) return -StatusErrno(fd.status());
    close(*fd);
    return static_cast<int>(index);
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  std::vector<IpAddress> addresses_;
  std::unique_ptr<MultiListener> listener_;
  std::vector<int> clients_;
};

TEST_F(MultiListenerTest, AcceptsFromEach) {
  EXPECT_EQ(listener_->size(), kCount);
  for (const size_t index : {2, 0, 1, 1}) {
    Connect(index);
    std::optional<IpAddress> peer;
    size_t from = kCount;
    const absl::StatusOr<int> fd = listener_->Accept(Deadline::Never(), &peer, &from);
    ASSERT_TRUE(fd.ok()) << fd.status();
    EXPECT_EQ(from, index);
    EXPECT_EQ(*peer, *LocalAddress(clients_.back()));
    EXPECT_EQ(*LocalAddress(*fd), addresses_[index]);
    EXPECT_NE(fcntl(*fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(*fd, F_GETFD) & FD_CLOEXEC, 0);
    close(*fd);
  }
  EXPECT_EQ(AcceptIndex(Deadline::Immediately()), -ETIMEDOUT);
}

// A busy listener does not keep the others waiting.
TEST_F(MultiListenerTest, TakesTurns) {
  for (int i = 0; i < 4; ++i) Connect(0);
  for (int i = 0; i < 2; ++i) Connect(1);
  Connect(2);
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(AwaitConnections(listener_->fd(i), size_t{4} >> i));
  }
  for (const int expected : {0, 1, 2, 0, 1, 0, 0}) EXPECT_EQ(AcceptIndex(), expected);
}

TEST_F(MultiListenerTest, WaitsForAny) {
  for (const size_t index : {1, 2, 0}) {
    Bundle bundle(&runtime_);
    int from = -1;
    ASSERT_TRUE(bundle.Go([&] { from = AcceptIndex(); }).ok());
    EXPECT_TRUE(listener_->busy());
    EXPECT_EQ(AcceptIndex(), -EBUSY);
    Connect(index);
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(from, static_cast<int>(index));
    EXPECT_FALSE(listener_->busy());
  }
}

TEST_F(MultiListenerTest, EveryWaitLosesNothing) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Bundle bundle(&runtime_);
      int from = -1;
      ASSERT_TRUE(bundle
                      .Go([&] {
                        fault.set_only(runtime_.current());
                        from = AcceptIndex();
                      })
                      .ok());
      Connect(1);
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_EQ(from, fault.hit() ? -error : 1);
      EXPECT_EQ(fault.hit() ? AcceptIndex() : 1, 1);
    });
    EXPECT_GE(waits, 1);
  }
}

TEST_F(MultiListenerTest, DeadlinePasses) {
  EXPECT_EQ(AcceptIndex(Deadline::In(absl::Milliseconds(1))), -ETIMEDOUT);
  Connect(2);
  EXPECT_EQ(AcceptIndex(), 2);
}

TEST_F(MultiListenerTest, AbortClosesAllAndEndsAccept) {
  Bundle bundle(&runtime_);
  int from = 0;
  ASSERT_TRUE(bundle.Go([&] { from = AcceptIndex(); }).ok());
  listener_->Abort();
  listener_->Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(from, -EBADF);
  EXPECT_EQ(AcceptIndex(), -EBADF);
  for (size_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(listener_->fd(i), -1);
    EXPECT_EQ(StatusErrno(TcpConnectFd(&runtime_, addresses_[i], Deadline::Never()).status()),
              ECONNREFUSED);
  }
}

TEST_F(MultiListenerTest, CancelledCoroutineDoesNotAccept) {
  Connect(0);
  {
    Bundle bundle(&runtime_);
    ASSERT_TRUE(bundle
                    .Go([&] {
                      EXPECT_EQ(runtime_.SleepUntil(Deadline::Never()), ECANCELED);
                      EXPECT_EQ(AcceptIndex(), -ECANCELED);
                    })
                    .ok());
    bundle.CancelAndJoin();
  }
  EXPECT_EQ(AcceptIndex(), 0);
}

TEST_F(MultiListenerTest, DifferentFamilies) {
  const std::string name = UniqueName("@halfpipe/multi_listener_test/");
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  const int fds[] = {*UnixListenFd(name, 5), *TcpListenFd(&address, TcpListenOptions())};
  MultiListener both(&runtime_, fds, ListenerOptions());
  clients_.push_back(*UnixConnectFd(&runtime_, name, Deadline::Never()));
  std::optional<IpAddress> peer = IpAddress();
  close(*both.Accept(Deadline::Never(), &peer));
  EXPECT_FALSE(peer.has_value());
  clients_.push_back(*TcpConnectFd(&runtime_, address, Deadline::Never()));
  close(*both.Accept(Deadline::Never(), &peer));
  EXPECT_TRUE(peer.has_value());
}

// One port for all of them, and IPv6 kept apart, so that "any address" of both families go together.
TEST_F(MultiListenerTest, ListensAtSeveralAddresses) {
  IpAddress addresses[] = {IpAddress::Any(IpFamily::kIpv4, 0), IpAddress::Any(IpFamily::kIpv6, 0)};
  const absl::StatusOr<std::vector<int>> fds =
      TcpListenFds(absl::MakeSpan(addresses), TcpListenOptions());
  if (StatusErrno(fds.status()) == EAFNOSUPPORT) GTEST_SKIP() << "no IPv6 here";
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_NE(addresses[0].port(), 0);
  EXPECT_EQ(addresses[0].port(), addresses[1].port());
  MultiListener listener(&runtime_, *fds, ListenerOptions());
  size_t index = 9;
  for (const IpFamily family : {IpFamily::kIpv4, IpFamily::kIpv6}) {
    const IpAddress to = IpAddress::Loopback(family, addresses[0].port());
    const absl::StatusOr<int> client = TcpConnectFd(&runtime_, to, Deadline::Never());
    if (!client.ok() && family == IpFamily::kIpv6) GTEST_SKIP() << "no IPv6 loopback here";
    ASSERT_TRUE(client.ok()) << client.status();
    clients_.push_back(*client);
    close(*listener.Accept(Deadline::Never(), nullptr, &index));
    EXPECT_EQ(index, family == IpFamily::kIpv6 ? 1u : 0u);
  }
}

TEST_F(MultiListenerTest, ListensAtAllOrNone) {
  IpAddress addresses[] = {IpAddress::Loopback(IpFamily::kIpv4, 0), addresses_[0]};
  EXPECT_EQ(StatusErrno(TcpListenFds(absl::MakeSpan(addresses), TcpListenOptions()).status()),
            EADDRINUSE);
  EXPECT_EQ(addresses[0].port(), 0);
  EXPECT_EQ(addresses[1], addresses_[0]);
}

}  // namespace
}  // namespace halfpipe
