// Servers with threads of their own, and on real sockets.

#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/tcp.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/unique_name.h"
#include "gtest/gtest.h"
#include "websocket/broadcast.h"
#include "websocket/client.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

constexpr size_t kThreads = 3;
constexpr int kClients = 24;

ServerOptions Threads(size_t threads) {
  ServerOptions options;
  options.threads = threads;
  return options;
}

Deadline Later() { return Deadline::In(absl::Seconds(60)); }

TEST(ServerThreadsTest, EchoOnSeveralThreads) {
  FdLeakCheck leaks;
  Server server(Threads(kThreads));
  std::mutex mutex;
  std::set<std::thread::id> seen;
  Handler handler = EchoHandler();
  handler.on_open = [&](Connection& c) {
    EXPECT_EQ(c.runtime(), Runtime::CurrentOrNull());
    const std::lock_guard<std::mutex> lock(mutex);
    seen.insert(std::this_thread::get_id());
  };
  server.Handle("/", std::move(handler));
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok()) << address.status();
  const std::string path = UniqueName("@halfpipe-server-test-");
  ASSERT_TRUE(server.ListenUnix(path).ok());
  ASSERT_TRUE(server.Start().ok());
  Runtime runtime;
  Client client(&runtime);
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < kClients; ++i) {
    auto stream = client.Connect(i % 2 == 0 ? absl::StrCat("ws://127.0.0.1:", address->port(), "/")
                                            : absl::StrCat("ws+unix:", path),
                                 Later());
    ASSERT_TRUE(stream.ok()) << stream.status();
    streams.push_back(*std::move(stream));
  }
  for (int round = 0; round < 3; ++round) {
    for (auto& stream : streams) ASSERT_TRUE(stream->SendText("hello", Later()).ok());
    for (auto& stream : streams) ASSERT_EQ(ReceiveText(stream.get(), Later()), "hello");
  }
  EXPECT_EQ(server.counts().open, uint64_t{kClients});
  EXPECT_EQ(server.counts().messages_received, uint64_t{3 * kClients});
  for (auto& stream : streams) EXPECT_TRUE(stream->Close(1000, "", Later()).ok());
  streams.clear();
  server.Drain(absl::Seconds(30));
  EXPECT_TRUE(server.Wait(Later()).ok());
  EXPECT_EQ(server.counts().connections, 0u);
  EXPECT_EQ(server.counts().accepted, uint64_t{kClients});
  EXPECT_LE(seen.size(), kThreads);
}

// A drain from another thread: open connections are told, and the server comes to its end.
TEST(ServerThreadsTest, DrainFromAnyThread) {
  FdLeakCheck leaks;
  Server server(Threads(2));
  server.Handle("/", EchoHandler());
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  std::thread runner([&] { EXPECT_TRUE(server.Run().ok()); });
  {
    Runtime runtime;
    Client client(&runtime);
    const std::string url = absl::StrCat("ws://127.0.0.1:", address->port(), "/");
    std::vector<std::unique_ptr<Stream>> streams;
    for (int i = 0; i < 8; ++i) {
      auto stream = client.Connect(url, Later());
      ASSERT_TRUE(stream.ok()) << stream.status();
      streams.push_back(*std::move(stream));
    }
    std::thread([&] {
      server.Drain(absl::Seconds(60));
      server.Drain(absl::Seconds(60));
    }).join();
    for (auto& stream : streams) {
      EXPECT_EQ(ReceiveText(stream.get(), Later()), std::nullopt);
      ASSERT_TRUE(stream->peer_close().has_value());
      EXPECT_EQ(stream->peer_close()->code, 1001);
      EXPECT_TRUE(stream->Close(1000, "", Later()).ok());
    }
    streams.clear();
  }
  runner.join();
  EXPECT_EQ(server.counts().drained, 8u);
  EXPECT_EQ(server.counts().connections, 0u);
  server.Stop();
}

// Messages for members of all threads, sent by several threads, each in order.
TEST(ServerThreadsTest, BroadcastAcrossThreads) {
  FdLeakCheck leaks;
  ServerOptions options = Threads(kThreads);
  options.connection.send_queue = {.messages_max = 10'000, .bytes_max = 64 << 20};
  Broadcast room;
  Server server(std::move(options));
  std::atomic<int> members = 0;
  Handler handler;
  handler.on_open = [&](Connection& c) {
    EXPECT_TRUE(room.Join(c));
    ++members;
  };
  server.Handle("/", std::move(handler));
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  ASSERT_TRUE(server.Start().ok());
  Runtime runtime;
  Client client(&runtime);
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < kClients; ++i) {
    auto stream = client.Connect(absl::StrCat("ws://127.0.0.1:", address->port(), "/"), Later());
    ASSERT_TRUE(stream.ok()) << stream.status();
    streams.push_back(*std::move(stream));
  }
  while (members < kClients) std::this_thread::yield();
  EXPECT_EQ(room.member_count(), size_t{kClients});
  constexpr int kMessages = 200;
  std::vector<std::thread> senders;
  for (int sender = 0; sender < 2; ++sender) {
    senders.emplace_back([&room, sender] {
      for (int i = 0; i < kMessages; ++i) {
        EXPECT_TRUE(room.Send(MessageType::kText, absl::StrCat(sender, " ", i)).ok());
      }
    });
  }
  for (auto& stream : streams) {
    int next[2] = {0, 0};
    for (int i = 0; i < 2 * kMessages; ++i) {
      const auto text = ReceiveText(stream.get(), Later());
      ASSERT_TRUE(text.has_value());
      const int sender = (*text)[0] - '0';
      ASSERT_EQ(*text, absl::StrCat(sender, " ", next[sender]++));
    }
  }
  for (std::thread& sender : senders) sender.join();
  streams.clear();
  server.Stop();
  EXPECT_EQ(room.member_count(), 0u);
}

