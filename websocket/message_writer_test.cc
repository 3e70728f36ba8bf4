#include "websocket/message_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

Options WithDeflate() {
  Options options;
  options.deflate_params = DeflateParams();
  return options;
}

class MessageWriterTest : public testing::Test {
 protected:
  void Connect(Options options = {}, PairOptions pair = {}) {
    auto [a, b] = MakePair(&runtime_, pair);
    Options client = options;
    client.role = Role::kClient;
    client_ = std::make_unique<Stream>(&runtime_, std::move(a), client);
    server_ = std::make_unique<Stream>(&runtime_, std::move(b), options);
  }

  // A server over a script, which is to have been played at the end.
  ScriptedBytestream& Script(Options options = {}) {
    server_.reset();
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    ScriptedBytestream& steps = *script;
    server_ = std::make_unique<Stream>(&runtime_, BytestreamPtr(script.release()), options);
    return steps;
  }

  static std::string Receive(Stream* stream, Deadline deadline = kNever) {
    auto message = stream->ReceiveView(deadline);
    if (!message.ok()) return absl::StrCat("errno ", StatusErrno(message.status()));
    if (!message->has_value()) return absl::StrCat("closed ", stream->peer_close()->code);
    return std::string((*message)->text());
  }

  SimRuntime runtime_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> server_;
};

TEST_F(MessageWriterTest, PiecesAreFragments) {
  Script()
      .ExpectWrite(FromServer().Binary("one", WireBuilder::kMore).str())
      .ExpectWrite(FromServer().Continuation("two", WireBuilder::kMore).str())
      .ExpectWrite(FromServer().Continuation("three").str())
      .ExpectWrite(FromServer().Close(1001).str());
  MessageWriter writer(server_.get(), MessageType::kBinary);
  EXPECT_FALSE(server_->sender_busy());
  EXPECT_THAT(writer.Write(AsBytes("one"), kNever), IsOk());
  EXPECT_TRUE(writer.begun());
  EXPECT_TRUE(server_->sender_busy());
  EXPECT_THAT(writer.Write(AsBytes(""), kNever), IsOk());
  const IoSlice slices[] = {IoSlice(absl::string_view("t")), IoSlice(absl::string_view("wo"))};
  EXPECT_THAT(writer.Write(slices, kNever), IsOk());
  EXPECT_THAT(writer.Finish(AsBytes("three"), kNever), IsOk());
  EXPECT_EQ(writer.size(), 11u);
  EXPECT_TRUE(writer.finished());
  EXPECT_FALSE(server_->sender_busy());
  EXPECT_THAT(writer.Write(AsBytes("four"), kNever), IsErrno(EINVAL));
  EXPECT_THAT(writer.Finish(kNever), IsErrno(EINVAL));
  server_.reset();
}

TEST_F(MessageWriterTest, AnEmptyMessageAndAnEmptyEndAreFramesToo) {
  Script()
      .ExpectWrite(FromServer().Text("").str())
      .ExpectWrite(FromServer().Text("x", WireBuilder::kMore).Continuation("").str())
      .ExpectWrite(FromServer().Close(1001).str());
  EXPECT_THAT(MessageWriter(server_.get(), MessageType::kText).Finish(kNever), IsOk());
  MessageWriter writer(server_.get(), MessageType::kText);
  EXPECT_THAT(writer.Write(AsBytes("x"), kNever), IsOk());
  EXPECT_THAT(writer.Finish(kNever), IsOk());
  server_.reset();
}

TEST_F(MessageWriterTest, ALargePieceIsSeveralFragments) {
  Options options;
  options.send_frame_bytes_max = 4;
  Script(options)
      .ExpectWrite(FromServer()
                       .Binary("0123", WireBuilder::kMore)
                       .Continuation("45", WireBuilder::kMore)
                       .Continuation("6789", WireBuilder::kMore)
                       .Continuation("")
                       .str())
      .ExpectWrite(FromServer().Close(1001).str());
  MessageWriter writer(server_.get(), MessageType::kBinary);
  EXPECT_THAT(writer.Write(AsBytes("012345"), kNever), IsOk());
  EXPECT_THAT(writer.Write(AsBytes("6789"), kNever), IsOk());
  EXPECT_THAT(writer.Finish(kNever), IsOk());
  server_.reset();
}

