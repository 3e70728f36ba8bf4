#include "websocket/stream.h"

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

class StreamTest : public testing::Test {
 protected:
  void Connect(Options client = {}, Options server = {}, PairOptions pair = {}) {
    client.role = Role::kClient;
    server.role = Role::kServer;
    auto [a, b] = MakePair(&runtime_, pair);
    client_ = std::make_unique<Stream>(&runtime_, std::move(a), client);
    server_ = std::make_unique<Stream>(&runtime_, std::move(b), server);
  }

  // A server's stream over a script. Its masking key is not needed; a client's is all zero bytes.
  ScriptedBytestream& Script(Options options = {}) {
    auto scripted = std::make_unique<ScriptedBytestream>(&runtime_);
    ScriptedBytestream& script = *scripted;
    script_ = &script;
    server_ = std::make_unique<Stream>(&runtime_, BytestreamPtr(scripted.release()), options);
    return script;
  }

  // A stream that is given up while it is open says so.
  void TearDown() override {
    if (script_ == nullptr) return;
    if (!server_->close_sent() && server_->failure() == 0) {
      script_->ExpectWrite(FromServer().Close(1001).str());
    }
    server_.reset();
  }

  static std::string Text(const absl::StatusOr<std::optional<MessageView>>& message) {
    if (!message.ok()) return absl::StrCat("error: ", message.status().ToString());
    if (!message->has_value()) return "closed";
    return absl::StrCat((*message)->type == MessageType::kText ? "text:" : "binary:",
                        (*message)->text());
  }

  std::string ReceiveOne(Stream* stream) { return Text(stream->ReceiveView(kNever)); }

  Runtime runtime_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> server_;
  ScriptedBytestream* script_ = nullptr;
};

TEST_F(StreamTest, MessagesGoBothWaysWithTheirType) {
  Connect();
  ASSERT_THAT(client_->SendText("hello", kNever), IsOk());
  ASSERT_THAT(client_->Send(MessageType::kBinary, AsBytes(Bytes({0, 255, 7})), kNever), IsOk());
  ASSERT_THAT(client_->SendText("", kNever), IsOk());
  EXPECT_EQ(ReceiveOne(server_.get()), "text:hello");
  EXPECT_EQ(ReceiveOne(server_.get()), "binary:" + Bytes({0, 255, 7}));
  EXPECT_EQ(ReceiveOne(server_.get()), "text:");
  ASSERT_THAT(server_->SendText("welcome", kNever), IsOk());
  EXPECT_EQ(ReceiveOne(client_.get()), "text:welcome");
}

TEST_F(StreamTest, FillModeScattersAndSkips) {
  Connect();
  ASSERT_THAT(client_->SendText("abcdefgh", kNever), IsOk());
  char first[3] = {};
  char second[10] = {};
  const IoSpan list[] = {IoSpan(first, 3), IoSpan(nullptr, 2), IoSpan(second, sizeof(second))};
  auto message = server_->Receive(list, kNever);
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ((*message)->size, 8u);
  EXPECT_EQ((*message)->type, MessageType::kText);
  EXPECT_EQ(std::string(first, 3), "abc");
  EXPECT_EQ(std::string(second), "fgh");
}

TEST_F(StreamTest, LargeMessagesOfAllShapes) {
  Options fragmenting;
  fragmenting.send_frame_bytes_max = 10'000;
  for (const Options& client : {Options(), fragmenting}) {
    Connect(client, fragmenting);
    Bundle bundle(&runtime_);
    for (const size_t size : {125u, 126u, 65535u, 65536u, 16'384u, 300'000u, 3'000'000u}) {
      SCOPED_TRACE(size);
      std::string sent(size, 'x');
      for (size_t i = 0; i < size; i += 97) sent[i] = static_cast<char>('a' + i % 26);
      ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->SendText(sent, kNever), IsOk()); }), IsOk());
      std::string received(size, '\0');
      const IoSpan whole(received.data(), received.size());
      auto info = server_->Receive(absl::MakeConstSpan(&whole, 1), kNever);
      ASSERT_THAT(info, IsOk());
      EXPECT_EQ((*info)->size, size);
      EXPECT_TRUE(received == sent);
      ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(server_->SendText(sent, kNever), IsOk()); }), IsOk());
      auto view = client_->ReceiveView(kNever);
      ASSERT_THAT(view, IsOk());
      EXPECT_TRUE((*view)->text() == sent);
      ASSERT_EQ(bundle.Wait(kNever), 0);
    }
  }
}

