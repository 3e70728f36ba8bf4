#include "bytestream/net/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    const absl::StatusOr<int> fd = TcpListenFd(&address, TcpListenOptions());
    EXPECT_TRUE(fd.ok()) << fd.status();
    listener = std::make_unique<Listener>(&runtime, *fd);
  }

  int ConnectFd() { return *TcpConnectFd(&runtime, address, Deadline::Never()); }
  int AcceptErrno(Deadline deadline = Deadline::Never()) {
    return StatusErrno(listener->Accept(deadline).status());
  }

  Runtime runtime;
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  std::unique_ptr<Listener> listener;
  Bundle bundle{&runtime};
};

TEST_F(ListenerTest, AcceptsWithThePeersAddress) {
  const int client = ConnectFd();
  std::optional<IpAddress> peer;
  const absl::StatusOr<int> server = listener->Accept(Deadline::Never(), &peer);
  ASSERT_TRUE(server.ok());
  ASSERT_TRUE(peer);
  EXPECT_EQ(*peer, *LocalAddress(client));
  EXPECT_NE(fcntl(*server, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(*server, F_GETFD) & FD_CLOEXEC, 0);
  close(client);
  close(*server);
}

TEST_F(ListenerTest, WaitsForAConnection) {
  int accepted = -1;
  ASSERT_TRUE(bundle.Go([&] { accepted = *listener->Accept(Deadline::Never()); }).ok());
  EXPECT_TRUE(listener->busy());
  const int client = ConnectFd();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_GE(accepted, 0);
  EXPECT_FALSE(listener->busy());
  close(client);
  close(accepted);
}

TEST_F(ListenerTest, EndedAcceptLosesNothing) {
  for (const int reason : {ETIMEDOUT, ECANCELED}) {
    WaitFault end(&runtime, reason, 0);
    end.set_except(runtime.current());
    ASSERT_TRUE(bundle.Go([&] { EXPECT_EQ(AcceptErrno(), reason); }).ok());
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_TRUE(end.hit());
    EXPECT_EQ(AcceptErrno(Deadline::Immediately()), ETIMEDOUT);
    const int client = ConnectFd();
    const absl::StatusOr<int> server = listener->Accept(Deadline::Never());
    ASSERT_TRUE(server.ok());
    close(client);
    close(*server);
  }
}

TEST_F(ListenerTest, SecondAcceptIsBusyAndAbortEndsTheFirst) {
  int first = 0;
  ASSERT_TRUE(bundle.Go([&] { first = AcceptErrno(); }).ok());
  EXPECT_EQ(AcceptErrno(), EBUSY);
  listener->Abort();
  listener->Abort();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(first, EBADF);
  EXPECT_EQ(AcceptErrno(), EBADF);
  EXPECT_EQ(listener->fd(), -1);
}

TEST_F(ListenerTest, CancelledCoroutineDoesNotAccept) {
  const int client = ConnectFd();
  ASSERT_TRUE(bundle
                  .Go([&] {
                    EXPECT_EQ(runtime.SleepUntil(Deadline::Never()), ECANCELED);
                    EXPECT_EQ(AcceptErrno(), ECANCELED);
                  })
                  .ok());
  bundle.CancelAndJoin();
  const absl::StatusOr<int> server = listener->Accept(Deadline::Never());
  EXPECT_TRUE(server.ok());
  close(*server);
  close(client);
}

// Without descriptors the connection stays in the queue, and is accepted when there is one again.
TEST_F(ListenerTest, NoDescriptorsIsReported) {
  EXPECT_EQ(AcceptErrno(Deadline::Immediately()), ETIMEDOUT);  // the engine has its own now
  const int client = ConnectFd();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // A sanitizer that has not seen the clock's type before needs descriptors to look at it.
  static_cast<void>(runtime.clock().NowNanos());
  const int lowest_free = dup(0);
  close(lowest_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const int error = AcceptErrno();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(error, EMFILE);
  const absl::StatusOr<int> server = listener->Accept(Deadline::Never());
  ASSERT_TRUE(server.ok());
  close(*server);
  close(client);
}

}  // namespace
}  // namespace halfpipe