// Connections of other threads are reached by their numbers.
TEST(ServerThreadsTest, PostAndSendTo) {
  FdLeakCheck leaks;
  Server server(Threads(2));
  std::mutex mutex;
  std::vector<ConnectionId> ids;
  Handler handler;
  handler.on_open = [&](Connection& c) {
    const std::lock_guard<std::mutex> lock(mutex);
    ids.push_back(c.id());
  };
  server.Handle("/", std::move(handler));
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  auto message = EncodedMessage::Make(MessageType::kText, "for you");
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(StatusErrno(server.SendTo({.thread = 0, .serial = 1}, *message)), EBADF)
      << "not started";
  ASSERT_TRUE(server.Start().ok());
  Runtime runtime;
  Client client(&runtime);
  auto stream = client.Connect(absl::StrCat("ws://127.0.0.1:", address->port(), "/"), Later());
  ASSERT_TRUE(stream.ok());
  ConnectionId id;
  for (;;) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (ids.empty()) continue;
    id = ids[0];
    break;
  }
  ASSERT_TRUE(server.SendTo(id, *message).ok());
  EXPECT_EQ(ReceiveText(stream->get(), Later()), "for you");
  ASSERT_TRUE(server.Post(id, [](Connection& c) { EXPECT_TRUE(c.Close(4000, "").ok()); }).ok());
  EXPECT_EQ(ReceiveText(stream->get(), Later()), std::nullopt);
  EXPECT_EQ((*stream)->peer_close()->code, 4000);
  stream->reset();
  server.Stop();
  EXPECT_EQ(StatusErrno(server.SendTo(id, *message)), EBADF);
}

// Over the number of permits connections wait in the system, whichever thread they would go to.
TEST(ServerThreadsTest, PermitsAreOfTheWholeServer) {
  FdLeakCheck leaks;
  ServerOptions options = Threads(2);
  options.connections_max = 2;
  Server server(std::move(options));
  // Not by counts(), which looks at one thread after the other: a connection of the first that ends
  // meanwhile makes room for one of the second, and both are counted.
  std::atomic<int> open = 0;
  Handler handler = EchoHandler();
  handler.on_open = [&](Connection&) { EXPECT_LE(++open, 2); };
  handler.on_close = [&](Connection&, const CloseReport&) { --open; };
  server.Handle("/", std::move(handler));
  const auto address = server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
  ASSERT_TRUE(address.ok());
  ASSERT_TRUE(server.Start().ok());
  Runtime runtime;
  const std::string url = absl::StrCat("ws://127.0.0.1:", address->port(), "/");
  // More than there are permits, all at once: each is served in its turn.
  Bundle bundle(&runtime);
  int served = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(bundle
                    .Go([&] {
                      Client client(&runtime);
                      auto stream = client.Connect(url, Later());
                      ASSERT_TRUE(stream.ok()) << stream.status();
                      ASSERT_TRUE((*stream)->SendText("x", Later()).ok());
                      EXPECT_EQ(ReceiveText(stream->get(), Later()), "x");
                      EXPECT_TRUE((*stream)->Close(1000, "", Later()).ok());
                      ++served;
                    })
                    .ok());
  }
  EXPECT_EQ(bundle.Wait(Later()), 0);
  EXPECT_EQ(served, 10);
  server.Stop();
}

TEST(ServerThreadsTest, ListenersOfTheCallers) {
  FdLeakCheck leaks;
  Server server(Threads(2));
  server.Handle("/", EchoHandler());
  EXPECT_EQ(StatusErrno(server.ListenFd(-1)), EBADF);
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(StatusErrno(server.ListenFd(file)), ENOTSUP);
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
  const auto fd = TcpListenFd(&address, TcpListenOptions());
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(server.ListenFd(*fd).ok());
  const std::string path = UniqueName("@halfpipe-server-fd-test-");
  const auto unix_fd = UnixListenFd(path, 10);
  ASSERT_TRUE(unix_fd.ok());
  ASSERT_TRUE(server.ListenFd(*unix_fd).ok());
  EXPECT_EQ(StatusErrno(server.ListenUnix(path)), EADDRINUSE);
  ASSERT_TRUE(server.Start().ok());
  Runtime runtime;
  Client client(&runtime);
  for (const std::string& url : {absl::StrCat("ws://127.0.0.1:", address.port(), "/"),
                                 absl::StrCat("ws+unix:", path, ":/")}) {
    auto stream = client.Connect(url, Later());
    ASSERT_TRUE(stream.ok()) << stream.status();
    ASSERT_TRUE((*stream)->SendText("x", Later()).ok());
    EXPECT_EQ(ReceiveText(stream->get(), Later()), "x");
  }
  auto [ours, theirs] = MakePair(&runtime);
  EXPECT_EQ(StatusErrno(server.Serve(std::move(theirs))), EINVAL);
}

// Listeners that were given and never used are closed.
TEST(ServerThreadsTest, NeverStarted) {
  FdLeakCheck leaks;
  Server server(Threads(2));
  ASSERT_TRUE(server.ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0)).ok());
}

}  // namespace
}  // namespace halfpipe::websocket