TEST_F(StreamTest, TooLargeForTheBufferIsSkippedAndTheNextComes) {
  Connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(client_->SendText("0123456789", kNever), IsOk());
    ASSERT_THAT(client_->SendText(absl::StrCat("next", i), kNever), IsOk());
  }
  char buffer[9];
  const IoSpan list[] = {IoSpan(buffer, sizeof(buffer))};
  EXPECT_THAT(server_->Receive(list, kNever), IsErrno(EMSGSIZE));
  EXPECT_EQ(ReceiveOne(server_.get()), "text:next0");
  EXPECT_THAT(server_->Receive({}, kNever), IsErrno(EMSGSIZE));
  auto next = server_->Receive(list, kNever);
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(std::string(buffer, (*next)->size), "next1");
}

TEST_F(StreamTest, PingsAreAnsweredWhileReceiving) {
  Script()
      .Deliver(FromClient().Ping("one").str())
      .ExpectWrite(FromServer().Pong("one").str())
      .Deliver(FromClient().Text("Hel", WireBuilder::kMore).Ping("two").str())
      .ExpectWrite(FromServer().Pong("two").str())
      .Deliver(FromClient().Continuation("lo").str());
  EXPECT_EQ(ReceiveOne(server_.get()), "text:Hello");
}

// A ping that arrives while a frame is half sent is answered after that frame (RFC
// 6455 5.4, 5.5.3).
TEST_F(StreamTest, PongWaitsForFrameInProgress) {
  const std::string sent(1000, 'x');
  const std::string frame = FromServer().Text(sent).str();
  Script()
      .ExpectWrite(frame.substr(0, 4))
      .BlockWrites()
      .AwaitWriter()
      .Deliver(FromClient().Ping("p").Ping("q").Text("go").str())
      .UnblockWrites()
      .ExpectWrite(frame.substr(4))
      .ExpectWrite(FromServer().Pong("q").str());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(ReceiveOne(server_.get()), "text:go"); }), IsOk());
  EXPECT_THAT(server_->SendText(sent, Deadline::In(absl::Seconds(60))), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// The reader does not wait to send a pong, and the newest ping alone is answered (5.5.3).
TEST_F(StreamTest, PongsThatCannotGoTakeOneSlotAndFollowLater) {
  ScriptedBytestream& script = Script();
  script.BlockWrites().Deliver(FromClient().Ping("1").Ping("2").Ping("3").Text("a").str());
  EXPECT_EQ(ReceiveOne(server_.get()), "text:a");
  script.UnblockWrites()
      .ExpectWrite(FromServer().Pong("3").str())
      .Deliver(FromClient().Text("b").str());
  EXPECT_EQ(ReceiveOne(server_.get()), "text:b");
}

TEST_F(StreamTest, PeersCloseIsAnsweredByDefault) {
  Script()
      .Deliver(FromClient().Close(3001, "done here").str())
      .ExpectWrite(FromServer().Close(3001).str());
  EXPECT_EQ(ReceiveOne(server_.get()), "closed");
  ASSERT_TRUE(server_->peer_close().has_value());
  EXPECT_EQ(server_->peer_close()->code, 3001);
  EXPECT_EQ(server_->peer_close()->reason, "done here");
  EXPECT_EQ(ReceiveOne(server_.get()), "closed");
  EXPECT_THAT(server_->SendText("x", kNever), IsErrno(EPIPE));
}

TEST_F(StreamTest, EmptyCloseIsAnsweredWithAnEmptyOne) {
  Script().Deliver(FromClient().Close().str()).ExpectWrite(FromServer().Close().str());
  EXPECT_EQ(ReceiveOne(server_.get()), "closed");
  EXPECT_EQ(server_->peer_close()->code, kCloseNoStatus);
}

TEST_F(StreamTest, HalfCloseLeavesTheOtherDirectionOpen) {
  Options half;
  half.answer_close = false;
  Connect(half, half);
  ASSERT_THAT(client_->Done(1000, "bye", kNever), IsOk());
  EXPECT_THAT(client_->Done(1000, "", kNever), IsErrno(EPIPE));
  EXPECT_THAT(client_->SendText("x", kNever), IsErrno(EPIPE));
  EXPECT_EQ(ReceiveOne(server_.get()), "closed");
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(server_->SendText(absl::StrCat("message ", i), kNever), IsOk());
    ASSERT_EQ(ReceiveOne(client_.get()), absl::StrCat("text:message ", i));
  }
  auto lower_of_server = server_->Detach(1000, "", kNever);
  ASSERT_THAT(lower_of_server, IsOk());
  auto lower_of_client = client_->Detach(1000, "", kNever);
  ASSERT_THAT(lower_of_client, IsOk());
  const IoSlice hello("raw");
  ASSERT_THAT((*lower_of_client)->Write(absl::MakeConstSpan(&hello, 1), false, kNever), IsOk());
  auto raw = (*lower_of_server)->Peek(3, kNever);
  ASSERT_THAT(raw, IsOk());
  EXPECT_EQ(AsChars(*raw), "raw");
}

