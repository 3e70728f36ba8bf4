// Server::Stop(), Wait() and the destructor: from whom they may be called, and together with what.

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/callback_timer.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/core/response.h"
#include "websocket/client.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

void Write(Bytestream* stream, absl::string_view text) {
  const IoSlice slice(text);
  ASSERT_TRUE(stream->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
}

// ---- On a runtime ------------------------------------------------------------------------------

class ServerStopTest : public testing::Test {
 protected:
  void Settle() { runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))); }

  // A server with a session that ends when it is cancelled, after `at_end`; and with it a client.
  void StartWithSession(std::function<void()> at_end = [] {}) {
    server_ = std::make_unique<Server>(&runtime_, ServerOptions());
    server_->Handle("/", {.session = [this, at_end](Connection& c, Stream&) {
                      EXPECT_EQ(c.runtime()->SleepUntil(Deadline::Never()), ECANCELED);
                      at_end();
                      ++sessions_ended_;
                    }});
    ASSERT_TRUE(server_->Start().ok());
    client_ = OpenPair(&runtime_, server_.get(), "/");
    ASSERT_NE(client_, nullptr);
  }

  void ExpectEnded() {
    EXPECT_EQ(server_->counts().connections, 0u);
    EXPECT_EQ(sessions_ended_, 1);
    EXPECT_TRUE(server_->Wait(Deadline::Immediately()).ok());
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Stream> client_;
  int sessions_ended_ = 0;
};

// Whoever comes while another one's call is at work waits for the same end.
TEST_F(ServerStopTest, SeveralAtATime) {
  StartWithSession();
  Bundle bundle(&runtime_);
  int stopped = 0;
  const Deadline at = Deadline::In(absl::Milliseconds(1));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(bundle
                    .Go([&] {
                      runtime_.SleepUntil(at);
                      EXPECT_EQ(sessions_ended_, 0);
                      server_->Stop();
                      EXPECT_EQ(sessions_ended_, 1);
                      ++stopped;
                    })
                    .ok());
  }
  runtime_.SleepUntil(at);
  EXPECT_EQ(sessions_ended_, 0) << "it comes out behind all of us";
  server_->Stop();
  ExpectEnded();
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_EQ(stopped, 3);
  server_->Stop();
}

TEST_F(ServerStopTest, InAHandlerWhileAnotherStops) {
  StartWithSession([this] {
    server_->Stop();
    EXPECT_EQ(StatusErrno(server_->Wait(Deadline::Never())), EDEADLK);
  });
  server_->Stop();
  ExpectEnded();
}

TEST_F(ServerStopTest, InAHandlerWhileItDrains) {
  StartWithSession([this] { server_->Stop(); });
  auto other = OpenPair(&runtime_, server_.get(), "/");
  server_->Drain(absl::Seconds(3));
  EXPECT_TRUE(server_->Wait(Soon()).ok());
  EXPECT_EQ(sessions_ended_, 2);
  EXPECT_EQ(server_->counts().connections, 0u);
  EXPECT_EQ(server_->counts().aborted, 2u);
}

TEST_F(ServerStopTest, WhileItDrains) {
  StartWithSession();
  server_->Drain(absl::Hours(1));
  Settle();
  EXPECT_EQ(sessions_ended_, 0);
  server_->Stop();
  ExpectEnded();
}

// A cancelled coroutine's call, and one that is cancelled meanwhile, wait all the same.
TEST_F(ServerStopTest, CannotBeCancelled) {
  StartWithSession();
  Bundle bundle(&runtime_);
  bool stopped = false;
  ASSERT_TRUE(bundle
                  .Go([&] {
                    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1)));
                    server_->Stop();
                    EXPECT_EQ(sessions_ended_, 1);
                    stopped = true;
                  })
                  .ok());
  bundle.CancelAndJoin();
  EXPECT_TRUE(stopped);
  ExpectEnded();

  sessions_ended_ = 0;
  StartWithSession();
  ASSERT_TRUE(bundle
                  .Go([&] {
                    server_->Stop();
                    EXPECT_EQ(sessions_ended_, 1);
                    stopped = false;
                  })
                  .ok());
  EXPECT_EQ(sessions_ended_, 0);
  bundle.CancelAndJoin();
  EXPECT_FALSE(stopped);
  ExpectEnded();
}