TEST_F(MessageWriterTest, AMessageLargerThanEverythingInBetween) {
  for (const bool deflate : {false, true}) {
    SCOPED_TRACE(deflate);
    Connect(deflate ? WithDeflate() : Options(), {.capacity_bytes = 1000});
    Bundle bundle(&runtime_);
    constexpr size_t kPieces = 500;
    std::string piece(10'000, 'x');
    for (size_t i = 0; i < piece.size(); i += 7) piece[i] = static_cast<char>('a' + i * i % 26);
    ASSERT_THAT(bundle.Go([&] {
      MessageWriter writer(client_.get(), MessageType::kText);
      for (size_t i = 0; i < kPieces; ++i) {
        ASSERT_THAT(writer.Write(AsBytes(piece), kNever), IsOk());
      }
      ASSERT_THAT(writer.Finish(kNever), IsOk());
      EXPECT_EQ(writer.size(), kPieces * piece.size());
    }),
                IsOk());
    std::string room(3'000, '\0');
    size_t received = 0;
    for (bool last = false; !last;) {
      auto part = server_->ReceivePart(AsMutableBytes(room), kNever);
      ASSERT_THAT(part, IsOk());
      ASSERT_TRUE(part->has_value());
      EXPECT_EQ((*part)->type, MessageType::kText);
      EXPECT_EQ((*part)->first, received == 0);
      for (const uint8_t byte : (*part)->payload) {
        ASSERT_EQ(static_cast<char>(byte), piece[received % piece.size()]) << received;
        ++received;
      }
      last = (*part)->last;
    }
    EXPECT_EQ(received, kPieces * piece.size());
    EXPECT_EQ(bundle.Wait(kNever), 0);
  }
}

TEST_F(MessageWriterTest, OthersQueueBehindIt) {
  Connect();
  Bundle bundle(&runtime_);
  std::vector<std::string> order;
  MessageWriter writer(client_.get(), MessageType::kText);
  ASSERT_THAT(writer.Write(AsBytes("a"), kNever), IsOk());
  for (const char* name : {"b", "c"}) {
    ASSERT_THAT(bundle.Go([&, name] {
      EXPECT_THAT(client_->SendText(name, kNever), IsOk());
      order.push_back(name);
    }),
                IsOk());
  }
  ASSERT_THAT(bundle.Go([&] {
    MessageWriter second(client_.get(), MessageType::kText);
    EXPECT_THAT(second.Write(AsBytes("d"), kNever), IsOk());
    EXPECT_THAT(second.Finish(AsBytes("d"), kNever), IsOk());
    order.push_back("dd");
  }),
              IsOk());
  EXPECT_THAT(client_->SendText("late", kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(client_->Done(1000, "", kNow), IsErrno(ETIMEDOUT));
  EXPECT_THAT(client_->Close(1000, "", kNow), IsErrno(EBUSY));
  EXPECT_THAT(client_->Detach(1000, "", kNow), IsErrno(EBUSY));
  EXPECT_TRUE(order.empty());
  ASSERT_THAT(writer.Finish(AsBytes("a"), kNever), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_EQ(order, std::vector<std::string>({"b", "c", "dd"}));
  for (const char* expected : {"aa", "b", "c", "dd"}) EXPECT_EQ(Receive(server_.get()), expected);
}

TEST_F(MessageWriterTest, PongsAndPingsGoBetweenItsPieces) {
  Script()
      .ExpectWrite(FromServer().Binary("one", WireBuilder::kMore).str())
      .Deliver(FromClient().Ping("asked").str())
      .ExpectWrite(FromServer().Pong("asked").str())
      .ExpectWrite(FromServer().Ping("ours").str())
      .ExpectWrite(FromServer().Continuation("two").str())
      .ExpectWrite(FromServer().Close(1001).str());
  MessageWriter writer(server_.get(), MessageType::kBinary);
  ASSERT_THAT(writer.Write(AsBytes("one"), kNever), IsOk());
  // Nobody is in a call of the writer's.
  EXPECT_EQ(Receive(server_.get(), kNow), absl::StrCat("errno ", ETIMEDOUT));
  EXPECT_THAT(server_->Ping(AsBytes("ours"), kNow), IsOk());
  ASSERT_THAT(writer.Finish(AsBytes("two"), kNever), IsOk());
  server_.reset();
}

TEST_F(MessageWriterTest, APingWaitsForTheEndOfAFrame) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  MessageWriter writer(client_.get(), MessageType::kBinary);
  ASSERT_THAT(
      bundle.Go([&] { ASSERT_THAT(writer.Write(AsBytes(std::string(150, 'x')), kNever), IsOk()); }),
      IsOk());
  EXPECT_THAT(client_->Ping(AsBytes("late"), Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  bool pinged = false;
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(client_->Ping(AsBytes("p"), kNever), IsOk());
    pinged = true;
  }),
              IsOk());
  EXPECT_FALSE(pinged);
  std::string ponged;
  client_->OnPong(
      [&](absl::Span<const uint8_t> payload) { ponged = std::string(AsChars(payload)); });
  ASSERT_THAT(bundle.Go([&] { EXPECT_EQ(Receive(server_.get()), std::string(151, 'x')); }), IsOk());
  ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  EXPECT_TRUE(pinged);
  EXPECT_THAT(client_->ReceiveView(kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(ponged, "p");
  ASSERT_THAT(writer.Finish(AsBytes("x"), kNever), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// The other way round: a ping is being written, for which there is no room.
TEST_F(MessageWriterTest, APieceWaitsForAPingThatIsBeingSent) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  MessageWriter writer(client_.get(), MessageType::kBinary);
  ASSERT_THAT(writer.Write(AsBytes(std::string(200, 'x')), kNow), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->Ping(AsBytes("p"), kNever), IsOk()); }), IsOk());
  EXPECT_THAT(writer.Write(AsBytes("y"), Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(Receive(server_.get()), absl::StrCat(std::string(200, 'x'), "yz"));
  }),
              IsOk());
  EXPECT_THAT(writer.Write(AsBytes("y"), kNever), IsOk());
  EXPECT_THAT(writer.Finish(AsBytes("z"), kNever), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(MessageWriterTest, NothingHasHappenedBeforeAByteHasLeft) {
  Connect({}, {.capacity_bytes = 100});
  while (client_->SendText("filler", kNow).ok()) {
  }
  {
    MessageWriter writer(client_.get(), MessageType::kText);
    EXPECT_THAT(writer.Write(AsBytes("x"), kNow), IsErrno(ETIMEDOUT));
    EXPECT_FALSE(writer.begun());
    EXPECT_FALSE(client_->sender_busy());
  }
  EXPECT_FALSE(client_->close_sent());
  while (Receive(server_.get(), kNow) == "filler") {
  }
  EXPECT_THAT(client_->SendText("alive", kNow), IsOk());
  EXPECT_EQ(Receive(server_.get()), "alive");
}

TEST_F(MessageWriterTest, AnInterruptedPieceMayBeSentAgain) {
  for (const bool deflate : {false, true}) {
    SCOPED_TRACE(deflate);
    Connect(deflate ? WithDeflate() : Options(), {.capacity_bytes = 100});
    Bundle bundle(&runtime_);
    MessageWriter writer(client_.get(), MessageType::kText);
    // Of little use to compress.
    std::string text;
    uint32_t random = 1;
    while (text.size() < 200'000) absl::StrAppend(&text, random = random * 1664525 + 1013904223);
    std::string sent;
    int timeouts = 0;
    ASSERT_THAT(bundle.Go([&] {
      while (sent.size() < 2'000'000) {
        const absl::Status status = writer.Write(AsBytes(text), kNow);
        if (status.ok()) {
          sent += text;
        } else {
          ASSERT_THAT(status, IsErrno(ETIMEDOUT));
          ++timeouts;
          ASSERT_EQ(runtime_.Yield(), 0);
        }
      }
      ASSERT_THAT(writer.Finish(kNever), IsOk());
    }),
                IsOk());
    EXPECT_TRUE(Receive(server_.get()) == sent);
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_GT(timeouts, 0);
  }
}

TEST_F(MessageWriterTest, TextIsCheckedOverItsPieces) {
  Connect();
  const std::string snowman = "\xe2\x98\x83";
  MessageWriter writer(client_.get(), MessageType::kText);
  EXPECT_THAT(writer.Write(AsBytes("\xff"), kNever), IsErrno(EINVAL));
  EXPECT_FALSE(writer.begun());
  EXPECT_THAT(writer.Write(AsBytes(snowman.substr(0, 1)), kNever), IsOk());
  EXPECT_THAT(writer.Finish(kNever), IsErrno(EINVAL));
  EXPECT_THAT(writer.Write(AsBytes("x"), kNever), IsErrno(EINVAL));
  EXPECT_THAT(writer.Write(AsBytes(snowman.substr(1, 1)), kNever), IsOk());
  EXPECT_THAT(writer.Finish(AsBytes("x"), kNever), IsErrno(EINVAL));
  EXPECT_THAT(writer.Finish(AsBytes(snowman.substr(2)), kNever), IsOk());
  EXPECT_EQ(Receive(server_.get()), snowman);
}

TEST_F(MessageWriterTest, AnUnfinishedMessageIsNeverTakenForWhole) {
  for (const bool deflate : {false, true}) {
    SCOPED_TRACE(deflate);
    Connect(deflate ? WithDeflate() : Options());
    Bundle bundle(&runtime_);
    {
      MessageWriter writer(client_.get(), MessageType::kText);
      ASSERT_THAT(writer.Write(AsBytes("half of it"), kNever), IsOk());
      ASSERT_THAT(
          bundle.Go([&] { EXPECT_THAT(client_->SendText("next", kNever), IsErrno(EPIPE)); }),
          IsOk());
    }
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_TRUE(client_->close_sent());
    EXPECT_FALSE(client_->sender_busy());
    EXPECT_EQ(Receive(server_.get()), "closed 1011");
    EXPECT_THAT(client_->SendText("x", kNever), IsErrno(EPIPE));
    // The other direction goes on to its end.
    EXPECT_EQ(Receive(client_.get()), "closed 1011");
  }
}

TEST_F(MessageWriterTest, IsAbandonedWhileAPingIsBeingSent) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  auto writer = std::make_unique<MessageWriter>(client_.get(), MessageType::kBinary);
  ASSERT_THAT(writer->Write(AsBytes(std::string(200, 'x')), kNow), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->Ping(AsBytes("p"), kNever), IsOk()); }), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->SendText("x", kNever), IsErrno(EPIPE)); }),
              IsOk());
  writer.reset();
  EXPECT_EQ(Receive(server_.get()), "closed 1011");
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(MessageWriterTest, AnAnswerToThePeersCloseEndsIt) {
  Connect();
  MessageWriter writer(server_.get(), MessageType::kText);
  ASSERT_THAT(writer.Write(AsBytes("half of it"), kNever), IsOk());
  ASSERT_THAT(client_->Done(1000, "", kNever), IsOk());
  EXPECT_EQ(Receive(server_.get()), "closed 1000");
  EXPECT_THAT(writer.Write(AsBytes("more"), kNever), IsErrno(EPIPE));
  EXPECT_THAT(writer.Finish(kNever), IsErrno(EPIPE));
  EXPECT_EQ(Receive(client_.get()), "closed 1000");
}

