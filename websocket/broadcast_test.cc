#include "websocket/broadcast.h"

#include <algorithm>
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
#include "gtest/gtest.h"
#include "websocket/server_test_support.h"

namespace halfpipe::websocket {
namespace {

class BroadcastTest : public testing::Test {
 protected:
  void Settle() { runtime_.SleepUntil(Deadline::In(absl::Milliseconds(20))); }

  // A server whose connections at "/" join `room_` and say everything to it.
  void StartServer(ServerOptions options = {}, SlowPolicy policy = SlowPolicy::kClose,
                   DeflateOptions deflate = {}) {
    server_ = std::make_unique<Server>(&runtime_, std::move(options));
    room_ = std::make_unique<Broadcast>(policy);
    Handler handler;
    handler.on_open = [this](Connection& c) {
      EXPECT_TRUE(room_->Join(c));
      ids_.push_back(c.id());
    };
    handler.on_message = [this](Connection& c, MessageView message) {
      if (message.text() == "leave") {
        EXPECT_TRUE(room_->Leave(c));
        EXPECT_FALSE(room_->Leave(c));
      } else if (message.text() == "join") {
        EXPECT_FALSE(room_->Join(c));
      } else {
        EXPECT_TRUE(room_->Send(message.type, message.text(), c.id()).ok());
      }
    };
    handler.on_close = [this](Connection& c, const CloseReport& report) {
      EXPECT_FALSE(room_->Join(c));
      errors_.push_back(report.error);
    };
    handler.options.deflate = deflate;
    server_->Handle("/", std::move(handler));
    ASSERT_TRUE(server_->Start().ok());
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  std::vector<ConnectionId> ids_;
  std::vector<int> errors_;
  std::unique_ptr<Broadcast> room_;
  std::unique_ptr<Server> server_;  // ends first: handlers refer to the room
};

TEST_F(BroadcastTest, AllMembersButTheSenderGetIt) {
  StartServer();
  auto a = OpenPair(&runtime_, server_.get(), "/");
  auto b = OpenPair(&runtime_, server_.get(), "/");
  auto c = OpenPair(&runtime_, server_.get(), "/");
  EXPECT_EQ(room_->member_count(), 3u);
  ASSERT_TRUE(a->SendText("hello", Soon()).ok());
  EXPECT_EQ(ReceiveText(b.get()), "hello");
  EXPECT_EQ(ReceiveText(c.get()), "hello");
  EXPECT_EQ(ReceiveText(a.get(), Deadline::In(absl::Seconds(1))), std::nullopt);
  ASSERT_TRUE(b->SendText("join", Soon()).ok());
  ASSERT_TRUE(b->SendText("leave", Soon()).ok());
  Settle();
  EXPECT_EQ(room_->member_count(), 2u);
  ASSERT_TRUE(room_->Send(MessageType::kText, "from outside").ok());
  EXPECT_EQ(ReceiveText(a.get()), "from outside");
  EXPECT_EQ(ReceiveText(c.get()), "from outside");
  EXPECT_EQ(ReceiveText(b.get(), Deadline::In(absl::Seconds(1))), std::nullopt);
  EXPECT_EQ(StatusErrno(room_->Send(MessageType::kText, "\xff")), EINVAL);
  EXPECT_EQ(StatusErrno(room_->Send(MessageType::kBinary, std::string(1 << 20, 'x'))), EMSGSIZE);
  // Members leave by their end.
  a.reset();
  Settle();
  EXPECT_EQ(room_->member_count(), 1u);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

// The bytes of a message are encoded once, whatever the number of members and of messages that wait.
TEST_F(BroadcastTest, OneEncodingIsShared) {
  ServerOptions options;
  StartServer(options);
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = 4096}));
  }
  auto message = EncodedMessage::Make(MessageType::kText, std::string(1000, 'x'));
  ASSERT_TRUE(message.ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(room_->Send(*message).ok());
  EXPECT_EQ((*message)->compressions(), 0);
  for (auto& client : clients) {
    for (int i = 0; i < 20; ++i) {
      const auto received = client->ReceiveView(Soon());
      ASSERT_TRUE(received.ok() && received->has_value());
      ASSERT_EQ((*received)->payload.size(), 1000u);
    }
  }
  EXPECT_EQ(server_->counts().messages_sent, 2000u);
  EXPECT_EQ(runtime_.coroutine_count(), 0u);
}

// With compression there is one form for each window; what a connection sends by itself in between
// stays in step with the peer's window.
TEST_F(BroadcastTest, OneCompressedFormForEachWindow) {
  DeflateOptions deflate;
  deflate.enabled = true;
  StartServer({}, SlowPolicy::kClose, deflate);
  std::vector<std::unique_ptr<Stream>> clients;
  for (const int bits : {15, 15, 12, 12, 12}) {
    DeflateOptions ours = deflate;
    ours.server_max_window_bits = static_cast<uint8_t>(bits);
    clients.push_back(
        UpgradeClient(&runtime_, ConnectPair(&runtime_, server_.get()), "/", nullptr, ours));
    ASSERT_NE(clients.back(), nullptr);
    ASSERT_TRUE(clients.back()->options().deflate_params.has_value());
  }
  clients.push_back(OpenPair(&runtime_, server_.get(), "/"));
  std::string text;
  for (int i = 0; i < 500; ++i) absl::StrAppend(&text, "line ", i % 7, "\n");
  auto message = EncodedMessage::Make(MessageType::kText, text);
  ASSERT_TRUE(message.ok());
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(room_->Send(*message).ok());
    for (const ConnectionId& id : ids_) {
      ASSERT_TRUE(server_
                      ->Post(id,
                             [&text](Connection& c) {
                               NoWaitScope no_wait(c.runtime());
                               EXPECT_TRUE(c.SendText(text + "own").ok());
                             })
                      .ok());
    }
    for (auto& client : clients) {
      ASSERT_EQ(ReceiveText(client.get()), text);
      ASSERT_EQ(ReceiveText(client.get()), text + "own");
    }
  }
  EXPECT_EQ((*message)->compressions(), 2);
}