// Whichever wait ends otherwise than it should, Stop() leaves nothing.
TEST_F(ServerStopTest, EachWaitMayBeCutShort) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    SweepWaits(&runtime_, error, [&](WaitFault&) {
      Server server(&runtime_, {});
      Handler handler = EchoHandler();
      handler.on_close = [this](Connection&, const CloseReport&) {
        runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
      };
      server.Handle("/", std::move(handler));
      ASSERT_TRUE(server.Start().ok());
      auto [client, theirs] = MakePair(&runtime_);
      ASSERT_TRUE(server.Serve(std::move(theirs)).ok());
      static_cast<void>(
          ClientUpgrade(&runtime_, client.get(), {.host = "a"}, nullptr, Deadline::Never()));
      Bundle bundle(&runtime_);
      static_cast<void>(bundle.Go([&] {
        server.Stop();
        EXPECT_EQ(server.counts().connections, 0u);
      }));
      server.Stop();
      EXPECT_EQ(server.counts().connections, 0u);
      bundle.CancelAndJoin();
      EXPECT_EQ(runtime_.coroutine_count(), 0u);
    });
  }
}

// From each place that the server calls, it only begins: it returns there, and everything ends.
TEST_F(ServerStopTest, FromWhateverTheServerCalls) {
  for (const std::string where :
       {"on_open", "on_message", "on_close", "session", "on_upgrade", "plain", "post", "bundle"}) {
    SCOPED_TRACE(where);
    Server server(&runtime_, {});
    int returned = 0;
    const auto stop_in = [&](absl::string_view here) {
      if (where != here) return;
      server.Stop();
      ++returned;
    };
    server.Handle("/", {.on_open = [&](Connection&) { stop_in("on_open"); },
                        .on_message =
                            [&](Connection&, MessageView) {
                              stop_in("on_message");
                              if (where != "bundle") return;
                              // In a coroutine that the handler's end would wait for.
                              Bundle bundle(&runtime_);
                              ASSERT_TRUE(bundle.Go([&] { stop_in("bundle"); }).ok());
                              EXPECT_EQ(bundle.Wait(Soon()), ECANCELED);
                            },
                        .on_close = [&](Connection&, const CloseReport&) { stop_in("on_close"); },
                        .on_upgrade =
                            [&](const UpgradeRequest&) {
                              stop_in("on_upgrade");
                              return UpgradeDecision::Accept();
                            }});
    server.Handle("/session", {.session = [&](Connection&, Stream&) { stop_in("session"); }});
    server.HandlePlain([&](const http::RequestHead&) {
      stop_in("plain");
      return http::TextResponse(200, "fine\n");
    });
    ASSERT_TRUE(server.Start().ok());
    auto witness = OpenPair(&runtime_, &server,
                            where == "on_open" || where == "on_upgrade" ? "/session" : "/");
    auto lower = ConnectPair(&runtime_, &server);
    if (where == "plain") {
      Write(lower.get(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    } else {
      int status = 0;
      auto client = UpgradeClient(&runtime_, std::move(lower),
                                  where == "session" ? "/session" : "/", &status);
      if (client != nullptr && where == "post") {
        // The first connection of the first thread.
        EXPECT_TRUE(server
                        .Post({.thread = 0, .serial = uint64_t{1} << 32},
                              [&](Connection&) { stop_in("post"); })
                        .ok());
      }
      if (client != nullptr && where != "on_close" && where != "post") {
        static_cast<void>(client->SendText("x", Soon()));
      }
      if (where == "on_close") client.reset();
      Settle();
    }
    EXPECT_TRUE(server.Wait(Soon()).ok());
    EXPECT_GE(returned, 1);
    EXPECT_EQ(server.counts().connections, 0u);
    server.Stop();
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
  }
}

// A callback runs on the stack of whoever polls, and may not wait for anybody.
TEST_F(ServerStopTest, InACallback) {
  StartWithSession();
  bool returned = false;
  CallbackTimer timer(&runtime_, [&] {
    server_->Stop();
    EXPECT_EQ(sessions_ended_, 0);
    EXPECT_EQ(StatusErrno(server_->Wait(Deadline::Never())), ETIMEDOUT);
    returned = true;
  });
  timer.Set(Deadline::Immediately());
  EXPECT_TRUE(server_->Wait(Soon()).ok());
  EXPECT_TRUE(returned);
  ExpectEnded();
}

// In the handlers of connections that are still there when everything is joined.
TEST_F(ServerStopTest, InTheLastCloseOfAll) {
  Server server(&runtime_, {.at_work_max = 1});
  int closed = 0;
  server.Handle("/", {.on_close = [&](Connection&, const CloseReport&) {
                  server.Stop();
                  ++closed;
                }});
  ASSERT_TRUE(server.Start().ok());
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(OpenPair(&runtime_, &server, "/"));
  Settle();
  server.Stop();
  EXPECT_EQ(closed, 3);
}

TEST_F(ServerStopTest, BeforeTheStart) {
  Server server(&runtime_, {});
  server.Stop();
  server.Stop();
  // As Drain(): it is not forgotten.
  ASSERT_TRUE(server.Start().ok());
  EXPECT_TRUE(server.Wait(Deadline::Immediately()).ok() || server.Wait(Soon()).ok());
}

// Whoever is in Stop() or Wait() comes out before the object has gone.
TEST_F(ServerStopTest, TheDestructorLetsOthersOut) {
  for (const bool waits : {false, true}) {
    sessions_ended_ = 0;
    StartWithSession();
    Bundle bundle(&runtime_);
    int out = 0;
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(bundle
                      .Go([&] {
                        if (waits) {
                          EXPECT_TRUE(server_->Wait(Deadline::Never()).ok());
                        } else {
                          server_->Stop();
                        }
                        ++out;
                      })
                      .ok());
    }
    EXPECT_EQ(out, 0);
    server_.reset();
    EXPECT_EQ(sessions_ended_, 1);
    EXPECT_EQ(out, 2);
    EXPECT_EQ(bundle.Wait(Soon()), 0);
  }
}

TEST_F(ServerStopTest, WaitInAHandler) {
  Server server(&runtime_, {});
  int waited = -1;
  server.Handle("/", {.on_message = [&](Connection&, MessageView) {
                  waited = StatusErrno(server.Wait(Deadline::Never()));
                }});
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  ASSERT_TRUE(client->SendText("x", Soon()).ok());
  Settle();
  EXPECT_EQ(waited, EDEADLK);
}

// What has the server's connections may outlive it: they have ended, and say so.
TEST_F(ServerStopTest, ConnectionsThatAreKeptLonger) {
  ConnectionRef kept;
  {
    Server server(&runtime_, {});
    server.Handle("/", {.on_open = [&](Connection& c) { kept = ConnectionRef(c); }});
    ASSERT_TRUE(server.Start().ok());
    client_ = OpenPair(&runtime_, &server, "/");
    Settle();
  }
  ASSERT_TRUE(kept);
  EXPECT_FALSE(kept->open());
  EXPECT_EQ(StatusErrno(kept->SendText("x")), EBADF);
  EXPECT_EQ(StatusErrno(kept->SendText("x", Soon())), EBADF);
  EXPECT_EQ(StatusErrno(kept->Send({MessageType::kText, {}})), EBADF);
  const auto message = EncodedMessage::Make(MessageType::kText, "x");
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(StatusErrno(kept->Enqueue(*message)), EBADF);
  EXPECT_EQ(StatusErrno(kept->Close(1000, "")), EBADF);
  kept->Abort();
  EXPECT_EQ(kept->resource(), "/");
}

// A sender that is none of the server's comes to its end when the server has gone.
TEST_F(ServerStopTest, SendersThatComeOutLater) {
  ConnectionRef kept;
  server_ = std::make_unique<Server>(&runtime_, ServerOptions());
  server_->Handle("/", {.on_open = [&](Connection& c) { kept = ConnectionRef(c); }});
  ASSERT_TRUE(server_->Start().ok());
  client_ = OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = 100});
  Settle();
  ASSERT_TRUE(kept);
  Bundle bundle(&runtime_);
  absl::Status sent = absl::UnknownError("");
  ASSERT_TRUE(bundle.Go([&] { sent = kept->SendText(std::string(150, 'x'), Soon()); }).ok());
  // It finds room, and before it has its turn there is no server any more.
  const auto bytes = client_->lower()->Peek(100, Deadline::Immediately());
  ASSERT_TRUE(bytes.ok());
  client_->lower()->Consume(bytes->size());
  server_.reset();
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_NE(sent, absl::UnknownError(""));
}

