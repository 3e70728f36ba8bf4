// The rules of a Connection, on a pair and without a server.

#include "websocket/connection.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/encoded_message.h"
#include "websocket/server_counters.h"
#include "websocket/stream.h"
#include "websocket/thread_link.h"

namespace halfpipe::websocket {

// In place of a server's thread: makes connections, and notes what it is told.
class ServerThread final : public ConnectionHost {
 public:
  explicit ServerThread(Runtime* runtime) : runtime_(runtime) {}

  // With `lower` null it has not been upgraded yet.
  ConnectionRef Make(BytestreamPtr lower) {
    auto* const connection =
        new Connection(this, runtime_, {.thread = 3, .serial = ++serial_}, &limits, &counters);
    if (lower != nullptr) {
      Options options = stream_options;
      options.role = Role::kServer;
      connection->stream_.emplace(runtime_, std::move(lower), options);
      connection->counted_open_ = true;
      counters.open.Add();
    }
    const ConnectionRef ref(*connection);
    connection->Unref();
    return ref;
  }

  void OnConnectionTimer(Connection* connection) override {
    log += "timer ";
    connection->Abort();
  }
  void OnConnectionBroken(Connection*) override { log += "broken "; }
  void RetryConnection(Connection*) override { log += "retry "; }
  const ThreadLink::Ref& link() const override { return link_; }

  ConnectionLimits limits;
  Options stream_options;
  ServerCounters counters;
  std::string log;

 private:
  Runtime* const runtime_;
  const ThreadLink::Ref link_;
  uint64_t serial_ = 0;
};

namespace {

constexpr absl::Duration kTick = absl::Milliseconds(1);

class ConnectionTest : public testing::Test {
 protected:
  // `capacity` bytes may be on their way to the peer.
  void Open(size_t capacity) {
    auto [client, server] = MakePair(&runtime_, {.capacity_bytes = capacity});
    client_ = std::make_unique<Stream>(&runtime_, std::move(client), ClientOptions());
    connection_ = host_.Make(std::move(server));
  }
  static Options ClientOptions() {
    Options options;
    options.role = Role::kClient;
    return options;
  }
  static EncodedMessageRef Message(absl::string_view text) {
    auto message = EncodedMessage::Make(MessageType::kText, text);
    EXPECT_TRUE(message.ok()) << message.status();
    return *std::move(message);
  }
  int Enqueue(absl::string_view text, SlowPolicy policy = SlowPolicy::kClose) {
    return StatusErrno(connection_->Enqueue(Message(text), policy));
  }
  // To a peer that does not read and takes 100 bytes: the first one is on its way, the next one partly
  // in the tail, and the third one, which the peer reads as "3", waits in the queue.
  void Fill() {
    ASSERT_EQ(Enqueue(std::string(90, '1')), 0);
    ASSERT_EQ(Enqueue(std::string(90, '2')), 0);
    ASSERT_EQ(Enqueue("3"), 0);
  }
  Deadline Soon() { return Deadline::In(absl::Seconds(10)); }
  void Sleep(absl::Duration time) { ASSERT_EQ(runtime_.SleepUntil(Deadline::In(time)), 0); }
  absl::Duration Now() { return absl::Nanoseconds(runtime_.sim_clock().NowNanos()); }
  // The next messages, up to the peer's Close or until nothing comes.
  std::vector<std::string> Received() {
    std::vector<std::string> texts;
    for (;;) {
      const auto message = client_->ReceiveView(Deadline::In(kTick));
      if (!message.ok() || !message->has_value()) return texts;
      texts.emplace_back((*message)->text());
    }
  }

