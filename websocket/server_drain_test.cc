// The end of a server: drain, its bound, and what is left.

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

using ::testing::ElementsAre;

class ServerDrainTest : public testing::Test {
 protected:
  void Settle() { runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))); }
  int64_t Millis() { return runtime_.sim_clock().NowNanos() / 1'000'000; }

  void StartServer(ServerOptions options) {
    server_ = std::make_unique<Server>(&runtime_, std::move(options));
    Handler echo = EchoHandler();
    echo.options = handler_options_;
    echo.on_close = [this](Connection&, const CloseReport& report) {
      closes_.push_back(report.error == 0 ? absl::StrCat(report.code)
                                          : std::string(ErrnoName(report.error)));
    };
    server_->Handle("/", std::move(echo));
    // Handlers that wait for something else than their connection.
    Handler stuck;
    stuck.options = handler_options_;
    stuck.on_message = [this](Connection& c, MessageView) {
      ends_.push_back(c.runtime()->SleepUntil(Deadline::Never()));
    };
    server_->Handle("/stuck", std::move(stuck));
    server_->Handle("/session", {.session =
                                     [this](Connection& c, Stream&) {
                                       ends_.push_back(c.runtime()->SleepUntil(Deadline::Never()));
                                     },
                                 .options = handler_options_});
    ASSERT_TRUE(server_->Start().ok());
  }

  void Write(Bytestream* stream, absl::string_view text) {
    const IoSlice slice(text);
    ASSERT_TRUE(stream->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  std::vector<std::string> closes_;
  std::vector<int> ends_;
  Options handler_options_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerDrainTest, OpenConnectionsAreClosedWith1001) {
  StartServer({});
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(OpenPair(&runtime_, server_.get(), "/"));
  // A message that is on its way is still delivered.
  ASSERT_TRUE(clients[0]->SendText("late", Soon()).ok());
  server_->Drain(absl::Seconds(30));
  for (auto& client : clients) {
    EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
    ASSERT_TRUE(client->peer_close().has_value());
    EXPECT_EQ(client->peer_close()->code, 1001);
    client.reset();
  }
  const int64_t start = Millis();
  EXPECT_TRUE(server_->Wait(Soon()).ok());
  EXPECT_EQ(Millis(), start);
  const ServerCounts counts = server_->counts();
  EXPECT_EQ(counts.drained, 3u);
  EXPECT_EQ(counts.aborted, 0u);
  EXPECT_EQ(counts.connections, 0u);
  EXPECT_EQ(counts.messages_received, 1u);
  EXPECT_THAT(closes_, ElementsAre("1001", "1001", "1001"));
}

TEST_F(ServerDrainTest, NewOnesAreToldToComeLater) {
  StartServer({.retry_after = absl::Seconds(17)});
  auto on_its_way = ConnectPair(&runtime_, server_.get());
  Write(on_its_way.get(), "GET / HTTP/1.1\r\n");
  auto silent = ConnectPair(&runtime_, server_.get());
  auto client = OpenPair(&runtime_, server_.get(), "/");
  server_->Drain(absl::Seconds(30));
  auto [late, theirs] = MakePair(&runtime_);
  EXPECT_EQ(StatusErrno(server_->Serve(std::move(theirs))), ECANCELED);
  Write(on_its_way.get(),
        "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n");
  std::string answer;
  for (;;) {
    auto bytes = on_its_way->Peek(1, Soon());
    ASSERT_TRUE(bytes.ok());
    if (bytes->empty()) break;
    answer.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    on_its_way->Consume(bytes->size());
  }
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(answer, testing::HasSubstr("Retry-After: 17\r\n"));
  EXPECT_EQ(server_->counts().refused[503], 1u);
  on_its_way.reset();
  client.reset();
  // One that says nothing is not waited for as long.
  const int64_t start = Millis();
  EXPECT_TRUE(server_->Wait(Soon()).ok());
  EXPECT_LE(Millis() - start, 1000);
}

TEST_F(ServerDrainTest, TheBoundBreaksWhatIsLeft) {
  handler_options_.close_time_max = absl::Minutes(5);
  StartServer({});
  auto silent = OpenPair(&runtime_, server_.get(), "/");
  auto stuck = OpenPair(&runtime_, server_.get(), "/stuck");
  ASSERT_TRUE(stuck->SendText("x", Soon()).ok());
  auto session = OpenPair(&runtime_, server_.get(), "/session");
  auto head = ConnectPair(&runtime_, server_.get());
  Write(head.get(), "GET ");
  auto partial = OpenPair(&runtime_, server_.get(), "/");
  Write(partial->lower(), "\x81");
  Settle();
  EXPECT_EQ(server_->counts().connections, 5u);
  const int64_t start = Millis();
  server_->Drain(absl::Seconds(3));
  EXPECT_TRUE(server_->Wait(Soon()).ok());
  EXPECT_EQ(Millis() - start, 3000);
  EXPECT_EQ(server_->counts().connections, 0u);
  EXPECT_EQ(server_->counts().aborted, 5u);
  EXPECT_EQ(server_->counts().drained, 0u);
  EXPECT_THAT(ends_, ElementsAre(ECANCELED, ECANCELED));
  EXPECT_THAT(closes_, ElementsAre("EBADF", "EBADF"));
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

TEST_F(ServerDrainTest, TheEarliestBoundCounts) {
  handler_options_.close_time_max = absl::Minutes(5);
  StartServer({});
  auto silent = OpenPair(&runtime_, server_.get(), "/");
  const int64_t start = Millis();
  server_->Drain(absl::Seconds(100));
  server_->Drain(absl::Seconds(100));
  EXPECT_EQ(StatusErrno(server_->Wait(Deadline::In(absl::Seconds(1)))), ETIMEDOUT);
  server_->Drain(absl::Seconds(1));
  server_->Drain(absl::Seconds(50));
  EXPECT_TRUE(server_->Wait(Deadline::Never()).ok());
  EXPECT_EQ(Millis() - start, 2000);
  server_->Drain(absl::Seconds(1));
  EXPECT_TRUE(server_->Wait(Deadline::Never()).ok());
  EXPECT_EQ(server_->counts().aborted, 1u);
}

TEST_F(ServerDrainTest, StopIsNow) {
  StartServer({});
  auto silent = ConnectPair(&runtime_, server_.get());
  auto client = OpenPair(&runtime_, server_.get(), "/");
  auto session = OpenPair(&runtime_, server_.get(), "/session");
  auto gone = OpenPair(&runtime_, server_.get(), "/");
  gone.reset();
  auto lingering = OpenPair(&runtime_, server_.get(), "/");
  EXPECT_TRUE(lingering->Done(1000, "", Soon()).ok());
  Settle();
  const int64_t start = Millis();
  server_->Stop();
  EXPECT_EQ(Millis(), start);
  EXPECT_EQ(server_->counts().connections, 0u);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  // Those that are there get a Close all the same: it could be written at once.
  EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
  ASSERT_TRUE(client->peer_close().has_value());
  EXPECT_EQ(client->peer_close()->code, 1001);
}

// A handler that is told and does not return is counted once.
TEST_F(ServerDrainTest, WhoIsBrokenTwiceIsCountedOnce) {
  Server server(&runtime_, {});
  bool cancelled = false;
  server.Handle("/", {.session = [&](Connection& c, Stream&) {
                  cancelled = c.runtime()->SleepUntil(Deadline::Never()) == ECANCELED;
                  // Its connection has been broken by the bound; now the end is at once.
                  server.Drain(absl::ZeroDuration());
                }});
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  server.Drain(absl::Seconds(3));
  EXPECT_TRUE(server.Wait(Soon()).ok());
  server.Stop();
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(server.counts().aborted, 1u);
}

// What has happened is in the counts while the server ends too.
TEST_F(ServerDrainTest, CountsWhileItEnds) {
  Server server(&runtime_, {});
  uint64_t upgraded = 0;
  server.Handle("/", {.session = [&](Connection& c, Stream&) {
                  c.runtime()->SleepUntil(Deadline::Never());
                  upgraded = server.counts().upgraded;
                }});
  ASSERT_TRUE(server.Start().ok());
  auto client = OpenPair(&runtime_, &server, "/");
  server.Stop();
  EXPECT_EQ(upgraded, 1u);
  EXPECT_EQ(server.counts().upgraded, 1u);
}

// A drain that comes before the start is not forgotten, whatever its bound.
TEST_F(ServerDrainTest, BeforeTheStart) {
  for (const absl::Duration bound :
       {absl::ZeroDuration(), absl::Seconds(5), absl::InfiniteDuration()}) {
    Server server(&runtime_, {});
    server.Drain(absl::InfiniteDuration());
    server.Drain(bound);
    ASSERT_TRUE(server.Start().ok());
    auto [client, theirs] = MakePair(&runtime_);
    EXPECT_EQ(StatusErrno(server.Serve(std::move(theirs))), ECANCELED);
    EXPECT_TRUE(server.Wait(Soon()).ok());
  }
}

// A server that has not been started, and one without anything, come to their end too.
TEST_F(ServerDrainTest, NothingToDrain) {
  { Server never_started(&runtime_, {}); }
  StartServer({});
  server_->Drain(absl::Seconds(5));
  EXPECT_TRUE(server_->Wait(Soon()).ok());
}

// An on_close that is called because of the bound is over soon, too.
TEST_F(ServerDrainTest, TheBoundHoldsForTheLastCloses) {
  for (const size_t at_work_max : {1, 100}) {
    Server server(&runtime_, {.at_work_max = at_work_max});
    server.Handle("/", {.on_close =
                            [&](Connection& c, const CloseReport&) {
                              ends_.push_back(c.runtime()->SleepUntil(Deadline::Never()));
                            },
                        .options = handler_options_});
    ASSERT_TRUE(server.Start().ok());
    std::vector<std::unique_ptr<Stream>> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(OpenPair(&runtime_, &server, "/"));
    // One of them has closed before: its on_close is at work, or waits for its place.
    EXPECT_TRUE(clients[0]->Done(1000, "", Soon()).ok());
    Settle();
    const int64_t start = Millis();
    server.Drain(absl::Seconds(3));
    EXPECT_TRUE(server.Wait(Deadline::In(absl::Minutes(1))).ok());
    EXPECT_EQ(Millis() - start, 3000);
    EXPECT_THAT(ends_, ElementsAre(ECANCELED, ECANCELED, ECANCELED));
    ends_.clear();
  }
}

// What is waited for may come in the moment in which the bound is over: it does not count any more.
TEST_F(ServerDrainTest, NobodyLingersBehindTheBound) {
  ServerOptions options;
  options.handshake_time = absl::Seconds(10);
  Server server(&runtime_, options);
  Handler handler = EchoHandler();
  handler.on_upgrade = [](const UpgradeRequest&) {
    return UpgradeDecision::Refuse(403, std::string(1000, 'x'));
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = ConnectPair(&runtime_, &server, {.capacity_bytes = 500});
  Write(client.get(),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n");
  // The answer's time is over; what is left of it, and the end behind it, wait for the client.
  runtime_.SleepUntil(Deadline::In(absl::Seconds(11)));
  ASSERT_EQ(runtime_.coroutine_count(), 1u);
  size_t read = 0;
  for (;;) {
    const auto bytes = client->Peek(1, Deadline::Immediately());
    if (!bytes.ok() || bytes->empty()) break;
    read += bytes->size();
    client->Consume(bytes->size());
  }
  EXPECT_GT(read, 1000u);
  server.Drain(absl::ZeroDuration());
  const int64_t start = Millis();
  EXPECT_TRUE(server.Wait(Deadline::In(absl::Minutes(1))).ok());
  EXPECT_EQ(Millis(), start);
}

// An upgrade whose last bytes leave in the moment in which the bound is over is none any more.
TEST_F(ServerDrainTest, NobodyUpgradesBehindTheBound) {
  Server server(&runtime_, {});
  int opened = 0;
  Handler handler = EchoHandler();
  handler.on_open = [&opened](Connection&) { ++opened; };
  handler.on_close = [this](Connection&, const CloseReport& report) {
    ends_.push_back(report.error);
  };
  server.Handle("/", std::move(handler));
  ASSERT_TRUE(server.Start().ok());
  auto client = ConnectPair(&runtime_, &server, {.capacity_bytes = 100});
  Write(client.get(),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n");
  Settle();
  ASSERT_EQ(runtime_.coroutine_count(), 1u) << "the answer waits for room";
  const auto bytes = client->Peek(100, Deadline::Immediately());
  ASSERT_TRUE(bytes.ok());
  client->Consume(bytes->size());
  server.Drain(absl::ZeroDuration());
  EXPECT_TRUE(server.Wait(Deadline::In(absl::Minutes(1))).ok());
  EXPECT_EQ(opened, 0);
  EXPECT_TRUE(ends_.empty());
  EXPECT_EQ(server.counts().upgraded, 0u);
}

// Draining goes on where its caller stops waiting, in each wait of it.
TEST_F(ServerDrainTest, WaitingMayBeCancelled) {
  StartServer({});
  auto client = OpenPair(&runtime_, server_.get(), "/");
  Bundle bundle(&runtime_);
  absl::Status status;
  ASSERT_TRUE(bundle.Go([&] { status = server_->Wait(Deadline::Never()); }).ok());
  server_->Drain(absl::Seconds(5));
  bundle.CancelAndJoin();
  EXPECT_EQ(StatusErrno(status), ECANCELED);
  client.reset();
  EXPECT_TRUE(server_->Wait(Soon()).ok());
}

}  // namespace
}  // namespace halfpipe::websocket