using ServerStopDeathTest = ServerStopTest;

TEST_F(ServerStopDeathTest, NotDestroyedByItsOwnHandler) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        StartWithSession([this] { server_.reset(); });
        server_->Drain(absl::ZeroDuration());
        static_cast<void>(server_->Wait(Soon()));
      },
      "check failed");
}

// ---- On other threads --------------------------------------------------------------------------

Deadline Later() { return Deadline::In(absl::Seconds(60)); }

// Of a server on a runtime another thread's call is a drain at once.
TEST(ServerStopThreadsTest, FromAnotherThreadThanTheRuntimes) {
  FdLeakCheck leaks;
  Runtime runtime;
  Server server(&runtime, {});
  server.Handle("/", EchoHandler());
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime, &server, "/");
  std::thread other([&] {
    server.Stop();
    server.Drain(absl::Seconds(100));
  });
  EXPECT_TRUE(server.Wait(Later()).ok());
  other.join();
  EXPECT_EQ(server.counts().connections, 0u);
  server.Stop();
}

class ServerStopOwnThreadsTest : public testing::Test {
 protected:
  ServerStopOwnThreadsTest() {
    ServerOptions options;
    options.threads = 2;
    server_ = std::make_unique<Server>(std::move(options));
  }

  // A client's connection, kept open as long as this object.
  void Connect(absl::string_view path) {
    auto stream = Client(&runtime_).Connect(absl::StrCat(url_, path), Later());
    ASSERT_TRUE(stream.ok()) << stream.status();
    streams_.push_back(*std::move(stream));
  }
  void StartServer() {
    const auto address = server_->ListenTcp(IpAddress::Loopback(IpFamily::kIpv4, 0));
    ASSERT_TRUE(address.ok());
    url_ = absl::StrCat("ws://127.0.0.1:", address->port());
    ASSERT_TRUE(server_->Start().ok());
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  std::string url_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerStopOwnThreadsTest, ByHandlersAndSeveralThreads) {
  std::atomic<int> in_handlers = 0;
  server_->Handle("/", {.on_message =
                            [&](Connection&, MessageView) {
                              server_->Stop();
                              EXPECT_EQ(StatusErrno(server_->Wait(Deadline::Never())), EDEADLK);
                              ++in_handlers;
                            },
                        .on_close =
                            [&](Connection&, const CloseReport&) {
                              server_->Stop();
                              ++in_handlers;
                            }});
  StartServer();
  for (int i = 0; i < 8; ++i) Connect("/");
  // The last one knows of the answer before the server has come behind it.
  while (server_->counts().open < 8) std::this_thread::yield();
  std::vector<std::thread> threads;
  for (auto& stream : streams_) static_cast<void>(stream->SendText("x", Later()));
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { server_->Stop(); });
  server_->Stop();
  EXPECT_EQ(server_->counts().connections, 0u);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(in_handlers, 8) << "the closes of all";
  server_->Stop();
  EXPECT_TRUE(server_->Wait(Later()).ok());
}