  FdLeakCheck leaks_;
  SimRuntime runtime_;
  ServerThread host_{&runtime_};
  std::unique_ptr<Stream> client_;
  ConnectionRef connection_;
};

using Texts = std::vector<std::string>;

TEST_F(ConnectionTest, BeforeTheUpgrade) {
  connection_ = host_.Make(nullptr);
  EXPECT_FALSE(connection_->open());
  EXPECT_EQ(StatusErrno(connection_->SendText("x")), EBADF);
  EXPECT_EQ(StatusErrno(connection_->SendText("x", Soon())), EBADF);
  EXPECT_EQ(Enqueue("x"), EBADF);
  EXPECT_EQ(StatusErrno(connection_->Close(1000, "")), EBADF);
  connection_->Abort();
  EXPECT_EQ(host_.log, "");
  EXPECT_EQ(connection_->id(), (ConnectionId{.thread = 3, .serial = 1}));
}

TEST_F(ConnectionTest, SendsAndCounts) {
  Open(1000);
  EXPECT_TRUE(connection_->open());
  EXPECT_TRUE(connection_->SendText("a").ok());
  EXPECT_EQ(Enqueue("bc"), 0);
  const uint8_t bytes[] = {'d', 'e', 'f'};
  EXPECT_TRUE(connection_->Send({MessageType::kBinary, bytes}).ok());
  EXPECT_EQ(Received(), (Texts{"a", "bc", "def"}));
  EXPECT_EQ(host_.counters.messages_sent.value(), 3u);
  EXPECT_EQ(host_.counters.bytes_sent.value(), 6u);
  EXPECT_EQ(StatusErrno(connection_->SendText("\xff")), EINVAL);
  EXPECT_EQ(host_.counters.messages_sent.value(), 3u);
}

// What waits in the queue leaves in order, and a Send() goes behind it.
TEST_F(ConnectionTest, OneOrderForAll) {
  Open(100);
  Fill();
  Bundle bundle(&runtime_);
  int sent = 0;
  for (const char* text : {"4", "5"}) {
    ASSERT_TRUE(bundle
                    .Go([&, text] {
                      EXPECT_TRUE(connection_->SendText(text, Soon()).ok());
                      ++sent;
                    })
                    .ok());
  }
  EXPECT_EQ(sent, 0);
  EXPECT_EQ(Received(), (Texts{std::string(90, '1'), std::string(90, '2'), "3", "4", "5"}));
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_EQ(sent, 2);
  EXPECT_EQ(host_.counters.messages_sent.value(), 5u);
}

// Waiting behind the queue may end before the turn comes: nothing is sent, and the next one is.
TEST_F(ConnectionTest, WaitingBehindTheQueueMayEnd) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      Open(100);
      Fill();
      Bundle bundle(&runtime_);
      absl::Status status;
      fault.set_except(runtime_.current());
      ASSERT_TRUE(bundle.Go([&] { status = connection_->SendText("4", Soon()); }).ok());
      const Texts texts = Received();
      EXPECT_EQ(bundle.Wait(Soon()), 0);
      EXPECT_EQ(StatusErrno(status), fault.hit() ? error : 0);
      EXPECT_EQ(texts.size(), fault.hit() ? 3u : 4u);
      EXPECT_TRUE(connection_->SendText("5", Soon()).ok());
      EXPECT_EQ(Received(), Texts{"5"});
    });
    EXPECT_GE(waits, 1);
  }
}

TEST_F(ConnectionTest, SendTime) {
  host_.limits.send_time = absl::Seconds(3);
  Open(100);
  Fill();
  for (const bool view : {false, true}) {
    const absl::Duration start = Now();
    EXPECT_EQ(StatusErrno(view ? connection_->Send({MessageType::kText, {}})
                               : connection_->SendText("4")),
              ETIMEDOUT);
    EXPECT_EQ(Now() - start, absl::Seconds(3));
  }
  EXPECT_EQ(Received().size(), 3u);
}

