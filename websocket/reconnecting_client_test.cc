#include "websocket/reconnecting_client.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
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

// A peer whose side of each connection is a script's, behind the opening handshake.
class ScriptedPeerTest : public testing::Test {
 protected:
  using Script = std::function<void(Stream* theirs)>;

  ClientOptions Dialling(Script script, PairOptions pair = {}) {
    ClientOptions options;
    options.dial = [this, script = std::move(script), pair](
                       absl::string_view, uint16_t, Deadline) -> absl::StatusOr<BytestreamPtr> {
      auto [ours, theirs] = MakePair(&runtime_, pair);
      theirs_.push_back(std::move(theirs));
      absl::Status status = peers_.Go([this, script, index = theirs_.size() - 1] {
        ServerUpgradeOptions upgrade;
        ServerUpgradeResult result;
        const auto accept = [](const UpgradeRequest&) { return UpgradeDecision::Accept(); };
        absl::Status upgraded =
            ServerUpgrade(&runtime_, theirs_[index].get(), upgrade, accept, Soon(), &result);
        if (!upgraded.ok()) return;
        Options manners;
        manners.answer_close = false;
        Stream stream(&runtime_, std::move(theirs_[index]),
                      StreamOptions(upgrade, result, manners));
        script(&stream);
      });
      if (!status.ok()) return status;
      return std::move(ours);
    };
    return options;
  }

  // Has the client run, and calls Close(1000) a second after it is connected; returns how long it
  // took from there to the end of Run().
  absl::Duration TimeToClose(ReconnectingClient* client) {
    absl::Status result = ErrnoStatus(EAGAIN, "");
    Bundle bundle(&runtime_);
    EXPECT_TRUE(bundle.Go([&] { result = client->Run(); }).ok());
    runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
    EXPECT_TRUE(client->connected());
    const int64_t start = Now();
    EXPECT_TRUE(client->Close(1000, "enough").ok());
    EXPECT_EQ(Now(), start) << "it never waits";
    EXPECT_EQ(bundle.Wait(Deadline::In(absl::Hours(1))), 0);
    EXPECT_TRUE(result.ok()) << result;
    EXPECT_FALSE(client->connected());
    return absl::Nanoseconds(Now() - start);
  }

  int64_t Now() { return runtime_.sim_clock().NowNanos(); }

  // What the peer gets next: a message's text, a Close's code, or an error.
  static std::string Next(Stream* theirs) {
    const auto message = theirs->ReceiveView(Deadline::In(absl::Hours(1)));
    if (!message.ok()) return std::string(ErrnoName(StatusErrno(message.status())));
    if (message->has_value()) return absl::StrCat((*message)->payload.size(), " bytes");
    return absl::StrCat(theirs->peer_close()->code, " ", theirs->peer_close()->reason);
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  HighestEntropy highest_;
  std::vector<BytestreamPtr> theirs_;
  std::vector<std::string> got_;
  Bundle peers_{&runtime_};
};

TEST_F(ScriptedPeerTest, APeerThatDoesNotAnswerOurCloseHasItsTime) {
  const auto silent = [this](Stream* theirs) {
    got_.push_back(Next(theirs));
    runtime_.SleepUntil(Deadline::Never());
  };
  {
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(silent), {}, {}, &highest_);
    EXPECT_EQ(TimeToClose(&client), absl::Seconds(5));
  }
  for (const absl::Duration time :
       {absl::Milliseconds(1), absl::Minutes(3), absl::ZeroDuration(), -absl::Seconds(1)}) {
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(silent), {}, {}, &highest_);
    client.set_close_time(time);
    EXPECT_EQ(TimeToClose(&client), std::max(time, absl::ZeroDuration())) << time;
  }
  EXPECT_THAT(
      got_, ElementsAre("1000 enough", "1000 enough", "1000 enough", "1000 enough", "1000 enough"));
}

// The peer's Close comes just before the time is over, as that ends, and just after.
TEST_F(ScriptedPeerTest, AnAnswerInTimeAndNotInTime) {
  constexpr absl::Duration kTime = absl::Seconds(7);
  for (const int off : {-1, 0, 1}) {
    bool in_time = false;
    const auto answers = [&](Stream* theirs) {
      got_.push_back(Next(theirs));
      runtime_.SleepUntil(Deadline::In(kTime + absl::Nanoseconds(off)));
      in_time = theirs->Close(1000, "", Soon()).ok();
    };
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(answers), {}, {}, &highest_);
    client.set_close_time(kTime);
    EXPECT_EQ(TimeToClose(&client), kTime + absl::Nanoseconds(std::min(off, 0))) << off;
    EXPECT_EQ(peers_.Wait(Soon()), 0);
    EXPECT_EQ(in_time, off < 0) << off;
  }
}

// Its answer does not give the peer the same time anew to end its stream.
TEST_F(ScriptedPeerTest, TheTimeToCloseIsOneForAllOfIt) {
  for (const int off : {-1, 0, 1}) {
    const auto answers = [&](Stream* theirs) {
      got_.push_back(Next(theirs));
      runtime_.SleepUntil(Deadline::In(absl::Seconds(4)));
      EXPECT_TRUE(theirs->Done(1000, "", Soon()).ok());
      runtime_.SleepUntil(Deadline::In(absl::Seconds(3) + absl::Nanoseconds(off)));
    };
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(answers), {}, {}, &highest_);
    client.set_close_time(absl::Seconds(7));
    EXPECT_EQ(TimeToClose(&client), absl::Seconds(7) + absl::Nanoseconds(std::min(off, 0))) << off;
    EXPECT_EQ(peers_.Wait(Soon()), 0);
  }
}

// A peer that closes first, and keeps its stream open, has that time too.
TEST_F(ScriptedPeerTest, APeerThatClosesFirstHasItsTime) {
  const auto closes = [&](Stream* theirs) {
    EXPECT_TRUE(theirs->Done(1000, "bye", Soon()).ok());
    got_.push_back(Next(theirs));
    runtime_.SleepUntil(Deadline::Never());
  };
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(closes), {}, {}, &highest_);
  client.set_close_time(absl::Seconds(3));
  const int64_t start = Now();
  EXPECT_EQ(StatusErrno(client.Run()), ECONNRESET);
  EXPECT_EQ(absl::Nanoseconds(Now() - start), absl::Seconds(3));
  EXPECT_THAT(got_, ElementsAre("1000 "));
}

// The Close goes behind a message that is being sent, whole, and the sender is told nothing else.
TEST_F(ScriptedPeerTest, ACloseDoesNotCutAMessage) {
  const std::vector<uint8_t> large(1 << 20);
  const auto slow = [&](Stream* theirs) {
    runtime_.SleepUntil(Deadline::In(absl::Seconds(3)));
    got_.push_back(Next(theirs));
    got_.push_back(Next(theirs));
    EXPECT_TRUE(theirs->Close(1000, "", Soon()).ok());
  };
  ReconnectingClient* self = nullptr;
  Bundle senders(&runtime_);
  absl::Status sent = ErrnoStatus(EAGAIN, "");
  ReconnectHandlers handlers;
  handlers.on_open = [&](Stream&) {
    EXPECT_TRUE(senders.Go([&] { sent = self->Send(MessageType::kBinary, large, Soon()); }).ok());
  };
  ReconnectingClient client(&runtime_, "ws://a.example/",
                            Dialling(slow, {.capacity_bytes = 1 << 16}), {}, std::move(handlers),
                            &highest_);
  self = &client;
  EXPECT_EQ(TimeToClose(&client), absl::Seconds(2));
  EXPECT_EQ(senders.Wait(Soon()), 0);
  EXPECT_TRUE(sent.ok()) << sent;
  EXPECT_EQ(peers_.Wait(Soon()), 0);
  EXPECT_THAT(got_, ElementsAre("1048576 bytes", "1000 enough"));
}

// And where the peer never takes that message, the time is over with it.
TEST_F(ScriptedPeerTest, ACloseBehindAMessageHasItsTime) {
  const std::vector<uint8_t> large(1 << 20);
  ReconnectingClient* self = nullptr;
  Bundle senders(&runtime_);
  absl::Status sent;
  ReconnectHandlers handlers;
  handlers.on_open = [&](Stream&) {
    EXPECT_TRUE(
        senders.Go([&] { sent = self->Send(MessageType::kBinary, large, Deadline::Never()); })
            .ok());
  };
  ReconnectingClient client(&runtime_, "ws://a.example/",
                            Dialling([this](Stream*) { runtime_.SleepUntil(Deadline::Never()); },
                                     {.capacity_bytes = 1 << 16}),
                            {}, std::move(handlers), &highest_);
  self = &client;
  EXPECT_EQ(TimeToClose(&client), absl::Seconds(5));
  EXPECT_EQ(senders.Wait(Soon()), 0);
  EXPECT_EQ(StatusErrno(sent), ECONNRESET);
}