TEST_F(MessageWriterTest, GoesOnBehindThePeersCloseWhereThatIsNotAnswered) {
  Options options;
  options.answer_close = false;
  Connect(options);
  MessageWriter writer(server_.get(), MessageType::kText);
  ASSERT_THAT(writer.Write(AsBytes("half of it, "), kNever), IsOk());
  ASSERT_THAT(client_->Done(1000, "", kNever), IsOk());
  EXPECT_EQ(Receive(server_.get()), "closed 1000");
  EXPECT_THAT(writer.Finish(AsBytes("and the rest"), kNever), IsOk());
  EXPECT_EQ(Receive(client_.get()), "half of it, and the rest");
}

TEST_F(MessageWriterTest, EndsWithTheConnection) {
  Connect();
  {
    MessageWriter writer(client_.get(), MessageType::kText);
    ASSERT_THAT(writer.Write(AsBytes("x"), kNever), IsOk());
    server_.reset();
    EXPECT_THAT(writer.Write(AsBytes("x"), kNever), IsErrno(ECONNRESET));
    EXPECT_THAT(writer.Finish(kNever), IsErrno(ECONNRESET));
  }
  Connect();
  MessageWriter writer(client_.get(), MessageType::kText);
  ASSERT_THAT(writer.Write(AsBytes("x"), kNever), IsOk());
  client_->Abort();
  EXPECT_THAT(writer.Write(AsBytes("x"), kNever), IsErrno(EBADF));
}

