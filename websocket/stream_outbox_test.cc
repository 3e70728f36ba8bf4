// Control frames and the send lock of websocket::Stream, step by step:
//   1. The reader never waits to send.
//   2. What does not go at once stays in one slot, which a newer ping replaces, and follows later.
//   3. The writer sends it after the current frame, also between the fragments of a message.
//   4. A Close outranks a pong. Behind our own Close pings are answered, behind the peer's nothing.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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
#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();
constexpr auto kMore = WireBuilder::kMore;

class StreamOutboxTest : public testing::Test {
 protected:
  ScriptedBytestream& Script(Options options = {}) {
    stream_.reset();
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    ScriptedBytestream& steps = *script;
    stream_ = std::make_unique<Stream>(&runtime_, BytestreamPtr(script.release()), options);
    return steps;
  }

  void Turn() { ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0); }

  std::string Receive(Deadline deadline) {
    auto message = stream_->ReceiveView(deadline);
    if (!message.ok()) return absl::StrCat("errno ", StatusErrno(message.status()));
    return message->has_value() ? std::string((*message)->text()) : "closed";
  }

  SimRuntime runtime_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(StreamOutboxTest, Step1_TheReaderNeverWaitsToSend) {
  ScriptedBytestream& script = Script();
  script.BlockWrites().Deliver(FromClient().Ping("p").Text("behind it").str());
  const int64_t before = runtime_.clock().NowNanos();
  EXPECT_EQ(Receive(kNever), "behind it");
  EXPECT_EQ(runtime_.clock().NowNanos(), before);
  script.UnblockWrites()
      .ExpectWrite(FromServer().Pong("p").str())
      .ExpectWrite(FromServer().Close(1001).str());
  Turn();
  stream_.reset();
}

TEST_F(StreamOutboxTest, Step2_ANewerPingTakesTheSlotAndItsPongFollowsLater) {
  ScriptedBytestream& script = Script();
  script.BlockWrites().Deliver(
      FromClient().Ping("one").Ping("two").Ping(std::string(125, '3')).Text("x").str());
  EXPECT_EQ(Receive(kNever), "x");
  EXPECT_EQ(stream_->lower()->tail_size(), 0u);
  script.UnblockWrites()
      .ExpectWrite(FromServer().Pong(std::string(125, '3')).str())
      .ExpectWrite(FromServer().Close(1001).str());
  Turn();
  stream_.reset();
}

TEST_F(StreamOutboxTest, Step3_TheWriterSendsThePongAfterTheCurrentFrame) {
  Options options;
  options.send_frame_bytes_max = 1000;
  const std::string text(2500, 'x');
  Script(options)
      .ExpectWrite(FromServer().Text(text.substr(0, 1000), kMore).str().substr(0, 7))
      .BlockWrites()
      .Deliver(FromClient().Ping("p").str())
      .AwaitReader()
      .UnblockWrites()
      .ExpectWrite(FromServer().Text(text.substr(0, 1000), kMore).str().substr(7))
      .ExpectWrite(FromServer().Pong("p").str())
      .ExpectWrite(FromServer()
                       .Continuation(text.substr(1000, 1000), kMore)
                       .Continuation(text.substr(2000))
                       .str())
      .ExpectWrite(FromServer().Close(1001).str());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(Receive(Deadline::In(absl::Seconds(1))), absl::StrCat("errno ", ETIMEDOUT));
  }),
              IsOk());
  EXPECT_THAT(stream_->SendText(text, kNever), IsOk());
  EXPECT_EQ(bundle.Wait(kNever), 0);
  stream_.reset();
}

