// Peers that are slow, silent or gone, in each state of a connection: everything comes back within
// its bound, and other connections never notice.

#include <algorithm>
#include <cerrno>
#include <functional>
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
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/core/close_code.h"
#include "websocket/server_test_support.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::Duration kCloseTime = absl::Seconds(4);

class ServerBoundsTest : public testing::Test {
 protected:
  ServerBoundsTest() {
    options_.handshake_time = absl::Seconds(2);
    options_.message_time = absl::Seconds(3);
    options_.connection.send_time = absl::Seconds(5);
    options_.ping_after_idle = absl::Seconds(5);
    options_.dead_after = absl::Seconds(12);
    options_.keep_alive_time = absl::Seconds(6);
  }

  void StartServer() {
    server_ = std::make_unique<Server>(&runtime_, options_);
    Options manners;
    manners.close_time_max = kCloseTime;
    Handler echo = EchoHandler();
    echo.options = manners;
    echo.on_close = [this](Connection&, const CloseReport& report) {
      errors_.push_back(report.error);
    };
    server_->Handle("/", std::move(echo));
    Handler flood;
    flood.options = manners;
    flood.on_message = [this](Connection& c, MessageView) {
      const std::string large(1 << 20, 'x');
      absl::Status status;
      while (status.ok()) status = c.SendText(large);
      send_errors_.push_back(StatusErrno(status));
      c.Abort();
    };
    server_->Handle("/flood", std::move(flood));
    server_->Handle("/close",
                    {.on_open = [](Connection& c) { EXPECT_TRUE(c.Close(4000, "").ok()); },
                     .options = manners});
    server_->HandlePlain([](const http::RequestHead&) { return http::TextResponse(200, "fine"); });
    ASSERT_TRUE(server_->Start().ok());
  }

  void Write(Bytestream* stream, absl::string_view text) {
    const IoSlice slice(text);
    ASSERT_TRUE(stream->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok());
  }

  // Another connection has its answer, and no time passes.
  void ExpectUndisturbed(Stream* witness) {
    const int64_t start = runtime_.sim_clock().NowNanos();
    ASSERT_TRUE(witness->SendText("still there?", Soon()).ok());
    EXPECT_EQ(ReceiveText(witness), "still there?");
    EXPECT_EQ(ReceiveText(witness, Deadline::Immediately()), std::nullopt);
    EXPECT_EQ(runtime_.sim_clock().NowNanos(), start);
  }

  // The states that a peer may leave a connection in, by name.
  struct Scene {
    BytestreamPtr lower;
    std::unique_ptr<Stream> stream;
  };
  struct State {
    std::string name;
    std::function<Scene()> enter;
    absl::Duration bound;  // of a peer that is silent from then on
  };
  std::vector<State> States() {
    const auto opened = [this](absl::string_view path, absl::string_view bytes) {
      Scene scene;
      scene.stream = OpenPair(&runtime_, server_.get(), path);
      if (!bytes.empty()) Write(scene.stream->lower(), bytes);
      return scene;
    };
    return {{"connected",
             [this] {
               return Scene{ConnectPair(&runtime_, server_.get()), nullptr};
             },
             options_.handshake_time},
            {"in its head",
             [this] {
               Scene scene{ConnectPair(&runtime_, server_.get()), nullptr};
               Write(scene.lower.get(), "GET / HTTP/1.1\r\nHost");
               return scene;
             },
             // It is answered with 408, and given time to read that.
             2 * options_.handshake_time},
            {"refused",
             [this] {
               Scene scene{ConnectPair(&runtime_, server_.get()), nullptr};
               Write(scene.lower.get(), "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
               return scene;
             },
             options_.handshake_time},
            {"between plain requests",
             [this] {
               Scene scene{ConnectPair(&runtime_, server_.get()), nullptr};
               Write(scene.lower.get(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
               return scene;
             },
             // It ends its half, and waits for the other one.
             options_.keep_alive_time + options_.handshake_time},
            {"at rest", [opened] { return opened("/", ""); }, options_.dead_after},
            {"in a frame header", [opened] { return opened("/", "\x81"); }, options_.message_time},
            {"in a payload",
             [opened] {
               return opened("/",
                             std::string(WireBuilder(Role::kClient).Text("hello")).substr(0, 8));
             },
             options_.message_time},
            {"between fragments",
             [opened] {
               return opened("/", WireBuilder(Role::kClient).Text("he", WireBuilder::kMore).str());
             },
             options_.message_time},
            {"not reading",
             [opened] { return opened("/flood", WireBuilder(Role::kClient).Text("go").str()); },
             // The first message that finds no room goes to the tail in part, the second fails.
             2 * options_.connection.send_time},
            {"asked to close", [opened] { return opened("/close", ""); }, kCloseTime},
            {"has closed",
             [opened] { return opened("/", WireBuilder(Role::kClient).Close(1000).str()); },
             kCloseTime}};
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  ServerOptions options_;
  std::vector<int> errors_;
  std::vector<int> send_errors_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerBoundsTest, APeerThatVanishesInEachState) {
  StartServer();
  auto witness = OpenPair(&runtime_, server_.get(), "/");
  for (const State& state : States()) {
    SCOPED_TRACE(state.name);
    Scene scene = state.enter();
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(5)));
    EXPECT_EQ(server_->counts().connections, 2u);
    ExpectUndisturbed(witness.get());
    scene = Scene();
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(5)));
    EXPECT_EQ(server_->counts().connections, 1u) << "at once, for the end can be seen";
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
    ExpectUndisturbed(witness.get());
  }
}