TEST_F(StreamTest, PingsAreAnsweredAfterOurOwnClose) {
  Script()
      .ExpectWrite(FromServer().Close(1000).str())
      .Deliver(FromClient().Ping("still here").str())
      .ExpectWrite(FromServer().Pong("still here").str())
      .Deliver(FromClient().Text("a").Close(1000).str());
  ASSERT_THAT(server_->Done(1000, "", kNever), IsOk());
  EXPECT_EQ(ReceiveOne(server_.get()), "text:a");
  EXPECT_EQ(ReceiveOne(server_.get()), "closed");
}

TEST_F(StreamTest, BreachesAreClosedWithTheRightCode) {
  struct Case {
    const char* name;
    std::string wire;
    uint16_t code;
  };
  const Case cases[] = {
      {"unmasked", FromServer().Text("x").str(), 1002},
      {"orphan continuation", FromClient().Continuation("x").str(), 1002},
      {"text in text", FromClient().Text("x", WireBuilder::kMore).Text("y").str(), 1002},
      {"bad UTF-8", FromClient().Text("\xff").str(), 1007},
      {"close 1006", FromClient().Close(1006).str(), 1002},
      {"reserved opcode", FromClient().Frame({.first_byte = 0x83, .payload = "x"}).str(), 1002},
      {"RSV1", FromClient().Frame({.first_byte = 0xc1, .payload = "x"}).str(), 1002},
      {"too big", FromClient().Header(0x82, 1001).str(), 1009},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Options options;
    options.message_bytes_max = 1000;
    Connect({}, options);
    auto [wire, end] = MakePair(&runtime_);
    server_ = std::make_unique<Stream>(&runtime_, std::move(end), options);
    const IoSlice slice(c.wire);
    ASSERT_THAT(wire->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
    EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EPROTO));
    EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EPROTO));
    EXPECT_THAT(server_->SendText("x", kNever), IsErrno(ECONNRESET));
    auto answer = wire->Peek(4, kNever);
    ASSERT_THAT(answer, IsOk());
    ASSERT_GE(answer->size(), 4u);
    EXPECT_EQ((*answer)[0], 0x88);
    EXPECT_EQ((*answer)[2] * 256 + (*answer)[3], c.code);
  }
}

TEST_F(StreamTest, EndWithoutACloseIsAReset) {
  Script().Deliver(FromClient().Text("x").str()).End();
  EXPECT_EQ(ReceiveOne(server_.get()), "text:x");
  EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(ECONNRESET));
  EXPECT_EQ(server_->failure(), ECONNRESET);
}