// The program has sent a Close of its own before: that may still be answered.
TEST_F(ScriptedPeerTest, ACloseBehindAClose) {
  ReconnectHandlers handlers;
  handlers.on_open = [](Stream& stream) { EXPECT_TRUE(stream.Done(3000, "", Soon()).ok()); };
  const auto answers = [&](Stream* theirs) {
    got_.push_back(Next(theirs));
    runtime_.SleepUntil(Deadline::In(absl::Seconds(3)));
    EXPECT_TRUE(theirs->Close(1000, "", Soon()).ok());
  };
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(answers), {},
                            std::move(handlers), &highest_);
  EXPECT_EQ(TimeToClose(&client), absl::Seconds(2));
  EXPECT_THAT(got_, ElementsAre("3000 "));
}

// Close() finds neither an attempt that it could cancel nor a connection yet.
TEST_F(ScriptedPeerTest, ACloseAsTheConnectionComes) {
  bool opened = false;
  ReconnectHandlers handlers;
  handlers.on_open = [&](Stream&) { opened = true; };
  const auto answers = [&](Stream* theirs) {
    got_.push_back(Next(theirs));
    EXPECT_TRUE(theirs->Close(0, "", Soon()).ok());
  };
  ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(answers), {},
                            std::move(handlers), &highest_);
  Bundle bundle(&runtime_);
  absl::Status result = ErrnoStatus(EAGAIN, "");
  ASSERT_TRUE(bundle.Go([&] { result = client.Run(); }).ok());
  while (client.response().status != 101) ASSERT_EQ(runtime_.Yield(), 0);
  ASSERT_FALSE(client.connected());
  EXPECT_TRUE(client.Close(3001, "never mind").ok());
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_FALSE(opened);
  EXPECT_EQ(peers_.Wait(Soon()), 0);
  EXPECT_THAT(got_, ElementsAre("3001 never mind"));
}

// The answer to an attempt comes just before its time is over, as that ends, and just after.
TEST_F(ScriptedPeerTest, AnAttemptInTimeAndNotInTime) {
  constexpr absl::Duration kTime = absl::Seconds(9);
  for (const int off : {-1, 0, 1}) {
    ClientOptions options = Dialling([](Stream*) {});
    auto dial = std::move(options.dial);
    options.dial = [&](absl::string_view host, uint16_t port, Deadline deadline) {
      runtime_.SleepUntil(Deadline::In(kTime + absl::Nanoseconds(off)));
      return dial(host, port, deadline);
    };
    ReconnectOptions once;
    once.attempts_max = 1;
    int opened = 0;
    std::vector<int> errors;
    ReconnectingClient* self = nullptr;
    ReconnectHandlers handlers;
    handlers.on_open = [&](Stream&) {
      ++opened;
      EXPECT_TRUE(self->Close(1000, "").ok());
    };
    handlers.on_end = [&](const ConnectionEnd& end, std::optional<absl::Duration>) {
      errors.push_back(end.error);
    };
    ReconnectingClient client(&runtime_, "ws://a.example/", std::move(options), once,
                              std::move(handlers), &highest_);
    self = &client;
    client.set_connect_time(kTime);
    // Where the time is over there is none left to wait for the answer in.
    EXPECT_EQ(StatusErrno(client.Run()), off < 0 ? 0 : ETIMEDOUT) << off;
    EXPECT_EQ(opened, off < 0 ? 1 : 0) << off;
    if (off >= 0) {
      EXPECT_THAT(errors, ElementsAre(ETIMEDOUT, ETIMEDOUT)) << off;
    }
  }
}

// Those of ReconnectOptions that a connection's life decides about.
TEST_F(ScriptedPeerTest, AConnectionThatLastedEndsTheRow) {
  for (const int off : {-1, 0, 1}) {
    ReconnectOptions options;
    options.backoff = {.first_max = absl::Seconds(1), .max = absl::Seconds(64)};
    options.stable_time = absl::Seconds(30);
    options.attempts_max = 1;
    int ends = 0;
    ReconnectingClient* self = nullptr;
    ReconnectHandlers handlers;
    handlers.on_end = [&](const ConnectionEnd& end, std::optional<absl::Duration> pause) {
      EXPECT_EQ(end.lasted, options.stable_time + absl::Nanoseconds(off));
      EXPECT_EQ(end.close_code, 1006);
      EXPECT_EQ(pause.has_value(), off >= 0 || ends == 0);
      if (++ends < 3) return;
      EXPECT_TRUE(self->Close(1000, "").ok());
    };
    const auto ends_later = [&](Stream* theirs) {
      runtime_.SleepUntil(Deadline::In(options.stable_time + absl::Nanoseconds(off)));
      theirs->lower()->Abort();
    };
    ReconnectingClient client(&runtime_, "ws://a.example/", Dialling(ends_later), options,
                              std::move(handlers), &highest_);
    self = &client;
    EXPECT_EQ(StatusErrno(client.Run()), off < 0 ? ECONNRESET : 0);
    EXPECT_EQ(ends, off < 0 ? 2 : 3);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
