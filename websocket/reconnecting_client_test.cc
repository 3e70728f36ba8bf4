#include "websocket/reconnecting_client.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
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
using ::testing::IsEmpty;

// Draws the longest pause each time.
class HighestEntropy final : public Entropy {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = 0xff;
  }
};

class ReconnectingClientTest : public testing::Test {
 protected:
  ReconnectingClientTest() {
    options_.backoff = {.first_max = absl::Seconds(1), .max = absl::Seconds(8)};
  }

  ClientOptions Dialling() {
    ClientOptions options;
    options.dial = [this](absl::string_view, uint16_t,
                          Deadline deadline) -> absl::StatusOr<BytestreamPtr> {
      Note("dial");
      if (black_hole_) {
        return ErrnoStatus(runtime_.SleepUntil(deadline) == 0 ? ETIMEDOUT : ECANCELED, "nothing");
      }
      if (server_ == nullptr) return ErrnoStatus(ECONNREFUSED, "nobody is there");
      auto [client, theirs] = MakePair(&runtime_);
      absl::Status status = server_->Serve(std::move(theirs));
      if (!status.ok()) return status;
      return std::move(client);
    };
    return options;
  }

  ReconnectHandlers Handlers() {
    ReconnectHandlers handlers;
    handlers.on_open = [this](Stream& stream) {
      Note("open");
      EXPECT_TRUE(stream.SendText("subscribe", Soon()).ok());
    };
    handlers.on_message = [this](Stream&, MessageView message) {
      Note(absl::StrCat("message ", message.text()));
    };
    handlers.on_end = [this](const ConnectionEnd& end, std::optional<absl::Duration> pause) {
      Note(absl::StrCat(
          "end ", end.error == 0 ? absl::StrCat(end.close_code) : std::string(ErrnoName(end.error)),
          pause.has_value() ? absl::StrCat(" again in ", absl::ToInt64Seconds(*pause)) : " over"));
    };
    return handlers;
  }

  void StartServer() {
    server_ = std::make_unique<Server>(&runtime_, ServerOptions());
    server_->Handle("/", EchoHandler());
    Handler busy;
    busy.on_upgrade = [](const UpgradeRequest&) {
      UpgradeDecision decision = UpgradeDecision::Refuse(503);
      decision.fields.push_back({"Retry-After", "30"});
      return decision;
    };
    server_->Handle("/busy", std::move(busy));
    ASSERT_TRUE(server_->Start().ok());
  }

  void Note(std::string line) {
    notes_.push_back(absl::StrCat(runtime_.sim_clock().NowNanos() / 1'000'000'000 - 1, " ", line));
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  HighestEntropy highest_;
  ReconnectOptions options_;
  std::vector<std::string> notes_;
  bool black_hole_ = false;
  std::unique_ptr<Server> server_;
};

TEST_F(ReconnectingClientTest, ComesBackAndSubscribesAnew) {
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(), options_, Handlers(),
                            &highest_);
  Bundle bundle(&runtime_);
  absl::Status result = ErrnoStatus(EAGAIN, "");
  ASSERT_TRUE(bundle.Go([&] { result = client.Run(); }).ok());
  EXPECT_EQ(StatusErrno(client.Run()), EBUSY);
  // Nothing is kept of what is sent meanwhile.
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(StatusErrno(client.SendText("lost", Soon())), ECONNRESET);
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(500)));
  StartServer();
  runtime_.SleepUntil(Deadline::In(absl::Seconds(20)));
  EXPECT_TRUE(client.connected());
  EXPECT_TRUE(client.SendText("x", Soon()).ok());
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
  server_->Stop();
  server_.reset();
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
  EXPECT_EQ(StatusErrno(client.SendText("lost", Soon())), ECONNRESET);
  StartServer();
  runtime_.SleepUntil(Deadline::In(absl::Seconds(5)));
  EXPECT_TRUE(client.Close(1000, "enough").ok());
  EXPECT_TRUE(client.Close(1000, "again").ok());
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_THAT(notes_, ElementsAre("0 dial", "0 end ECONNREFUSED again in 1", "1 dial", "1 open",
                                  "1 message subscribe", "20 message x", "20 end 1001 again in 1",
                                  "21 dial", "21 open", "21 message subscribe"));
}

TEST_F(ReconnectingClientTest, PausesGrowToTheCap) {
  options_.attempts_max = 6;
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(), options_, Handlers(),
                            &highest_);
  EXPECT_EQ(StatusErrno(client.Run()), ECONNREFUSED);
  EXPECT_THAT(notes_, ElementsAre("0 dial", "0 end ECONNREFUSED again in 1",    //
                                  "1 dial", "1 end ECONNREFUSED again in 2",    //
                                  "3 dial", "3 end ECONNREFUSED again in 4",    //
                                  "7 dial", "7 end ECONNREFUSED again in 8",    //
                                  "15 dial", "15 end ECONNREFUSED again in 8",  //
                                  "23 dial", "23 end ECONNREFUSED again in 8",  //
                                  "31 dial", "31 end ECONNREFUSED over"));
}

TEST_F(ReconnectingClientTest, RetryAfterIsObeyed) {
  StartServer();
  options_.attempts_max = 1;
  ReconnectingClient client(&runtime_, "ws://a.example/busy", Dialling(), options_, Handlers(),
                            &highest_);
  EXPECT_EQ(StatusErrno(client.Run()), EACCES);
  EXPECT_THAT(notes_,
              ElementsAre("0 dial", "0 end EACCES again in 31", "31 dial", "31 end EACCES over"));
  EXPECT_EQ(client.response().status, 503);
}

TEST_F(ReconnectingClientTest, WhatIsFinalIsNotTriedAgain) {
  StartServer();
  ReconnectingClient client(&runtime_, "ws://a.example/none", Dialling(), options_, Handlers(),
                            &highest_);
  EXPECT_EQ(StatusErrno(client.Run()), EACCES);
  EXPECT_THAT(notes_, ElementsAre("0 dial", "0 end EACCES over"));
  // Unless the program knows better.
  notes_.clear();
  ReconnectHandlers handlers = Handlers();
  int left = 2;
  handlers.verdict = [&](const ConnectionEnd& end) -> std::optional<bool> {
    EXPECT_EQ(end.status, 404);
    return --left > 0;
  };
  ReconnectingClient stubborn(&runtime_, "ws://a.example/none", Dialling(), options_,
                              std::move(handlers), &highest_);
  EXPECT_EQ(StatusErrno(stubborn.Run()), EACCES);
  EXPECT_EQ(notes_.size(), 4u);
}

TEST_F(ReconnectingClientTest, CloseEndsAPauseAndAnAttempt) {
  for (const bool attempt : {false, true}) {
    black_hole_ = attempt;
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(), options_, Handlers(),
                              &highest_);
    Bundle bundle(&runtime_);
    absl::Status result = ErrnoStatus(EAGAIN, "");
    ASSERT_TRUE(bundle.Go([&] { result = client.Run(); }).ok());
    EXPECT_EQ(StatusErrno(client.Close(999, "")), EINVAL);
    EXPECT_EQ(StatusErrno(client.Close(1000, std::string(124, 'x'))), EMSGSIZE);
    const int64_t start = runtime_.sim_clock().NowNanos();
    EXPECT_TRUE(client.Close(1000, "").ok());
    EXPECT_EQ(bundle.Wait(Soon()), 0);
    EXPECT_TRUE(result.ok()) << result;
    EXPECT_EQ(runtime_.sim_clock().NowNanos(), start);
    EXPECT_TRUE(client.Run().ok()) << "for good";
  }
}

TEST_F(ReconnectingClientTest, AnAttemptHasItsTime) {
  black_hole_ = true;
  options_.attempts_max = 1;
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(), options_, Handlers(),
                            &highest_);
  client.set_connect_time(absl::Seconds(3));
  EXPECT_EQ(StatusErrno(client.Run()), ETIMEDOUT);
  EXPECT_THAT(notes_, ElementsAre("0 dial", "3 end ETIMEDOUT again in 1", "4 dial",
                                  "7 end ETIMEDOUT over"));
}

TEST_F(ReconnectingClientTest, CancellationEndsItAnywhere) {
  for (const int where : {0, 1, 2}) {  // an attempt, a pause, a connection
    black_hole_ = where == 0;
    if (where == 2) StartServer();
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(), options_, Handlers(),
                              &highest_);
    Bundle bundle(&runtime_);
    absl::Status result;
    ASSERT_TRUE(bundle.Go([&] { result = client.Run(); }).ok());
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
    EXPECT_EQ(client.connected(), where == 2);
    bundle.CancelAndJoin();
    EXPECT_EQ(StatusErrno(result), ECANCELED);
    EXPECT_FALSE(client.connected());
  }
}

// A sender that is inside when the connection goes comes out with ECONNRESET.
TEST_F(ReconnectingClientTest, ASenderInsideComesOut) {
  StartServer();
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(), options_, {}, &highest_);
  Bundle bundle(&runtime_);
  ASSERT_TRUE(bundle.Go([&] { static_cast<void>(client.Run()); }).ok());
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
  ASSERT_TRUE(client.connected());
  server_->Stop();
  absl::Status sent;
  const std::vector<uint8_t> large(1 << 20);
  ASSERT_TRUE(bundle
                  .Go([&] {
                    while (sent.ok()) sent = client.Send(MessageType::kBinary, large, Soon());
                  })
                  .ok());
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
  EXPECT_EQ(StatusErrno(sent), ECONNRESET);
  EXPECT_TRUE(client.Close(1000, "").ok());
  EXPECT_EQ(bundle.Wait(Soon()), 0);
}

}  // namespace
}  // namespace halfpipe::websocket