TEST_F(StreamTest, InterruptedReceivesDeliverTheWholeMessage) {
  Connect();
  std::string sent(1 << 20, 'm');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(client_->Send(MessageType::kBinary, AsBytes(sent), kNever), IsOk());
  }),
              IsOk());
  std::string received(sent.size(), '\0');
  const IoSpan whole(received.data(), received.size());
  int timeouts = 0;
  for (int turn = 0; turn < 100'000; ++turn) {
    std::fill(received.begin(), received.end(), '?');
    auto info = server_->Receive(absl::MakeConstSpan(&whole, 1), Deadline::Immediately());
    if (info.ok()) {
      EXPECT_EQ((*info)->size, sent.size());
      break;
    }
    ASSERT_THAT(info, IsErrno(ETIMEDOUT));
    ++timeouts;
    ASSERT_EQ(runtime_.Yield(), 0);
  }
  EXPECT_GE(timeouts, 3);
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(StreamTest, InterruptedFillGoesOnAsView) {
  ScriptedBytestream& script = Script();
  script.Deliver(FromClient().Header(0x82, 6).str());
  const std::string payload = FromClient().Binary("abcdef").str().substr(6);
  script.Deliver(payload.substr(0, 2)).AwaitReader();
  char buffer[6];
  const IoSpan list[] = {IoSpan(buffer, 6)};
  EXPECT_THAT(server_->Receive(list, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  script.Deliver(payload.substr(2, 3)).AwaitReader();
  EXPECT_THAT(server_->ReceiveView(Deadline::Immediately()), IsErrno(ETIMEDOUT));
  script.Deliver(payload.substr(5));
  auto info = server_->Receive(list, kNever);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(std::string(buffer, 6), "abcdef");
}

TEST_F(StreamTest, SendersQueueInOrder) {
  PairOptions tiny;
  tiny.capacity_bytes = 16;
  Connect({}, {}, tiny);
  Bundle bundle(&runtime_);
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(bundle.Go([&, i] {
      EXPECT_THAT(client_->SendText(std::string(100, static_cast<char>('0' + i)), kNever), IsOk());
    }),
                IsOk());
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ReceiveOne(server_.get()), "text:" + std::string(100, static_cast<char>('0' + i)));
  }
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(StreamTest, ASecondReceiverIsBusy) {
  Connect();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(ReceiveOne(server_.get()), "text:x"); }), IsOk());
  EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EBUSY));
  EXPECT_THAT(server_->Detach(1000, "", kNever), IsErrno(EBUSY));
  ASSERT_THAT(client_->SendText("x", kNever), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// Whoever is in a receive has the direction alone: a second coroutine is refused, and so is what the
// receive itself calls. Nothing of that disturbs it.
TEST_F(StreamTest, EveryReceiveIsRefusedInsideAnother) {
  char memory[10];
  const IoSpan list(memory, sizeof(memory));
  const auto slices = absl::MakeConstSpan(&list, 1);
  const auto expect_busy = [&] {
    EXPECT_TRUE(server_->receiver_busy());
    EXPECT_THAT(server_->Receive(slices, kNever), IsErrno(EBUSY));
    EXPECT_THAT(server_->ReceiveMessage(slices, kNever), IsErrno(EBUSY));
    EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EBUSY));
    EXPECT_THAT(server_->ReceivePart(absl::MakeSpan(reinterpret_cast<uint8_t*>(memory), 1), kNever),
                IsErrno(EBUSY));
    EXPECT_THAT(server_->ReceivePartView(kNever), IsErrno(EBUSY));
    EXPECT_THAT(server_->Discard(kNever), IsErrno(EBUSY));
    EXPECT_THAT(server_->Detach(1000, "", kNever), IsErrno(EBUSY));
    EXPECT_THAT(server_->Close(1000, "", kNever), IsErrno(EBUSY));
  };
  using Receive = std::function<int(Deadline)>;
  const Receive receives[] = {
      [&](Deadline deadline) { return StatusErrno(server_->Receive(slices, deadline).status()); },
      [&](Deadline deadline) { return StatusErrno(server_->ReceiveView(deadline).status()); },
      [&](Deadline deadline) { return StatusErrno(server_->ReceivePartView(deadline).status()); },
      [&](Deadline deadline) { return StatusErrno(server_->Discard(deadline).status()); }};
  for (const Receive& receive : receives) {
    Connect();
    int calls = 0;
    server_->OnPong([&](absl::Span<const uint8_t>) {
      ++calls;
      expect_busy();
    });
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(receive(kNever), 0); }), IsOk());
    expect_busy();
    ASSERT_THAT(server_->Ping({}, kNever), IsOk());
    EXPECT_THAT(client_->ReceiveView(Deadline::Immediately()), IsErrno(ETIMEDOUT));
    ASSERT_THAT(client_->SendText("x", kNever), IsOk());
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(server_->receiver_busy());
    // Whatever a receive has come to, it has given the direction back.
    EXPECT_EQ(receive(Deadline::Immediately()), ETIMEDOUT);
    EXPECT_FALSE(server_->receiver_busy());
    ASSERT_THAT(client_->SendText(std::string(11, 'x'), kNever), IsOk());
    const int fits = receive(Deadline::Immediately());
    EXPECT_TRUE(fits == 0 || fits == EMSGSIZE) << fits;
    EXPECT_FALSE(server_->receiver_busy());
    client_->lower()->Abort();
    EXPECT_EQ(receive(kNever), ECONNRESET);
    EXPECT_FALSE(server_->receiver_busy());
    EXPECT_EQ(receive(kNever), ECONNRESET);
    server_->Abort();
    EXPECT_EQ(receive(kNever), EBADF);
    EXPECT_FALSE(server_->receiver_busy());
  }
}