TEST_F(MessageWriterTest, AbortEndsThosePiecesThatWait) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  MessageWriter writer(client_.get(), MessageType::kBinary);
  ASSERT_THAT(writer.Write(AsBytes(std::string(200, 'x')), kNow), IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->Ping(AsBytes("p"), kNever), IsErrno(EBADF)); }),
              IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(writer.Write(AsBytes("y"), kNever), IsErrno(EBADF)); }),
              IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->Ping(AsBytes("q"), kNever), IsErrno(EBADF)); }),
              IsOk());
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client_->SendText("z", kNever), IsErrno(EBADF)); }),
              IsOk());
  client_->Abort();
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(MessageWriterTest, SaysWhetherItIsCompressed) {
  Connect(WithDeflate());
  const std::string text(10'000, 'x');
  for (const Compress compress : {Compress::kAuto, Compress::kAlways, Compress::kNever}) {
    const size_t memory = client_->deflate_memory_bytes();
    MessageWriter writer(client_.get(), MessageType::kText, compress);
    ASSERT_THAT(writer.Write(AsBytes(text), kNever), IsOk());
    ASSERT_THAT(writer.Finish(AsBytes("."), kNever), IsOk());
    EXPECT_EQ(Receive(server_.get()), text + ".");
    EXPECT_EQ(client_->deflate_memory_bytes() > memory, compress == Compress::kAuto);
  }
  // Without memory to compress it goes as it is.
  Options options = WithDeflate();
  options.deflate.memory_bytes_max = 0;
  Script(options)
      .ExpectWrite(FromServer().Text(text, WireBuilder::kMore).Continuation(".").str())
      .ExpectWrite(FromServer().Close(1001).str());
  MessageWriter writer(server_.get(), MessageType::kText);
  ASSERT_THAT(writer.Write(AsBytes(text), kNever), IsOk());
  ASSERT_THAT(writer.Finish(AsBytes("."), kNever), IsOk());
  server_.reset();
}

TEST_F(MessageWriterTest, OnePieceAtATime) {
  Connect({}, {.capacity_bytes = 100});
  Bundle bundle(&runtime_);
  MessageWriter writer(client_.get(), MessageType::kText);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(writer.Write(AsBytes(std::string(300, 'x')), kNever), IsOk());
    EXPECT_THAT(writer.Finish(AsBytes("y"), kNever), IsOk());
  }),
              IsOk());
  EXPECT_THAT(writer.Write(AsBytes("z"), kNever), IsErrno(EBUSY));
  EXPECT_THAT(writer.Finish(kNever), IsErrno(EBUSY));
  EXPECT_EQ(Receive(server_.get()), std::string(300, 'x') + "y");
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// Between its pieces a message is under way, and what compresses it is in use.
TEST_F(MessageWriterTest, KeepsItsCompressorToTheEnd) {
  Connect(WithDeflate());
  MessageWriter writer(client_.get(), MessageType::kText);
  ASSERT_THAT(writer.Write(AsBytes("one, "), kNever), IsOk());
  client_->ReleaseCompressor();
  EXPECT_GT(client_->deflate_memory_bytes(), 0u);
  ASSERT_THAT(writer.Finish(AsBytes("two"), kNever), IsOk());
  EXPECT_EQ(Receive(server_.get()), "one, two");
  client_->ReleaseCompressor();
  EXPECT_EQ(client_->deflate_memory_bytes(), 0u);
}