TEST_F(ConnectionTest, ASlowPeerByPolicy) {
  host_.limits.send_queue.messages_max = 2;
  for (const SlowPolicy policy :
       {SlowPolicy::kSkipNewest, SlowPolicy::kSkipOldest, SlowPolicy::kClose}) {
    SCOPED_TRACE(static_cast<int>(policy));
    Open(100);
    host_.log.clear();
    const uint64_t skipped = host_.counters.messages_skipped.value();
    Fill();
    EXPECT_EQ(Enqueue("4", policy), 0);
    EXPECT_EQ(Enqueue("5", policy), policy == SlowPolicy::kSkipOldest ? 0 : ENOBUFS);
    const Texts texts = Received();
    if (policy == SlowPolicy::kClose) {
      EXPECT_EQ(host_.log, "broken ");
      EXPECT_EQ(host_.counters.slow_closed.value(), 1u);
      EXPECT_EQ(Enqueue("6", policy), EBADF);
      continue;
    }
    EXPECT_EQ(host_.log, "");
    EXPECT_EQ(host_.counters.messages_skipped.value(), skipped + 1);
    EXPECT_EQ(texts.size(), 4u);
    EXPECT_EQ(texts[2], policy == SlowPolicy::kSkipOldest ? "4" : "3");
    EXPECT_EQ(texts[3], policy == SlowPolicy::kSkipOldest ? "5" : "4");
  }
}

// The Close goes behind what is queued, and nothing behind the Close.
TEST_F(ConnectionTest, CloseGoesBehindTheQueue) {
  Open(100);
  Fill();
  EXPECT_EQ(host_.counters.open.value(), 1u);
  EXPECT_TRUE(connection_->Close(4000, "enough").ok());
  EXPECT_FALSE(connection_->open());
  EXPECT_EQ(host_.counters.open.value(), 0u);
  EXPECT_EQ(Enqueue("4"), EPIPE);
  EXPECT_EQ(StatusErrno(connection_->SendText("4")), EPIPE);
  EXPECT_TRUE(connection_->Close(4001, "again").ok()) << "does nothing";
  EXPECT_EQ(Received().size(), 3u);
  ASSERT_TRUE(client_->peer_close().has_value());
  EXPECT_EQ(client_->peer_close()->code, 4000);
  EXPECT_EQ(client_->peer_close()->reason, "enough");
}

TEST_F(ConnectionTest, CloseArguments) {
  Open(1000);
  for (const int code : {-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000}) {
    // 0 is a Close without a code, which has no reason either.
    EXPECT_EQ(StatusErrno(connection_->Close(code, "x")), EINVAL) << code;
  }
  EXPECT_EQ(StatusErrno(connection_->Close(1000, "\xff")), EINVAL);
  EXPECT_EQ(StatusErrno(connection_->Close(1000, std::string(124, 'x'))), EMSGSIZE);
  EXPECT_TRUE(connection_->open());
  EXPECT_TRUE(connection_->Close(1000, std::string(123, 'x')).ok());
  EXPECT_FALSE(connection_->open());
}

// From our Close the peer has close_time_max; the timer is the connection's own.
TEST_F(ConnectionTest, TheTimeOfAClose) {
  host_.stream_options.close_time_max = absl::Seconds(3);
  for (const bool queued : {false, true}) {
    Open(100);
    if (queued) {
      Fill();
    }
    host_.log.clear();
    EXPECT_TRUE(connection_->Close(1000, "").ok());
    Sleep(absl::Seconds(3) - kTick);
    EXPECT_EQ(host_.log, "");
    Sleep(2 * kTick);
    EXPECT_EQ(host_.log, "timer broken ");
  }
}

TEST_F(ConnectionTest, AbortWakesAll) {
  Open(100);
  Fill();
  Bundle bundle(&runtime_);
  std::vector<int> errors;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(
        bundle.Go([&] { errors.push_back(StatusErrno(connection_->SendText("4", Soon()))); }).ok());
  }
  connection_->Abort();
  connection_->Abort();
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_EQ(errors, (std::vector<int>{EBADF, EBADF}));
  EXPECT_EQ(host_.log, "broken ");
  EXPECT_EQ(host_.counters.open.value(), 0u);
}

// Whoever waits behind the queue learns that the connection is being closed.
TEST_F(ConnectionTest, ClosedWhileOneWaitsBehindTheQueue) {
  Open(100);
  Fill();
  Bundle bundle(&runtime_);
  absl::Status status;
  ASSERT_TRUE(bundle.Go([&] { status = connection_->SendText("4", Soon()); }).ok());
  EXPECT_TRUE(connection_->Close(1000, "").ok());
  EXPECT_EQ(Received().size(), 3u);
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_EQ(StatusErrno(status), EPIPE);
}

