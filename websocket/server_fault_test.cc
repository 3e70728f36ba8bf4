// A server where the system has nothing left, or fails: it goes on, and leaves nothing behind.

#include <cerrno>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/broadcast.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

Deadline InTime() { return Deadline::In(absl::Seconds(30)); }

// One conversation with an echo server on a socket: how it came out.
bool Converse(Runtime* runtime, const IpAddress& address, Deadline deadline) {
  auto tcp = TcpConnect(runtime, address, deadline);
  if (!tcp.ok()) return false;
  BytestreamPtr lower(tcp->release());
  if (!ClientUpgrade(runtime, lower.get(), {.host = "a"}, nullptr, deadline).ok()) return false;
  Stream stream(runtime, std::move(lower), {.role = Role::kClient});
  if (!stream.SendText("hello", deadline).ok()) return false;
  return ReceiveText(&stream, deadline) == "hello" && stream.Close(1000, "", deadline).ok();
}

// A request to upgrade.
constexpr absl::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

// What comes up to `end`.
std::string ReadTo(Bytestream* stream, absl::string_view end) {
  std::string text;
  while (!absl::StrContains(text, end)) {
    const auto bytes = stream->Peek(1, InTime());
    if (!bytes.ok() || bytes->empty()) break;
    text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    stream->Consume(bytes->size());
  }
  return text;
}

// While accept(2) finds no descriptor connections wait; afterwards they are served.
TEST(ServerFaultTest, WithoutDescriptorsConnectionsWait) {
  FdLeakCheck leaks;
  Runtime runtime;
  Server server(&runtime, {});
  server.Handle("/", EchoHandler());
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  ASSERT_TRUE(server.Start().ok());
  Bundle bundle(&runtime);
  bool served = false;
  {
    SyscallFault fault({Syscall::kAccept4}, 0, EMFILE);
    fault.FailOn();
    ASSERT_TRUE(bundle.Go([&] { served = Converse(&runtime, *address, InTime()); }).ok());
    while (server.counts().accept_failures < 3) {
      ASSERT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(10))), 0);
    }
    EXPECT_FALSE(served);
    EXPECT_EQ(server.counts().accepted, 0u);
  }
  EXPECT_EQ(bundle.Wait(InTime()), 0);
  EXPECT_TRUE(served);
  EXPECT_GE(server.counts().accept_failures, 3u);
  server.Stop();
}

// One that has gone while it waited in the backlog does not keep those behind it from their answer.
TEST(ServerFaultTest, TheBacklogIsDrainedPastThoseThatHaveGone) {
  FdLeakCheck leaks;
  Runtime runtime;
  Server server(&runtime, {});
  server.Handle("/", EchoHandler());
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  ASSERT_TRUE(server.Start().ok());
  absl::StatusOr<std::unique_ptr<FdStream>> tcp;
  {
    // It waits in the backlog for want of a descriptor.
    SyscallFault fault({Syscall::kAccept4}, 0, EMFILE);
    fault.FailOn();
    tcp = TcpConnect(&runtime, *address, InTime());
    ASSERT_TRUE(tcp.ok());
    while (server.counts().accept_failures == 0) {
      ASSERT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
  }
  {
    // It has asked already: who comes during a drain has little time to.
    const IoSlice request(kRequest);
    ASSERT_TRUE((*tcp)->Write(absl::MakeConstSpan(&request, 1), false, InTime()).ok());
    SyscallFault fault({Syscall::kAccept4}, 0, ECONNABORTED);
    server.Drain(absl::Seconds(60));
    while (!fault.hit()) {
      ASSERT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    }
  }
  EXPECT_EQ(ReadTo(tcp->get(), "\r\n\r\n").substr(0, 12), "HTTP/1.1 503");
  tcp->reset();
  EXPECT_TRUE(server.Wait(InTime()).ok());
}

// Each system call of a server, and of its client, fails in each way that the manual knows.
TEST(ServerFaultTest, EachSystemCallFails) {
  const int calls = SweepSyscalls(SyscallSet(), [](SyscallFault& fault) {
    FdLeakCheck leaks;
    Runtime runtime;
    Server server(&runtime, {});
    server.Handle("/", EchoHandler());
    const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
    if (!address.ok()) {
      EXPECT_TRUE(fault.hit());
      return;
    }
    if (!server.Start().ok()) {
      EXPECT_TRUE(fault.hit());
      return;
    }
    bool served = false;
    Bundle client(&runtime);
    if (!client.Go([&] { served = Converse(&runtime, *address, InTime()); }).ok()) {
      EXPECT_TRUE(fault.hit());
    }
    // Where a call has failed nobody waits for what will not come.
    for (int after = 0; client.Wait(Deadline::In(absl::Milliseconds(5))) != 0;) {
      if (fault.hit() && ++after > 5) break;
    }
    client.CancelAndJoin();
    EXPECT_TRUE(served || fault.hit());
    server.Drain(absl::Milliseconds(10));
    EXPECT_TRUE(server.Wait(InTime()).ok());
    EXPECT_EQ(server.counts().connections, 0u);
  });
  EXPECT_GE(calls, 10);
}

// Each request for memory of a server on simulated time fails.
TEST(ServerFaultTest, EachRequestForMemoryFails) {
  const int requests = SweepAllocations([](AllocationFault& fault) {
    fault.set_armed(false);
    SimRuntime runtime;
    Broadcast room;
    Server server(&runtime, {});
    Handler handler = EchoHandler();
    handler.on_open = [&](Connection& c) { static_cast<void>(room.Join(c)); };
    server.Handle("/", std::move(handler));
    ASSERT_TRUE(server.Start().ok());
    auto [client, theirs] = MakePair(&runtime, {.capacity_bytes = 1000});
    fault.set_armed(true);
    bool served = false;
    if (server.Serve(std::move(theirs)).ok() &&
        ClientUpgrade(&runtime, client.get(), {.host = "a"}, nullptr, Soon()).ok()) {
      Stream stream(&runtime, std::move(client), {.role = Role::kClient});
      bool sent = true;
      for (int i = 0; i < 5; ++i) {
        sent = room.Send(MessageType::kText, std::string(400, 'x')).ok() && sent;
      }
      for (int i = 0; i < 5; ++i) sent = ReceiveText(&stream).has_value() && sent;
      const std::string large(5000, 'y');
      Bundle sender(&runtime);
      const bool begun =
          sender.Go([&] { sent = stream.SendText(large, Soon()).ok() && sent; }).ok();
      served = begun && ReceiveText(&stream) == large && sent;
      sender.CancelAndJoin();
      static_cast<void>(stream.Close(1000, "", Soon()));
    }
    EXPECT_TRUE(served || fault.hit());
    client.reset();
    server.Drain(absl::Seconds(10));
    EXPECT_TRUE(server.Wait(Deadline::Never()).ok());
    EXPECT_EQ(server.counts().connections, 0u);
    EXPECT_EQ(runtime.coroutine_count(), 0u);
    fault.set_armed(false);
  });
  EXPECT_GE(requests, 3);
}

// Where the system has no room left to wait for a descriptor, which looks as if it were readable, a
// connection is looked at from time to time, and goes on when there is room.
class WithoutWatchesTest : public testing::Test {
 protected:
  // `handshake_time`: also what is left to a client that has been refused.
  void StartServer(absl::Duration handshake_time = absl::Seconds(60)) {
    options_.handshake_time = handshake_time;
    options_.keep_alive_time = absl::Seconds(60);
    server_ = std::make_unique<Server>(&runtime_, options_);
    server_->Handle("/", EchoHandler());
    server_->HandlePlain([](const http::RequestHead&) { return http::TextResponse(200, "fine"); });
    ASSERT_TRUE(server_->Start().ok());
  }

  void Rest() { EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0); }

  // A client that has written `request` before the server sees it, and has been there for some time
  // without room.
  std::unique_ptr<FdStream> Arrive(absl::string_view request) {
    // The engine has what it needs for itself.
    static_cast<void>(OpenPair(&runtime_, server_.get(), "/"));
    while (server_->counts().connections > 0) Rest();
    const auto fds = UnixPairFds();
    EXPECT_TRUE(fds.ok());
    auto client = std::make_unique<FdStream>(&runtime_, (*fds)[0]);
    const IoSlice slice(request);
    EXPECT_TRUE(client->Write(absl::MakeConstSpan(&slice, 1), false, InTime()).ok());
    SyscallFault fault({Syscall::kEpollCtl}, 0, ENOSPC);
    fault.FailOn();
    const int64_t start = runtime_.clock().NowNanos();
    EXPECT_TRUE(server_->Serve(BytestreamPtr(new FdStream(&runtime_, (*fds)[1]))).ok());
    while (!fault.hit()) Rest();
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
    const int64_t passed = runtime_.clock().NowNanos() - start;
    EXPECT_LE(fault.count(), 10 + passed / 5'000'000) << "not without rest";
    return client;
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(WithoutWatchesTest, AtRest) {
  StartServer();
  auto client = Arrive(kRequest);
  ReadTo(client.get(), "\r\n\r\n");
  EXPECT_EQ(server_->counts().open, 1u);
  Stream stream(&runtime_, BytestreamPtr(client.release()), {.role = Role::kClient});
  ASSERT_TRUE(stream.SendText("x", InTime()).ok());
  EXPECT_EQ(ReceiveText(&stream, InTime()), "x");
  while (server_->counts().parked == 0) Rest();
}

TEST_F(WithoutWatchesTest, KeptAlive) {
  StartServer();
  const absl::string_view request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  auto client = Arrive(request);
  EXPECT_NE(ReadTo(client.get(), "fine"), "");
  while (server_->counts().kept_alive == 0) Rest();
  const IoSlice slice(request);
  EXPECT_TRUE(client->Write(absl::MakeConstSpan(&slice, 1), false, InTime()).ok());
  EXPECT_NE(ReadTo(client.get(), "fine"), "");
  EXPECT_EQ(server_->counts().plain_requests, 2u);
}

TEST_F(WithoutWatchesTest, Lingering) {
  StartServer(absl::Seconds(5));
  auto client = Arrive("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(ReadTo(client.get(), "?").substr(0, 12), "HTTP/1.1 405");
  while (server_->counts().connections > 0) Rest();
}

// Without a stack for a coroutine a connection waits for one.
TEST(ServerFaultTest, WithoutAStackConnectionsWait) {
  SimRuntime runtime;
  Server server(&runtime, {});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  // The pool has a buffer from now on.
  ASSERT_NE(OpenPair(&runtime, &server, "/"), nullptr);
  runtime.SleepUntil(Deadline::In(absl::Milliseconds(1)));
  auto lower = ConnectPair(&runtime, &server);
  Bundle sleepers(&runtime);
  {
    // All stacks that the pool has are taken, and no further ones can be mapped.
    SyscallFault fault({Syscall::kMmap}, 0, ENOMEM);
    fault.FailOn();
    while (sleepers.Go([&] { runtime.SleepUntil(Deadline::In(absl::Seconds(5))); }).ok()) {
    }
    const IoSlice slice("GET / HTTP/1.1\r\nHost: a\r\n");
    EXPECT_TRUE(lower->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
    runtime.SleepUntil(Deadline::In(absl::Seconds(1)));
    EXPECT_EQ(server.counts().waiting, 1u);
  }
  runtime.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(server.counts().waiting, 0u);
  EXPECT_EQ(server.counts().at_work, 1u);
  lower.reset();
  EXPECT_EQ(sleepers.Wait(Deadline::Never()), 0);
  server.Stop();
}

}  // namespace
}  // namespace halfpipe::websocket