// One handler's call ends a server that somebody else runs.
TEST_F(ServerStopOwnThreadsTest, AHandlerEndsIt) {
  server_->Handle("/", {.on_open = [&](Connection&) { server_->Stop(); }});
  StartServer();
  std::thread waiter([&] { EXPECT_TRUE(server_->Wait(Later()).ok()); });
  auto stream = Client(&runtime_).Connect(url_ + "/", Later());
  waiter.join();
  EXPECT_EQ(server_->counts().connections, 0u);
}

TEST_F(ServerStopOwnThreadsTest, TheDestructorLetsOthersOut) {
  std::atomic<bool> told = false;
  std::atomic<bool> returns = false;
  server_->Handle("/", {.session = [&](Connection& c, Stream&) {
                    EXPECT_EQ(c.runtime()->SleepUntil(Deadline::Never()), ECANCELED);
                    told = true;
                    while (!returns) std::this_thread::yield();
                  }});
  StartServer();
  Connect("/");
  Server* const server = server_.get();
  std::thread stopper([server] { server->Stop(); });
  while (!told) std::this_thread::yield();
  // The stopper waits for the session, or is about to.
  std::thread releaser([&returns] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    returns = true;
  });
  server_.reset();
  EXPECT_TRUE(returns);
  stopper.join();
  releaser.join();
}

// A server that has drained may be given up, though whoever has asked for that is not out yet.
TEST_F(ServerStopOwnThreadsTest, GivenUpWhileAnotherDrainsIt) {
  for (int i = 0; i < 30; ++i) {
    auto owned = std::make_unique<Server>(ServerOptions{.threads = 2});
    Server* const server = owned.get();
    ASSERT_TRUE(server->Start().ok());
    std::thread drainer([server] { server->Drain(absl::ZeroDuration()); });
    EXPECT_TRUE(server->Wait(Later()).ok());
    owned.reset();
    drainer.join();
  }
}

TEST(ServerStopThreadsTest, GivenUpWhileAnotherDrainsIt) {
  Runtime runtime;
  for (int i = 0; i < 30; ++i) {
    auto owned = std::make_unique<Server>(&runtime, ServerOptions());
    Server* const server = owned.get();
    ASSERT_TRUE(server->Start().ok());
    std::thread drainer([server] { server->Stop(); });
    EXPECT_TRUE(server->Wait(Later()).ok());
    owned.reset();
    drainer.join();
  }
}

TEST_F(ServerStopOwnThreadsTest, BeforeTheStart) {
  server_->Handle("/", EchoHandler());
  server_->Stop();
  StartServer();
  EXPECT_TRUE(server_->Wait(Later()).ok());
  server_->Stop();
}

// Together with a start on another thread: whichever is first, it comes to its end.
TEST_F(ServerStopOwnThreadsTest, WhileItStarts) {
  for (int i = 0; i < 20; ++i) {
    Server server({.threads = 2});
    std::thread stopper([&] { server.Stop(); });
    EXPECT_TRUE(server.Run().ok());
    stopper.join();
  }
}

}  // namespace
}  // namespace halfpipe::websocket