TEST_F(ServerBoundsTest, APeerThatFallsSilentInEachState) {
  StartServer();
  auto witness = OpenPair(&runtime_, server_.get(), "/");
  for (const State& state : States()) {
    SCOPED_TRACE(state.name);
    Scene scene = state.enter();
    for (absl::Duration passed = absl::ZeroDuration();
         passed < state.bound - absl::Milliseconds(20);) {
      const absl::Duration step =
          std::min(absl::Seconds(1), state.bound - absl::Milliseconds(20) - passed);
      runtime_.SleepUntil(Deadline::In(step));
      passed += step;
      ExpectUndisturbed(witness.get());
    }
    EXPECT_EQ(server_->counts().connections, 2u);
    ExpectUndisturbed(witness.get());
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(40)));
    // Those that were told so have time to read it.
    if (server_->counts().connections > 1) {
      runtime_.SleepUntil(Deadline::In(kCloseTime));
    }
    EXPECT_EQ(server_->counts().connections, 1u);
    EXPECT_EQ(runtime_.coroutine_count(), 0u);
    ExpectUndisturbed(witness.get());
  }
  EXPECT_EQ(send_errors_, std::vector<int>{ETIMEDOUT});
}

// A peer that sends a byte a second does not get more time than one that sends none.
TEST_F(ServerBoundsTest, ATrickleIsBoundedToo) {
  StartServer();
  auto witness = OpenPair(&runtime_, server_.get(), "/");
  const auto trickle = [&](Bytestream* lower, const std::string& bytes, absl::Duration bound) {
    const int64_t start = runtime_.sim_clock().NowNanos();
    for (const char byte : bytes) {
      const IoSlice slice(&byte, 1);
      if (!lower->Write(absl::MakeConstSpan(&slice, 1), false, Soon()).ok()) break;
      if (server_->counts().connections == 1) break;
      runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
      ExpectUndisturbed(witness.get());
    }
    EXPECT_EQ(server_->counts().connections, 1u);
    EXPECT_LE(absl::Nanoseconds(runtime_.sim_clock().NowNanos() - start),
              bound + absl::Milliseconds(200));
  };
  {
    auto lower = ConnectPair(&runtime_, server_.get());
    trickle(lower.get(), "GET / HTTP/1.1\r\n" + std::string(1000, 'x'),
            2 * options_.handshake_time);
  }
  auto slow = OpenPair(&runtime_, server_.get(), "/");
  trickle(slow->lower(), WireBuilder(Role::kClient).Text(std::string(1000, 'x')).str(),
          options_.message_time + kCloseTime);
}

