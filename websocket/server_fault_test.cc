// A server where the system has nothing left, or fails: it goes on, and leaves nothing behind.

#include <cerrno>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
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
    SyscallFault fault({Syscall::kAccept4}, 0, ECONNABORTED);
    server.Drain(absl::Seconds(30));
    runtime.SleepUntil(Deadline::In(absl::Milliseconds(1)));
    EXPECT_TRUE(fault.hit());
  }
  int status = 0;
  EXPECT_EQ(UpgradeClient(&runtime, BytestreamPtr(tcp->release()), "/", &status), nullptr);
  EXPECT_EQ(status, 503);
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