// A member that does not read holds nobody up; what becomes of it is decided by policy.
TEST_F(BroadcastTest, ASlowMemberIsNotWaitedFor) {
  for (const SlowPolicy policy :
       {SlowPolicy::kClose, SlowPolicy::kSkipNewest, SlowPolicy::kSkipOldest}) {
    ServerOptions options;
    options.connection.send_queue.messages_max = 8;
    errors_.clear();
    StartServer(options, policy);
    auto slow = OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = 2048});
    auto quick = OpenPair(&runtime_, server_.get(), "/");
    const Deadline start = Deadline::AtNanos(runtime_.sim_clock().NowNanos());
    for (int i = 0; i < 40; ++i) {
      const std::string text = absl::StrCat(i, std::string(1000, ' '));
      ASSERT_TRUE(room_->Send(MessageType::kText, text).ok());
      EXPECT_EQ(ReceiveText(quick.get()), text);
    }
    EXPECT_EQ(Deadline::AtNanos(runtime_.sim_clock().NowNanos()), start) << "no time has passed";
    std::vector<int> received;
    while (auto text = ReceiveText(slow.get(), Deadline::In(absl::Seconds(1)))) {
      received.push_back(std::stoi(*text));
    }
    Settle();
    const ServerCounts counts = server_->counts();
    if (policy == SlowPolicy::kClose) {
      EXPECT_EQ(counts.slow_closed, 1u);
      EXPECT_EQ(counts.connections, 1u);
      EXPECT_EQ(errors_, std::vector<int>{ENOBUFS});
    } else {
      EXPECT_EQ(counts.slow_closed, 0u);
      EXPECT_EQ(counts.messages_skipped, 40u - received.size());
      ASSERT_GE(received.size(), 9u);
      EXPECT_EQ(received.front(), 0);
      EXPECT_EQ(received.back() == 39, policy == SlowPolicy::kSkipOldest);
      EXPECT_TRUE(std::is_sorted(received.begin(), received.end())) << "in order, with gaps";
    }
    slow.reset();
    quick.reset();
    Settle();
    server_.reset();
    room_.reset();
  }
}