// While there is no memory for messages that come in parts, whole ones are served as ever.
TEST_F(ServerBoundsTest, MessagesInPartsHaveABudget) {
  options_.message_memory_max = 10'000;
  StartServer();
  auto witness = OpenPair(&runtime_, server_.get(), "/");
  const auto part = [&](size_t size) {
    auto client = OpenPair(&runtime_, server_.get(), "/");
    Write(client->lower(),
          WireBuilder(Role::kClient).Text(std::string(size, 'x'), WireBuilder::kMore).str());
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1)));
    return client;
  };
  const auto finish = [&](Stream* client) {
    Write(client->lower(), WireBuilder(Role::kClient).Continuation("y").str());
  };
  auto first = part(9'000);
  EXPECT_GE(server_->counts().message_bytes, 9'000u);
  EXPECT_LE(server_->counts().message_bytes, 10'000u);
  auto second = part(9'000);
  auto third = part(900);
  EXPECT_LE(server_->counts().message_bytes, 10'000u);
  ExpectUndisturbed(witness.get());
  finish(second.get());
  finish(third.get());
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(server_->counts().parked, 1u);
  finish(first.get());
  for (Stream* client : {first.get(), second.get(), third.get()}) {
    const auto text = ReceiveText(client);
    ASSERT_TRUE(text.has_value());
    EXPECT_EQ(text->back(), 'y');
  }
  runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1)));
  EXPECT_EQ(server_->counts().message_bytes, 0u);
  // One that could never be had is refused at once; one that others keep from it in its time.
  auto large = part(10'001);
  const auto refused = large->ReceiveView(Soon());
  ASSERT_TRUE(large->peer_close().has_value()) << refused.status();
  EXPECT_EQ(large->peer_close()->code, 1009);
  first = part(9'000);
  second = part(9'000);
  EXPECT_EQ(ReceiveText(second.get()), std::nullopt);
  ASSERT_TRUE(second->peer_close().has_value());
  EXPECT_EQ(second->peer_close()->code, 1008);
  EXPECT_EQ(errors_, (std::vector<int>{ENOMEM, 0, 0, ETIMEDOUT, ETIMEDOUT}));
}

// With one place among those at work connections are served one after the other, in the order in
// which they became readable.
TEST_F(ServerBoundsTest, FirstComeFirstServed) {
  options_.at_work_max = 1;
  std::vector<std::string> order;
  server_ = std::make_unique<Server>(&runtime_, options_);
  server_->Handle("/", {.on_message = [&](Connection& c, MessageView message) {
                    order.push_back(std::string(message.text()));
                    c.runtime()->SleepUntil(Deadline::In(absl::Seconds(1)));
                  }});
  ASSERT_TRUE(server_->Start().ok());
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(OpenPair(&runtime_, server_.get(), "/"));
  const auto say = [&](int client, absl::string_view text) {
    ASSERT_TRUE(clients[client]->SendText(text, Soon()).ok());
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1)));
  };
  say(2, "2");
  say(0, "0");
  say(3, "3");
  say(1, "1");
  EXPECT_EQ(server_->counts().at_work, 1u);
  EXPECT_EQ(server_->counts().waiting, 3u);
  EXPECT_EQ(runtime_.coroutine_count(), 1u);
  runtime_.SleepUntil(Deadline::In(absl::Seconds(10)));
  EXPECT_EQ(order, (std::vector<std::string>{"2", "0", "3", "1"}));
  EXPECT_EQ(server_->counts().parked, 4u);
}

// One that always has more to say makes room for others.
TEST_F(ServerBoundsTest, ATalkerMakesRoom) {
  options_.at_work_max = 1;
  int talked = 0;
  int talked_before = 0;
  server_ = std::make_unique<Server>(&runtime_, options_);
  server_->Handle("/talk", {.on_message = [&](Connection&, MessageView) { ++talked; }});
  server_->Handle("/once",
                  {.on_message = [&](Connection&, MessageView) { talked_before = talked; }});
  ASSERT_TRUE(server_->Start().ok());
  auto talker = OpenPair(&runtime_, server_.get(), "/talk");
  auto other = OpenPair(&runtime_, server_.get(), "/once");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += WireBuilder(Role::kClient).Text("x").str();
  Write(talker->lower(), many);
  Write(other->lower(), WireBuilder(Role::kClient).Text("y").str());
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(talked, 1000);
  EXPECT_GT(talked_before, 0);
  EXPECT_LE(talked_before, 64);
}

// As many handshakes at a time as there are places; the others wait, and have the same time.
TEST_F(ServerBoundsTest, HandshakesWaitTheirTurn) {
  options_.handshakes_max = 1;
  StartServer();
  auto slow = ConnectPair(&runtime_, server_.get());
  Write(slow.get(), "GET ");
  Bundle bundle(&runtime_);
  std::unique_ptr<Stream> client;
  ASSERT_TRUE(bundle.Go([&] { client = OpenPair(&runtime_, server_.get(), "/"); }).ok());
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(server_->counts().waiting, 1u);
  EXPECT_EQ(client, nullptr);
  slow.reset();
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  ASSERT_NE(client, nullptr);
  ExpectUndisturbed(client.get());
}

// Whichever wait of the server's is cut short, it comes to its end, and so do its connections.
TEST_F(ServerBoundsTest, EachWaitMayBeTheLast) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      fault.set_except(runtime_.current());
      StartServer();
      auto client = UpgradeClient(
          &runtime_, ConnectPair(&runtime_, server_.get(), {.capacity_bytes = 2000}), "/", nullptr);
      if (client != nullptr) {
        Bundle sender(&runtime_);
        fault.set_only(nullptr);
        const std::string frame = WireBuilder(Role::kClient).Text(std::string(5000, 'x'));
        static_cast<void>(sender.Go([&] {
          NoWaitScope no_wait(&runtime_);
          const IoSlice slice(frame);
          static_cast<void>(client->lower()->WriteTail(absl::MakeConstSpan(&slice, 1)));
        }));
        static_cast<void>(ReceiveText(client.get()));
        static_cast<void>(client->Close(1000, "", Soon()));
      }
      client.reset();
      server_->Drain(absl::Seconds(10));
      EXPECT_TRUE(server_->Wait(Soon()).ok());
      EXPECT_EQ(server_->counts().connections, 0u);
      server_.reset();
      EXPECT_EQ(runtime_.coroutine_count(), 0u);
    });
    EXPECT_GE(waits, 2);
  }
}

