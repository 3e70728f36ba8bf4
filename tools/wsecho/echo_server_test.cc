#include "tools/wsecho/echo_server.h"

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
#include "websocket/upgrade.h"

namespace halfpipe::tools {
namespace {

Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

class EchoServerTest : public ::testing::Test {
 protected:
  void Start(const EchoServer::Options& options) {
    const absl::StatusOr<int> fd = TcpListenFd(&address_, TcpListenOptions());
    ASSERT_TRUE(fd.ok());
    server_ = std::make_unique<EchoServer>(&runtime_, *fd, options);
    ASSERT_TRUE(accepting_.Go([this] { server_->Accept(); }).ok());
  }

  void Stop() {
    accepting_.CancelAndJoin();
    server_->Stop();
    server_ = nullptr;
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  IpAddress address_ = IpAddress::Loopback(IpFamily::kIpv4, 0);
  std::unique_ptr<EchoServer> server_;
  Bundle accepting_{&runtime_};
};

// A peer that asks for nothing is not waited for without end.
TEST_F(EchoServerTest, BoundsTheHandshake) {
  EchoServer::Options options;
  options.handshake_time = absl::Milliseconds(1);
  Start(options);
  auto socket = TcpConnect(&runtime_, address_, Soon());
  ASSERT_TRUE(socket.ok());
  const auto rest = (*socket)->Peek(1, Soon());
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_TRUE(rest->empty());
  socket->reset();
  Stop();
}

// A peer that does not answer the Close is not waited for without end.
TEST_F(EchoServerTest, BoundsTheEnd) {
  EchoServer::Options options;
  options.stop_time = absl::Milliseconds(1);
  Start(options);
  auto socket = TcpConnect(&runtime_, address_, Soon());
  ASSERT_TRUE(socket.ok());
  websocket::ClientUpgradeOptions request;
  request.host = "localhost";
  ASSERT_TRUE(websocket::ClientUpgrade(&runtime_, socket->get(), request, nullptr, Soon()).ok());
  Stop();
  const auto close = (*socket)->Peek(4, Soon());
  ASSERT_TRUE(close.ok()) << close.status();
  ASSERT_GE(close->size(), 4u);
  EXPECT_EQ((*close)[0], 0x88);
  EXPECT_EQ((*close)[2] << 8 | (*close)[3], 1001);
  socket->reset();
}

// Without a descriptor for connections that wait it goes on, and takes them as soon as it has some.
TEST_F(EchoServerTest, OutlivesAShortageOfDescriptors) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS}) {
    SyscallFault fault({Syscall::kAccept4}, 0, error);
    fault.FailOn();
    EchoServer::Options options;
    options.accept_pause = absl::Milliseconds(1);
    Start(options);
    std::vector<std::unique_ptr<FdStream>> waiting;
    for (int i = 0; i < 20; ++i) {
      auto socket = TcpConnect(&runtime_, address_, Soon());
      ASSERT_TRUE(socket.ok());
      waiting.push_back(std::move(*socket));
    }
    // It tries again, but not without rest: this one gets its turns.
    for (int i = 0; fault.count() < 3; ++i) {
      ASSERT_LT(i, 10'000);
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
    fault.set_armed(false);
    websocket::ClientUpgradeOptions request;
    request.host = "localhost";
    for (const auto& socket : waiting) {
      EXPECT_TRUE(websocket::ClientUpgrade(&runtime_, socket.get(), request, nullptr, Soon()).ok());
    }
    waiting.clear();
    Stop();
    address_.set_port(0);
  }
}

TEST_F(EchoServerTest, StopsWithNothingToDo) {
  Start(EchoServer::Options());
  Stop();
}

}  // namespace
}  // namespace halfpipe::tools