TEST_F(StreamTest, AbortWakesEverybody) {
  PairOptions tiny;
  tiny.capacity_bytes = 16;
  Connect({}, {}, tiny);
  Bundle bundle(&runtime_);
  const std::string large(100, 'x');
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(EBADF)); }),
              IsOk());
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(server_->SendText(large, kNever), IsErrno(EBADF)); }),
                IsOk());
  }
  server_->Abort();
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_THAT(server_->SendText("x", kNever), IsErrno(EBADF));
  EXPECT_THAT(server_->Done(1000, "", kNever), IsErrno(EBADF));
}

TEST_F(StreamTest, InterruptedSendLeavesNothingHalfSaid) {
  PairOptions tiny;
  tiny.capacity_bytes = 1000;
  Connect({}, {}, tiny);
  const std::string large(512 * 1024, 'x');
  // The first byte has left, so the rest follows by itself.
  ASSERT_THAT(client_->SendText(large, Deadline::Immediately()), IsOk());
  // Behind a tail nothing can be sent without waiting.
  EXPECT_THAT(client_->SendText("y", Deadline::Immediately()), IsErrno(ETIMEDOUT));
  EXPECT_THAT(client_->Done(1000, "", Deadline::Immediately()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ReceiveOne(server_.get()), "text:" + large);
  ASSERT_THAT(client_->SendText("z", kNever), IsOk());
  EXPECT_EQ(ReceiveOne(server_.get()), "text:z");
}

TEST_F(StreamTest, RemainderAboveTheTailBoundResets) {
  PairOptions tiny;
  tiny.capacity_bytes = 1000;
  Connect({}, {}, tiny);
  const std::string large(3 << 20, 'x');
  EXPECT_THAT(client_->SendText(large, Deadline::Immediately()), IsErrno(ECONNRESET));
  EXPECT_THAT(client_->SendText("y", kNever), IsErrno(ECONNRESET));
  EXPECT_THAT(server_->ReceiveView(kNever), IsErrno(ECONNRESET));
}

TEST_F(StreamTest, TypedMessages) {
  Options text;
  text.text_messages = true;
  Connect(text, text);
  ASSERT_THAT(client_->Send(MessageType::kBinary, AsBytes("b"), kNever), IsOk());
  const IoSlice slice("t");
  ASSERT_THAT(client_->SendMessage(absl::MakeConstSpan(&slice, 1), kNever), IsOk());
  char buffer[4];
  const IoSpan list[] = {IoSpan(buffer, sizeof(buffer))};
  EXPECT_THAT(server_->ReceiveMessage(list, kNever), IsErrno(EPROTO));
  auto size = server_->ReceiveMessage(list, kNever);
  ASSERT_THAT(size, IsOk());
  EXPECT_EQ(**size, 1u);
  EXPECT_EQ(buffer[0], 't');
}

TEST_F(StreamTest, BadArgumentsSendNothing) {
  Script();
  EXPECT_THAT(server_->SendText("\xc0\x80", kNever), IsErrno(EINVAL));
  EXPECT_THAT(server_->Done(1005, "", kNever), IsErrno(EINVAL));
  EXPECT_THAT(server_->Done(0, "reason", kNever), IsErrno(EINVAL));
  EXPECT_THAT(server_->Done(1000, "\xff", kNever), IsErrno(EINVAL));
  EXPECT_THAT(server_->Done(1000, std::string(124, 'r'), kNever), IsErrno(EMSGSIZE));
  EXPECT_THAT(server_->Ping(AsBytes(std::string(126, 'p')), kNever), IsErrno(EMSGSIZE));
  EXPECT_FALSE(server_->close_sent());
}

TEST_F(StreamTest, CloseIsOrderlyOnBothSides) {
  Connect();
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(ReceiveOne(server_.get()), "text:last");
    EXPECT_EQ(ReceiveOne(server_.get()), "closed");
    EXPECT_THAT(server_->Close(1000, "", kNever), IsOk());
  }),
              IsOk());
  ASSERT_THAT(client_->SendText("last", kNever), IsOk());
  EXPECT_THAT(client_->Close(1000, "", kNever), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_EQ(server_->peer_close()->code, 1000);
  EXPECT_EQ(client_->peer_close()->code, 1000);
}

}  // namespace
}  // namespace halfpipe::websocket