// A message of the handler's own goes behind what is queued.
TEST_F(BroadcastTest, OwnMessagesKeepBehindQueuedOnes) {
  StartServer();
  auto client = OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = 1000});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(room_->Send(MessageType::kText, absl::StrCat(i, std::string(700, ' '))).ok());
  }
  ConnectionRef connection;
  ASSERT_TRUE(server_->Post(ids_[0], [&](Connection& c) { connection = ConnectionRef(c); }).ok());
  Settle();
  ASSERT_TRUE(connection);
  Bundle sender(&runtime_);
  bool sent = false;
  ASSERT_TRUE(sender
                  .Go([&] {
                    EXPECT_EQ(StatusErrno(connection->SendText(
                                  "late", Deadline::In(absl::Milliseconds(1)))),
                              ETIMEDOUT);
                    EXPECT_TRUE(connection->SendText("last", Soon()).ok());
                    sent = true;
                  })
                  .ok());
  Settle();
  EXPECT_FALSE(sent);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(std::stoi(*ReceiveText(client.get())), i);
  EXPECT_EQ(ReceiveText(client.get()), "last");
  EXPECT_EQ(sender.Wait(Soon()), 0);
}

// A Close goes behind what is queued too.
TEST_F(BroadcastTest, ACloseGoesBehindQueuedMessages) {
  StartServer();
  auto client = OpenPair(&runtime_, server_.get(), "/", {.capacity_bytes = 1000});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(room_->Send(MessageType::kText, absl::StrCat(i, std::string(700, ' '))).ok());
  }
  ASSERT_TRUE(
      server_->Post(ids_[0], [](Connection& c) { EXPECT_TRUE(c.Close(4000, "").ok()); }).ok());
  Settle();
  EXPECT_EQ(room_->member_count(), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(std::stoi(*ReceiveText(client.get())), i);
  EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
  ASSERT_TRUE(client->peer_close().has_value());
  EXPECT_EQ(client->peer_close()->code, 4000);
}

// Connections are named by numbers that are not used twice, and may be kept.
TEST_F(BroadcastTest, EndedConnectionsAreNotFound) {
  StartServer();
  auto client = OpenPair(&runtime_, server_.get(), "/");
  ConnectionRef kept;
  ASSERT_TRUE(server_->Post(ids_[0], [&](Connection& c) { kept = ConnectionRef(c); }).ok());
  Settle();
  ASSERT_TRUE(kept);
  client.reset();
  Settle();
  auto other = OpenPair(&runtime_, server_.get(), "/");
  EXPECT_FALSE(ids_[0] == ids_[1]);
  ASSERT_TRUE(server_->Post(ids_[0], [](Connection&) { ADD_FAILURE(); }).ok());
  auto message = EncodedMessage::Make(MessageType::kText, "x");
  ASSERT_TRUE(message.ok());
  ASSERT_TRUE(server_->SendTo(ids_[0], *message).ok());
  ASSERT_TRUE(server_->SendTo(ids_[1], *message).ok());
  EXPECT_EQ(ReceiveText(other.get()), "x");
  EXPECT_EQ(StatusErrno(server_->SendTo({.thread = 1}, *message)), EBADF);
  EXPECT_FALSE(kept->open());
  EXPECT_EQ(StatusErrno(kept->SendText("x", Soon())), EBADF);
  EXPECT_EQ(StatusErrno(kept->Enqueue(*message)), EBADF);
  EXPECT_EQ(StatusErrno(kept->Close(1000, "")), EBADF);
  kept->Abort();
  EXPECT_FALSE(room_->Join(*kept));
  kept = ConnectionRef();
  server_->Stop();
  EXPECT_EQ(StatusErrno(server_->SendTo(ids_[1], *message)), EBADF);
}

// Rooms and servers end in any order.
TEST_F(BroadcastTest, ARoomMayEndBeforeItsMembersOrAfterTheServer) {
  StartServer();
  auto client = OpenPair(&runtime_, server_.get(), "/");
  auto brief = std::make_unique<Broadcast>();
  ASSERT_TRUE(server_->Post(ids_[0], [&](Connection& c) { EXPECT_TRUE(brief->Join(c)); }).ok());
  Settle();
  EXPECT_EQ(brief->member_count(), 1u);
  brief.reset();
  Broadcast late;
  ASSERT_TRUE(server_->Post(ids_[0], [&](Connection& c) { EXPECT_TRUE(late.Join(c)); }).ok());
  Settle();
  server_->Stop();
  EXPECT_EQ(late.member_count(), 0u);
  EXPECT_TRUE(late.Send(MessageType::kText, "nobody").ok());
}

}  // namespace
}  // namespace halfpipe::websocket