// A peer that breaks while messages are queued: they are dropped, and whoever waits is told.
TEST_F(ConnectionTest, ThePeerBreaks) {
  Open(100);
  Fill();
  Bundle bundle(&runtime_);
  absl::Status status;
  ASSERT_TRUE(bundle.Go([&] { status = connection_->SendText("4", Soon()); }).ok());
  client_.reset();
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_EQ(StatusErrno(status), ECONNRESET);
  EXPECT_EQ(Enqueue("5"), ECONNRESET);
}

// ---- Memberships -------------------------------------------------------------------------------

class Member final : public Membership {
 public:
  Member(const void* set, int* alive) : Membership(set), alive_(alive) { ++*alive_; }
  ~Member() override { --*alive_; }

 private:
  int* const alive_;
};

TEST_F(ConnectionTest, MembershipsEndWithEither) {
  const int sets[3] = {};
  for (const std::string how : {"close", "abort", "object"}) {
    SCOPED_TRACE(how);
    int alive = 0;
    Open(1000);
    Membership* members[3];
    for (int i = 0; i < 3; ++i) {
      members[i] = new Member(&sets[i], &alive);
      EXPECT_EQ(connection_->FindMembership(&sets[i]), nullptr);
      EXPECT_TRUE(connection_->Join(members[i]));
      EXPECT_EQ(connection_->FindMembership(&sets[i]), members[i]);
    }
    delete members[1];
    EXPECT_EQ(connection_->FindMembership(&sets[1]), nullptr);
    EXPECT_EQ(connection_->FindMembership(&sets[2]), members[2]);
    EXPECT_EQ(alive, 2);
    if (how == "close") {
      EXPECT_TRUE(connection_->Close(1000, "").ok());
    } else if (how == "abort") {
      connection_->Abort();
    } else {
      connection_ = ConnectionRef();
    }
    EXPECT_EQ(alive, 0);
    if (how == "object") continue;
    EXPECT_EQ(connection_->FindMembership(&sets[0]), nullptr);
    Member late(&sets[0], &alive);
    EXPECT_FALSE(connection_->Join(&late));
  }
}

// ---- References --------------------------------------------------------------------------------

struct Data final : ConnectionData {
  explicit Data(bool* gone) : gone_(gone) {}
  ~Data() override { *gone_ = true; }
  bool* const gone_;
};

TEST_F(ConnectionTest, TheLastReferenceEndsIt) {
  bool gone = false;
  Open(1000);
  connection_->data = std::make_unique<Data>(&gone);
  ConnectionRef copy = connection_;
  ConnectionRef moved = std::move(connection_);
  EXPECT_FALSE(connection_);  // NOLINT(bugprone-use-after-move): it says that it is empty
  EXPECT_EQ(&*copy, &*moved);
  const ConnectionRef& itself = copy;
  copy = itself;
  copy = ConnectionRef();
  EXPECT_FALSE(gone);
  ConnectionRef empty;
  std::swap(empty, moved);
  EXPECT_FALSE(moved);
  EXPECT_FALSE(gone);
  empty = ConnectionRef();
  EXPECT_TRUE(gone);
}

// A send that waits keeps its connection.
TEST_F(ConnectionTest, ASendKeepsTheObject) {
  bool gone = false;
  Open(100);
  connection_->data = std::make_unique<Data>(&gone);
  Fill();
  Bundle bundle(&runtime_);
  Connection& connection = *connection_;
  ASSERT_TRUE(
      bundle.Go([&] { EXPECT_EQ(StatusErrno(connection.SendText("4", Soon())), EBADF); }).ok());
  connection.Abort();
  connection_ = ConnectionRef();
  EXPECT_FALSE(gone);
  EXPECT_EQ(bundle.Wait(Soon()), 0);
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace halfpipe::websocket