// A client's frame leaves in many writes, all of which belong together.
TEST_F(StreamOutboxTest, Step3_NoPongStandsInsideAMaskedFrame) {
  Options options;
  options.role = Role::kClient;
  Options server_options;
  auto [a, b] = MakePair(&runtime_, {.capacity_bytes = 1000});
  Stream client(&runtime_, std::move(a), options);
  Stream server(&runtime_, std::move(b), server_options);
  const std::string text(100'000, 'x');
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] { EXPECT_THAT(client.SendText(text, kNever), IsOk()); }), IsOk());
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_THAT(client.ReceiveView(Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  }),
              IsOk());
  ASSERT_THAT(server.Ping(AsBytes("p"), kNever), IsOk());
  std::string pong;
  server.OnPong([&](absl::Span<const uint8_t> payload) { pong = std::string(AsChars(payload)); });
  Turn();  // The client has met the ping, in the middle of its frame.
  auto message = server.ReceiveView(kNever);
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE((*message)->text() == text);
  EXPECT_EQ(pong, "");
  EXPECT_THAT(server.ReceiveView(Deadline::In(absl::Seconds(2))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(pong, "p");
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

TEST_F(StreamOutboxTest, Step4_ACloseOutranksAPong) {
  Options options;
  options.idle_time_max = absl::Seconds(60);
  ScriptedBytestream& script = Script(options);
  script.BlockWrites().Deliver(FromClient().Ping("p").str()).AwaitReader();
  EXPECT_EQ(Receive(Deadline::In(absl::Seconds(61))), absl::StrCat("errno ", ETIMEDOUT));
  EXPECT_TRUE(stream_->close_sent());
  script.UnblockWrites()
      .ExpectWrite(FromServer().Close(1001, "no message within idle_time_max").str())
      .ExpectWrite(FromServer().Pong("p").str());
  Turn();
  EXPECT_EQ(script.steps_left(), 0u);
  stream_.reset();
}

TEST_F(StreamOutboxTest, Step4_PingsAreAnsweredBehindOurCloseUntilThePeersComes) {
  ScriptedBytestream& script = Script();
  script.ExpectWrite(FromServer().Close(1000).str())
      .Deliver(FromClient().Ping("one").str())
      .ExpectWrite(FromServer().Pong("one").str())
      .Deliver(FromClient().Text("more").Ping("two").str())
      .ExpectWrite(FromServer().Pong("two").str())
      .Deliver(FromClient().Close(1000).str());
  EXPECT_THAT(stream_->Done(1000, "", kNever), IsOk());
  EXPECT_EQ(Receive(kNever), "more");
  EXPECT_EQ(Receive(kNever), "closed");
  stream_.reset();
}

TEST_F(StreamOutboxTest, Step4_BehindThePeersCloseNothingIsSentButOurs) {
  ScriptedBytestream& script = Script();
  script.BlockWrites().Deliver(FromClient().Ping("p").Close(1000).str());
  EXPECT_EQ(Receive(kNever), "closed");
  script.UnblockWrites().ExpectWrite(FromServer().Close(1000).str());
  Turn();
  EXPECT_EQ(script.steps_left(), 0u);
  stream_.reset();
}

// ---- Answering the peer's Close, or not ---------------------------------------------------------

TEST_F(StreamOutboxTest, ThePeersCloseIsAnsweredAtOnce) {
  Script()
      .Deliver(FromClient().Close(4000, "why").str())
      .ExpectWrite(FromServer().Close(4000).str());
  EXPECT_EQ(Receive(kNever), "closed");
  EXPECT_THAT(stream_->SendText("x", kNever), IsErrno(EPIPE));
  stream_.reset();
}

TEST_F(StreamOutboxTest, ThePeersCloseIsLeftToTheProgramByOption) {
  Options options;
  options.answer_close = false;
  Script(options)
      .Deliver(FromClient().Close(4000, "why").str())
      .ExpectWrite(FromServer().Text("still here").str())
      .ExpectWrite(FromServer().Close(1000, "now").str());
  EXPECT_EQ(Receive(kNever), "closed");
  EXPECT_FALSE(stream_->close_sent());
  EXPECT_EQ(stream_->peer_close()->code, 4000);
  EXPECT_EQ(stream_->peer_close()->reason, "why");
  EXPECT_THAT(stream_->SendText("still here", kNever), IsOk());
  // No ping behind the peer's Close (section 5.5.2 for its pongs).
  EXPECT_THAT(stream_->MeasureRoundTrip(kNever), IsErrno(EPIPE));
  EXPECT_THAT(stream_->Ping({}, kNever), IsErrno(EPIPE));
  EXPECT_THAT(stream_->Done(1000, "now", kNever), IsOk());
  stream_.reset();
}

// Sixty seconds of half-close against a peer that pings each second.
TEST_F(StreamOutboxTest, AHalfCloseForAMinuteStaysUp) {
  ScriptedBytestream& script = Script();
  script.ExpectWrite(FromServer().Close(1000).str());
  ASSERT_THAT(stream_->Done(1000, "", kNever), IsOk());
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&] {
    EXPECT_EQ(Receive(kNever), "last words");
    EXPECT_EQ(Receive(kNever), "closed");
  }),
              IsOk());
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
    EXPECT_EQ(script.steps_left(), 0u);
    script.Deliver(FromClient().Ping(absl::StrCat(i)).str())
        .ExpectWrite(FromServer().Pong(absl::StrCat(i)).str());
  }
  script.Deliver(FromClient().Text("last words").Close(1000).str());
  EXPECT_EQ(bundle.Wait(kNever), 0);
  stream_.reset();
}

// ---- Floods -------------------------------------------------------------------------------------

// Whatever lies in the buffer and brings no message does not keep others from their turns, nor does
// it take memory.
TEST_F(StreamOutboxTest, FloodsLeaveOthersTheirTurns) {
  std::string pings;
  std::string fragments = FromClient().Binary("", kMore);
  for (int i = 0; i < 20'000; ++i) {
    pings += FromClient().Ping("").str();
    fragments += FromClient().Continuation("", kMore).str();
  }
  for (const std::string& flood : {pings, fragments}) {
    Options options;
    options.control_frames_per_second_max = 0;
    auto [peer, lower] = MakePair(&runtime_, {.capacity_bytes = 1'000'000});
    Stream stream(&runtime_, std::move(lower), options);
    const IoSlice slice(flood);
    ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsOk());
    const size_t blocks = runtime_.buffer_pool().blocks_in_use();
    Bundle bundle(&runtime_);
    bool done = false;
    int turns = 0;
    ASSERT_THAT(bundle.Go([&] {
      while (!done) {
        ++turns;
        EXPECT_LE(runtime_.buffer_pool().blocks_in_use(), blocks + 1 + flood.size() / 16'000);
        ASSERT_EQ(runtime_.Yield(), 0);
      }
    }),
                IsOk());
    EXPECT_THAT(stream.ReceiveView(kNow), IsErrno(ETIMEDOUT));
    done = true;
    EXPECT_GT(turns, 3);
    EXPECT_EQ(bundle.Wait(kNever), 0);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