// What a peer still sends must not cost it the answer, however much of it is here already: a reset
// would overtake the Close.
TEST_F(ServerBoundsTest, APeerInTheMiddleOfAMessageHearsOfItsEnd) {
  StartServer();
  auto client = OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = size_t{8} << 20});
  std::string beginning("\x82\xff\x00\x00\x00\x00\x10\x00\x00\x00mask", 14);  // 256 MiB
  beginning.append(size_t{5} << 20, 'x');
  Write(client->lower(), beginning);
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
  EXPECT_EQ(server_->counts().connections, 1u);
  EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
  EXPECT_EQ(client->failure(), 0);
  ASSERT_TRUE(client->peer_close().has_value());
  EXPECT_EQ(client->peer_close()->code, kCloseTooBig);
  client.reset();
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(server_->counts().connections, 0u);
}

// One that sends on for ever is borne as long as one that says nothing, and nobody waits for it.
TEST_F(ServerBoundsTest, APeerThatSendsOnBehindTheEndIsGivenItsTime) {
  StartServer();
  auto witness = OpenPair(&runtime_, server_.get(), "/");
  auto client = OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = size_t{4} << 20});
  ASSERT_TRUE(client->Done(1000, "", Soon()).ok());
  const std::string garbage(size_t{1} << 20, 'x');
  int error = 0;
  Bundle sender(&runtime_);
  const absl::Status started = sender.Go([&] {
    const IoSlice slice(garbage);
    for (int i = 0; i < 10'000 && error == 0; ++i) {
      error = StatusErrno(
          client->lower()->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()));
    }
  });
  ASSERT_TRUE(started.ok()) << started;
  for (int i = 0; i < 35; ++i) {
    runtime_.SleepUntil(Deadline::In(absl::Milliseconds(100)));
    EXPECT_EQ(error, 0);
    EXPECT_EQ(server_->counts().connections, 2u);
    ExpectUndisturbed(witness.get());
  }
  runtime_.SleepUntil(Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(server_->counts().connections, 1u);
  EXPECT_EQ(sender.Wait(Soon()), 0);
  EXPECT_TRUE(error == EPIPE || error == ECONNRESET) << error;
}

}  // namespace
}  // namespace halfpipe::websocket