// Every wait of it, ended: the message arrives whole, or the outbound half has ended.
TEST_F(MessageWriterTest, EveryWaitMayEnd) {
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    for (int wait = 0; wait < kSweepWaitsMax; ++wait) {
      SCOPED_TRACE(testing::Message() << "errno " << error << " at wait " << wait);
      Connect({}, {.capacity_bytes = 100});
      Bundle bundle(&runtime_);
      WaitFault fault(&runtime_, error, wait);
      std::string sent;
      bool finished = false;
      ASSERT_THAT(bundle.Go([&] {
        fault.set_only(runtime_.current());
        MessageWriter writer(client_.get(), MessageType::kText);
        for (int i = 0; i < 5; ++i) {
          const std::string piece(150, static_cast<char>('a' + i));
          if (writer.Write(AsBytes(piece), kNever).ok()) sent += piece;
        }
        finished = writer.Finish(kNever).ok();
      }),
                  IsOk());
      // Its first piece has begun to leave when it first waits.
      const std::string received = Receive(server_.get());
      EXPECT_TRUE(received == (finished ? sent : "closed 1011")) << received;
      EXPECT_EQ(finished, error == ETIMEDOUT || !fault.hit());
      EXPECT_EQ(bundle.Wait(kNever), 0);
      if (!fault.hit()) break;
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket
