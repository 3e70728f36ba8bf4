// Pings of websocket::Stream's own and its bounds in time, on simulated time: round trips, peers
// that have vanished, connections that nobody uses.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "websocket/message_writer.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/stream_test_support.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

Deadline In(int seconds) { return Deadline::In(absl::Seconds(seconds)); }

class StreamControlTest : public ServedStreamTest {
 protected:
  StreamControlTest() : bundle_(&runtime_) {}
  ~StreamControlTest() override {
    if (stream_ != nullptr) stream_->Abort();
    bundle_.CancelAndJoin();
  }

  void Connect(Options options = {}, PairOptions pair = {}) {
    if (stream_ != nullptr) {
      stream_->Abort();
      ASSERT_EQ(bundle_.Wait(In(1)), 0);
    }
    ServedStreamTest::Connect(options, pair);
    start_ = Now();
  }

  int64_t Now() { return runtime_.clock().NowNanos() / 1'000'000; }
  // Milliseconds since Connect().
  int64_t Elapsed() { return Now() - start_; }
  void Sleep(absl::Duration duration) { ASSERT_EQ(runtime_.SleepUntil(Deadline::In(duration)), 0); }

  // Receives until that fails, and keeps what came.
  void ReceiveAll() {
    ASSERT_THAT(bundle_.Go([this] {
      for (;;) {
        auto message = stream_->ReceiveView(kNever);
        if (!message.ok() || !message->has_value()) {
          received_.push_back(message.ok() ? "closed" : Error(message.status()));
          ended_at_ = Elapsed();
          return;
        }
        received_.push_back(std::string((*message)->text()));
      }
    }),
                IsOk());
  }

  static std::string Error(const absl::Status& status) {
    return absl::StrCat("errno ", StatusErrno(status), ": ", status.message());
  }

  std::vector<std::string> received_;
  int64_t start_ = 0;
  int64_t ended_at_ = -1;
  Bundle bundle_;
};

const std::string kDead =
    absl::StrCat("errno ", ECONNRESET, ": nothing has come from the peer within dead_after");

// ---- Round trips --------------------------------------------------------------------------------

TEST_F(StreamControlTest, MeasuresARoundTrip) {
  Connect();
  EXPECT_EQ(stream_->round_trip_time(), std::nullopt);
  ReceiveAll();
  absl::Duration measured;
  ASSERT_THAT(bundle_.Go([&] {
    auto round_trip = stream_->MeasureRoundTrip(In(10));
    ASSERT_THAT(round_trip, IsOk());
    measured = *round_trip;
  }),
              IsOk());
  const std::string ping = ToPeer();
  ASSERT_EQ(ping.size(), 10u);
  EXPECT_EQ(ping.substr(0, 2), Bytes({0x89, 8}));
  Sleep(absl::Milliseconds(250));
  FromPeer(FromClient().Pong(ping.substr(2)));
  Sleep(absl::Milliseconds(1));
  EXPECT_EQ(measured, absl::Milliseconds(250));
  EXPECT_EQ(stream_->round_trip_time(), absl::Milliseconds(250));
}

TEST_F(StreamControlTest, OtherPongsDoNotCount) {
  Connect();
  ReceiveAll();
  bool answered = false;
  ASSERT_THAT(bundle_.Go([&] {
    EXPECT_THAT(stream_->MeasureRoundTrip(In(10)), IsErrno(ETIMEDOUT));
    answered = true;
  }),
              IsOk());
  const std::string id = ToPeer().substr(2);
  for (const std::string& payload :
       {std::string(), std::string("whatever"), id.substr(1), id + "x", id.substr(1) + id[0]}) {
    FromPeer(FromClient().Pong(payload));
  }
  Sleep(absl::Seconds(9));
  EXPECT_FALSE(answered);
  Sleep(absl::Seconds(2));
  EXPECT_TRUE(answered);
  EXPECT_EQ(stream_->round_trip_time(), std::nullopt);
  // Too late, it is nobody's; nor does it answer the next one.
  ASSERT_THAT(
      bundle_.Go([&] { EXPECT_THAT(stream_->MeasureRoundTrip(In(1)), IsErrno(ETIMEDOUT)); }),
      IsOk());
  FromPeer(FromClient().Pong(id));
  Sleep(absl::Seconds(2));
  EXPECT_EQ(stream_->round_trip_time(), std::nullopt);
}

// RFC 6455 section 5.5.3: a peer may answer the latest ping only.
TEST_F(StreamControlTest, ALaterPingsPongAnswersThoseBefore) {
  Connect();
  ReceiveAll();
  std::vector<absl::Duration> measured(3, absl::ZeroDuration());
  std::string last;
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(bundle_.Go([&, i] {
      auto round_trip = stream_->MeasureRoundTrip(In(10));
      if (round_trip.ok()) measured[i] = *round_trip;
    }),
                IsOk());
    const std::string ping = ToPeer();
    if (i == 1) last = ping.substr(2);
    Sleep(absl::Milliseconds(100));
  }
  FromPeer(FromClient().Pong(last));
  Sleep(absl::Milliseconds(1));
  EXPECT_EQ(measured[0], absl::Milliseconds(300));
  EXPECT_EQ(measured[1], absl::Milliseconds(200));
  EXPECT_EQ(measured[2], absl::ZeroDuration());
  EXPECT_EQ(stream_->round_trip_time(), absl::Milliseconds(200));
}

TEST_F(StreamControlTest, ARoundTripEndsWithTheConnection) {
  const auto measure = [this](int error) {
    ASSERT_THAT(bundle_.Go([this, error] {
      EXPECT_THAT(stream_->MeasureRoundTrip(In(10)), IsErrno(error));
    }),
                IsOk());
  };
  Connect();
  ReceiveAll();
  measure(EPIPE);
  FromPeer(FromClient().Close(1000));
  Sleep(absl::Milliseconds(1));
  EXPECT_THAT(stream_->MeasureRoundTrip(kNow), IsErrno(EPIPE));
  stream_->Abort();
  EXPECT_THAT(stream_->MeasureRoundTrip(kNow), IsErrno(EBADF));
  Connect();
  ReceiveAll();
  measure(ECONNRESET);
  FromPeer(FromServer().Text("not masked"));
  Sleep(absl::Milliseconds(1));
  EXPECT_THAT(stream_->MeasureRoundTrip(kNow), IsErrno(ECONNRESET));
  Connect();
  measure(EBADF);
  Sleep(absl::Milliseconds(1));
  stream_->Abort();
  Sleep(absl::Milliseconds(1));
  EXPECT_THAT(stream_->MeasureRoundTrip(kNow), IsErrno(EBADF));
  Connect();
  ASSERT_THAT(
      bundle_.Go([this] { EXPECT_THAT(stream_->MeasureRoundTrip(In(10)), IsErrno(ECANCELED)); }),
      IsOk());
  bundle_.CancelAndJoin();
}

TEST_F(StreamControlTest, TellsOfEveryPong) {
  Connect();
  std::vector<std::string> pongs;
  stream_->OnPong([&](absl::Span<const uint8_t> payload) {
    pongs.push_back(std::string(AsChars(payload)));
    // Nothing waits in here.
    EXPECT_EQ(runtime_.SleepUntil(kNever), 0);
  });
  FromPeer(FromClient().Pong("one").Pong("").Text("x"));
  EXPECT_THAT(stream_->ReceiveView(kNow), IsOk());
  EXPECT_EQ(pongs, std::vector<std::string>({"one", ""}));
  // It may put another one in its place, or none.
  stream_->OnPong([&](absl::Span<const uint8_t>) {
    stream_->OnPong([&](absl::Span<const uint8_t>) {
      pongs.push_back("second");
      stream_->OnPong({});
    });
  });
  FromPeer(FromClient().Pong("").Pong("").Pong("").Text("x"));
  EXPECT_THAT(stream_->ReceiveView(kNow), IsOk());
  EXPECT_EQ(pongs, std::vector<std::string>({"one", "", "second"}));
}

// ---- Liveness -----------------------------------------------------------------------------------

Options Live(int ping_after_seconds, int dead_after_seconds) {
  Options options;
  if (ping_after_seconds > 0) options.ping_after_idle = absl::Seconds(ping_after_seconds);
  if (dead_after_seconds > 0) options.dead_after = absl::Seconds(dead_after_seconds);
  return options;
}

TEST_F(StreamControlTest, PingsAfterSilence) {
  Connect(Live(30, 0));
  Sleep(absl::Milliseconds(29'999));
  EXPECT_EQ(ToPeer(), "");
  Sleep(absl::Milliseconds(1));
  EXPECT_EQ(ToPeer().size(), 10u);
  // Again as long after it, until something comes.
  Sleep(absl::Milliseconds(30'000));
  const std::string ping = ToPeer();
  EXPECT_EQ(ping.size(), 10u);
  ReceiveAll();
  FromPeer(FromClient().Pong(ping.substr(2)));
  Sleep(absl::Milliseconds(29'999));
  EXPECT_EQ(ToPeer(), "");
  Sleep(absl::Milliseconds(1));
  EXPECT_EQ(ToPeer().size(), 10u);
  EXPECT_EQ(stream_->round_trip_time(), absl::ZeroDuration());
}

TEST_F(StreamControlTest, APeerThatHasVanishedIsGivenUp) {
  Connect(Live(30, 100));
  ReceiveAll();
  Sleep(absl::Milliseconds(99'999));
  EXPECT_TRUE(received_.empty());
  EXPECT_EQ(ToPeer().size(), 3 * 10u);
  Sleep(absl::Milliseconds(2));
  EXPECT_EQ(received_, std::vector<std::string>({kDead}));
  EXPECT_EQ(ended_at_, 100'000);
  EXPECT_EQ(stream_->failure(), ECONNRESET);
  // Final, for all calls, and the peer is told if it should be there all the same.
  EXPECT_EQ(Error(stream_->ReceiveView(kNow).status()), kDead);
  EXPECT_EQ(Error(stream_->SendText("x", kNow)), kDead);
  EXPECT_EQ(Error(stream_->Done(1000, "", kNow)), kDead);
  EXPECT_EQ(Error(stream_->Ping({}, kNow)), kDead);
  EXPECT_THAT(stream_->MeasureRoundTrip(kNow), IsErrno(ECONNRESET));
  EXPECT_EQ(ToPeer().substr(0, 4), Bytes({0x88, 50, 0x03, 0xe9}));
}

TEST_F(StreamControlTest, WhoSendsToAPeerThatHasVanishedComesOut) {
  Connect(Live(30, 100), {.capacity_bytes = 100});
  std::vector<std::string> ends;
  const auto sender = [&](auto send) {
    ASSERT_THAT(bundle_.Go([&, send] { ends.push_back(Error(send())); }), IsOk());
  };
  sender([&] { return stream_->SendText(std::string(1000, 'x'), kNever); });
  sender([&] { return stream_->SendText("queued", kNever); });
  sender([&] { return stream_->Ping(AsBytes("queued too"), kNever); });
  sender([&] { return stream_->Done(1000, "", kNever); });
  Sleep(absl::Milliseconds(99'999));
  EXPECT_TRUE(ends.empty());
  Sleep(absl::Milliseconds(2));
  EXPECT_EQ(ends.size(), 4u);
  for (const std::string& end : ends) {
    EXPECT_EQ(end.substr(0, 9), absl::StrCat("errno ", ECONNRESET)) << end;
  }
}

TEST_F(StreamControlTest, AWriterOfAPeerThatHasVanishedComesOut) {
  Connect(Live(0, 100), {.capacity_bytes = 100});
  std::string end;
  ASSERT_THAT(bundle_.Go([&] {
    MessageWriter writer(stream_.get(), MessageType::kText);
    for (;;) {
      absl::Status status = writer.Write(AsBytes("more and more"), kNever);
      if (!status.ok()) {
        end = Error(status);
        return;
      }
    }
  }),
              IsOk());
  Sleep(absl::Seconds(101));
  EXPECT_EQ(end, kDead);
}

// The program may be at work on it, and a view is good until the next receive.
TEST_F(StreamControlTest, AViewOutlivesTheConnection) {
  Connect(Live(0, 100));
  FromPeer(FromClient().Text("in two", WireBuilder::kMore).Continuation(" pieces"));
  auto message = stream_->ReceiveView(kNow);
  ASSERT_TRUE(message.ok() && message->has_value());
  Sleep(absl::Seconds(101));
  EXPECT_EQ(stream_->failure(), ECONNRESET);
  EXPECT_EQ((*message)->text(), "in two pieces");
  EXPECT_EQ(Error(stream_->ReceiveView(kNow).status()), kDead);
}

TEST_F(StreamControlTest, ARestingConnectionToAPeerThatHasVanishedIsToldToo) {
  Connect(Live(30, 100));
  int readable = 0;
  int writable = 0;
  ASSERT_TRUE(stream_->at_message_boundary());
  stream_->WhenReadable([&] { ++readable; });
  Sleep(absl::Milliseconds(99'999));
  EXPECT_EQ(readable, 0);
  Sleep(absl::Milliseconds(2));
  EXPECT_EQ(readable, 1);
  EXPECT_EQ(Error(stream_->ReceiveView(kNow).status()), kDead);
  stream_->WhenWritable([&] { ++writable; });
  EXPECT_EQ(writable, 1);
}

TEST_F(StreamControlTest, AnyByteIsASignOfLife) {
  Connect(Live(0, 100));
  ReceiveAll();
  // One byte of a frame at a time, each just in time.
  const std::string wire = FromClient().Text("slow").Ping("p");
  for (const char byte : wire) {
    Sleep(absl::Seconds(99));
    FromPeer(std::string(1, byte));
  }
  Sleep(absl::Seconds(99));
  EXPECT_EQ(received_, std::vector<std::string>({"slow"}));
  Sleep(absl::Seconds(2));
  EXPECT_EQ(received_.back(), kDead);
}

TEST_F(StreamControlTest, AMessageThatTrickleInIsASignOfLife) {
  Connect(Live(0, 100));
  ReceiveAll();
  // In one frame, which a view waits for whole.
  const std::string wire = FromClient().Text(std::string(20, 'x'));
  for (size_t i = 0; i < wire.size(); i += 2) {
    FromPeer(wire.substr(i, 2));
    Sleep(absl::Seconds(60));
  }
  EXPECT_EQ(received_, std::vector<std::string>({std::string(20, 'x')}));
}

TEST_F(StreamControlTest, BytesThatNobodyHasReadAreASignOfLife) {
  Connect(Live(30, 100));
  FromPeer(FromClient().Text("one").Text("two"));
  Sleep(absl::Seconds(1000));
  EXPECT_EQ(stream_->failure(), 0);
  auto message = stream_->ReceiveView(kNow);
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ((*message)->text(), "one");
  // A view is in use for long.
  Sleep(absl::Seconds(1000));
  EXPECT_EQ((*message)->text(), "one");
  EXPECT_EQ(stream_->failure(), 0);
  ASSERT_THAT(stream_->ReceiveView(kNow), IsOk());
  EXPECT_THAT(stream_->ReceiveView(kNow), IsErrno(ETIMEDOUT));
  // From when it last was of use: now nobody can be slow but the peer.
  Sleep(absl::Seconds(201));
  EXPECT_EQ(stream_->failure(), ECONNRESET);
}

TEST_F(StreamControlTest, IsWatchedUntilThePeersCloseOnly) {
  Options options = Live(30, 100);
  options.answer_close = false;
  Connect(options);
  ReceiveAll();
  FromPeer(FromClient().Close(1000));
  Sleep(absl::Seconds(1000));
  EXPECT_EQ(received_, std::vector<std::string>({"closed"}));
  EXPECT_EQ(stream_->failure(), 0);
  // Section 5.5.2: no ping behind a Close.
  EXPECT_EQ(ToPeer(), "");
  EXPECT_THAT(stream_->SendText("still here", kNow), IsOk());
}

TEST_F(StreamControlTest, HalfCloseIsWatched) {
  Connect(Live(30, 100));
  ReceiveAll();
  ASSERT_THAT(stream_->Done(1000, "", kNow), IsOk());
  Sleep(absl::Seconds(31));
  EXPECT_EQ(ToPeer().size(), 4u + 10u);
  Sleep(absl::Seconds(70));
  EXPECT_EQ(received_.back(), kDead);
}

TEST_F(StreamControlTest, ABusyConnectionIsNotPinged) {
  Connect(Live(30, 100));
  ReceiveAll();
  for (int i = 0; i < 100; ++i) {
    Sleep(absl::Seconds(29));
    FromPeer(FromClient().Text("x"));
  }
  EXPECT_EQ(ToPeer(), "");
}

TEST_F(StreamControlTest, PingsGoWhenTheStreamHasRoomAgain) {
  Connect(Live(30, 0), {.capacity_bytes = 100});
  while (stream_->SendText("filler", kNow).ok()) {
  }
  Sleep(absl::Seconds(100));  // three are due, one is kept
  std::string heard;
  for (std::string more; !(more = ToPeer()).empty(); Sleep(absl::Milliseconds(1))) heard += more;
  EXPECT_EQ(heard.size() % 8, 10u % 8);
  EXPECT_EQ(heard.substr(heard.size() - 10, 2), Bytes({0x89, 8}));
}

TEST_F(StreamControlTest, ItsTimerGoesWithTheStream) {
  Connect(Live(30, 100));
  stream_->Abort();
  Sleep(absl::Seconds(1000));
  Connect(Live(30, 100));
  stream_.reset();
  Sleep(absl::Seconds(1000));
  Connect(Live(30, 100));
  FromPeer(FromClient().Close(1000));
  auto lower = stream_->Detach(1000, "", kNow);
  ASSERT_THAT(lower, IsOk());
  Sleep(absl::Seconds(1000));
  FromPeer("plain");
  EXPECT_THAT((*lower)->Peek(5, kNow), IsOk());
}

// ---- Idleness -----------------------------------------------------------------------------------

Options Idle(int seconds) {
  Options options;
  options.idle_time_max = absl::Seconds(seconds);
  return options;
}

const std::string kIdleClose = FromServer().Close(1001, "no message within idle_time_max");

TEST_F(StreamControlTest, AConnectionWithoutMessagesIsClosed) {
  Connect(Idle(60));
  ReceiveAll();
  Sleep(absl::Milliseconds(59'999));
  EXPECT_EQ(ToPeer(), "");
  Sleep(absl::Milliseconds(1));
  EXPECT_EQ(ToPeer(), kIdleClose);
  EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(EPIPE));
  FromPeer(FromClient().Text("crossed").Close(1001));
  Sleep(absl::Seconds(100));
  EXPECT_EQ(received_, std::vector<std::string>({"crossed", "closed"}));
  EXPECT_EQ(stream_->failure(), 0);
}

TEST_F(StreamControlTest, MessagesKeepAConnectionAndPingsDoNot) {
  Connect(Idle(60));
  ReceiveAll();
  for (int i = 0; i < 10; ++i) {
    Sleep(absl::Seconds(59));
    FromPeer(FromClient().Text("x"));
    Sleep(absl::Seconds(59));
    ASSERT_THAT(stream_->SendText("x", kNow), IsOk());
    static_cast<void>(ToPeer());
  }
  for (int i = 0; i < 59; ++i) {
    Sleep(absl::Seconds(1));
    FromPeer(FromClient().Ping("p"));
  }
  Sleep(absl::Milliseconds(999));
  static_cast<void>(ToPeer());
  Sleep(absl::Milliseconds(1));
  EXPECT_EQ(ToPeer(), kIdleClose);
}

TEST_F(StreamControlTest, AMessageUnderWayIsNoIdleness) {
  Connect(Idle(60));
  ReceiveAll();
  FromPeer(FromClient().Header(0x82, 20).str());
  for (int i = 0; i < 20; ++i) {
    Sleep(absl::Seconds(50));
    FromPeer("x");
  }
  Sleep(absl::Seconds(50));
  EXPECT_EQ(received_.size(), 1u);
  EXPECT_EQ(ToPeer(), "");
  // Nor is one that is being sent, or that nobody has taken.
  MessageWriter writer(stream_.get(), MessageType::kText);
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(writer.Write(AsBytes("x"), kNow), IsOk());
    Sleep(absl::Seconds(50));
  }
  ASSERT_THAT(writer.Finish(kNow), IsOk());
  Connect(Idle(60));
  FromPeer(FromClient().Text("not read"));
  Sleep(absl::Seconds(500));
  EXPECT_EQ(ToPeer(), "");
}

TEST_F(StreamControlTest, ASendThatTakesItsTimeIsNoIdleness) {
  PairOptions pair;
  pair.capacity_bytes = 100;
  Connect(Idle(60), pair);
  const std::string text(1000, 'x');
  absl::Status sent = ErrnoStatus(EAGAIN, "not yet");
  ASSERT_THAT(bundle_.Go([&] { sent = stream_->SendText(text, kNever); }), IsOk());
  std::string heard;
  for (int i = 0; i < 20 && !sent.ok(); ++i) {
    Sleep(absl::Seconds(50));
    heard += ToPeer();
  }
  EXPECT_THAT(sent, IsOk());
  heard += ToPeer();
  EXPECT_EQ(heard, FromServer().Text(text).str());
}

// A send that finds no room says nothing to the peer.
TEST_F(StreamControlTest, ASendThatFailsIsIdleness) {
  PairOptions pair;
  pair.capacity_bytes = 10;
  Options options = Idle(60);
  options.close_time_max = absl::Seconds(5);
  Connect(options, pair);
  ASSERT_THAT(stream_->SendText("12345678", kNow), IsOk());
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(stream_->failure(), 0);
    EXPECT_FALSE(stream_->SendText("x", kNow).ok());
    Sleep(absl::Seconds(10));
  }
  EXPECT_EQ(stream_->failure(), ECONNRESET);
}

TEST_F(StreamControlTest, ACloseForIdlenessIsNotWaitedForForEver) {
  Options options = Idle(60);
  options.close_time_max = absl::Seconds(5);
  Connect(options);
  ReceiveAll();
  Sleep(absl::Milliseconds(64'999));
  EXPECT_TRUE(received_.empty());
  Sleep(absl::Milliseconds(2));
  EXPECT_EQ(
      received_,
      std::vector<std::string>({absl::StrCat(
          "errno ", ECONNRESET, ": the peer has not answered a Close within close_time_max")}));
  EXPECT_EQ(ended_at_, 65'000);
}

// ---- Closing ------------------------------------------------------------------------------------

TEST_F(StreamControlTest, CloseIsBoundedWhateverItsDeadline) {
  Options options;
  options.close_time_max = absl::Seconds(5);
  for (const Deadline deadline : {kNever, In(100)}) {
    Connect(options);
    EXPECT_THAT(stream_->Close(1000, "", deadline), IsErrno(ETIMEDOUT));
    EXPECT_EQ(Elapsed(), 5'000);
    EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(EBADF));
  }
  // A shorter one counts.
  Connect(options);
  EXPECT_THAT(stream_->Close(1000, "", In(2)), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Elapsed(), 2'000);
  // A peer that answers, but does not end its stream; one that has no room.
  Connect(options);
  FromPeer(FromClient().Close(1000));
  EXPECT_THAT(stream_->Close(1000, "", kNever), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Elapsed(), 5'000);
  Connect(options, {.capacity_bytes = 100});
  while (stream_->SendText("filler", kNow).ok()) {
  }
  EXPECT_THAT(stream_->Close(1000, "", kNever), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Elapsed(), 5'000);
}

TEST_F(StreamControlTest, CloseIsOrderlyWithAPeerThatIsThere) {
  Connect();
  ASSERT_THAT(bundle_.Go([this] {
    Sleep(absl::Seconds(3));
    EXPECT_EQ(ToPeer(), FromServer().Close(1000, "bye").str());
    FromPeer(FromClient().Text("late").Close(1000));
    Sleep(absl::Seconds(3));
    ASSERT_THAT(peer_->Done(kNow), IsOk());
  }),
              IsOk());
  EXPECT_THAT(stream_->Close(1000, "bye", kNever), IsOk());
  EXPECT_EQ(Elapsed(), 6'000);
}

// RFC 6455 section 7.1.1: the server ends the connection below, so that it has to remember it and not
// the client. A client waits for that, but not for ever.
TEST_F(StreamControlTest, AClientLetsTheServerEndTheConnection) {
  struct Case {
    int peer_ends_at;  // milliseconds behind its Close; -1 once we have
    int we_end_at;     // as the peer sees it
    int closed_at;
  };
  for (const Case& wanted :
       {Case{0, 0, 0}, Case{999, 999, 999}, Case{-1, 1000, 1000}, Case{3000, 1000, 3000}}) {
    SCOPED_TRACE(wanted.peer_ends_at);
    Options options;
    options.role = Role::kClient;
    Connect(options);
    FromPeer(FromServer().Text("late").Close(1000));
    int64_t we_ended_at = -1;
    ASSERT_THAT(bundle_.Go([&] {
      const auto close = peer_->Peek(8, kNever);
      ASSERT_THAT(close, IsOk());
      peer_->Consume(close->size());
      const auto end = peer_->Peek(1, kNever);
      ASSERT_THAT(end, IsOk());
      EXPECT_TRUE(end->empty());
      we_ended_at = Elapsed();
      if (wanted.peer_ends_at < 0) {
        EXPECT_THAT(peer_->Done(kNow), IsOk());
      }
    }),
                IsOk());
    ASSERT_THAT(bundle_.Go([&] {
      if (wanted.peer_ends_at < 0) return;
      Sleep(absl::Milliseconds(wanted.peer_ends_at));
      EXPECT_THAT(peer_->Done(kNow), IsOk());
    }),
                IsOk());
    EXPECT_THAT(stream_->Close(1000, "", kNever), IsOk());
    EXPECT_EQ(Elapsed(), wanted.closed_at);
    EXPECT_EQ(bundle_.Wait(In(1)), 0);
    EXPECT_EQ(we_ended_at, wanted.we_end_at);
  }
}

// A server that has ended its stream in order and is gone since has lost nothing of ours.
TEST_F(StreamControlTest, AServerMayBeGoneBehindItsEnd) {
  Options options;
  options.role = Role::kClient;
  Connect(options);
  FromPeer(FromServer().Close(1000));
  ASSERT_THAT(bundle_.Go([&] {
    const auto close = peer_->Peek(8, kNever);
    ASSERT_THAT(close, IsOk());
    peer_->Consume(close->size());
    EXPECT_THAT(peer_->Done(kNow), IsOk());
    peer_->Abort();
  }),
              IsOk());
  EXPECT_THAT(stream_->Close(1000, "", kNever), IsOk());
  EXPECT_EQ(Elapsed(), 0);
}

// It waits for the peer's Close, for the server's end and, a second later, for that behind ours.
TEST_F(StreamControlTest, EachWaitOfACloseMayBeTheLast) {
  Options options;
  options.role = Role::kClient;
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
      fault.set_except(runtime_.current());
      Connect(options);
      int result = -1;
      ASSERT_THAT(bundle_.Go([&] {
        fault.set_only(runtime_.current());
        result = StatusErrno(stream_->Close(1000, "", kNever));
      }),
                  IsOk());
      ASSERT_THAT(bundle_.Go([&] {
        const auto close = peer_->Peek(8, kNever);
        ASSERT_THAT(close, IsOk());
        peer_->Consume(close->size());
        const std::string answer = FromServer().Close(1000);
        const IoSlice slice(answer);  // who has gone does not get it
        static_cast<void>(peer_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, kNow));
        const auto end = peer_->Peek(1, kNever);
        if (end.ok() && end->empty()) static_cast<void>(peer_->Done(kNow));
      }),
                  IsOk());
      EXPECT_EQ(bundle_.Wait(kNever), 0);
      // The end of the second that the server has is no failure.
      EXPECT_TRUE(result == 0 || (fault.hit() && result == error)) << result;
      EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(EBADF));
    });
    EXPECT_EQ(waits, 3);
  }
}

// Where the end is not in order, and as a server, it is not waited for.
TEST_F(StreamControlTest, WhoEndsTheConnectionAtOnce) {
  for (const bool client : {false, true}) {
    Options options;
    options.role = client ? Role::kClient : Role::kServer;
    Connect(options);
    FromPeer(client ? FromServer().Frame({.first_byte = 0x83, .payload = "a breach"})
                    : FromClient().Close(1000));
    ASSERT_THAT(bundle_.Go([&] {
      for (;;) {
        const auto bytes = peer_->Peek(1, kNever);
        ASSERT_THAT(bytes, IsOk());
        if (bytes->empty()) break;
        peer_->Consume(bytes->size());
      }
      EXPECT_EQ(Elapsed(), 0);
      EXPECT_THAT(peer_->Done(kNow), IsOk());
    }),
                IsOk());
    const absl::Status closed = stream_->Close(1000, "", kNever);
    EXPECT_EQ(StatusErrno(closed), client ? EPROTO : 0) << closed;
    EXPECT_EQ(Elapsed(), 0);
    EXPECT_EQ(bundle_.Wait(In(1)), 0);
  }
  // Nor is it for longer than there is time.
  Options options;
  options.role = Role::kClient;
  Connect(options);
  FromPeer(FromServer().Close(1000));
  EXPECT_THAT(stream_->Close(1000, "", Deadline::In(absl::Milliseconds(400))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Elapsed(), 400);
}

// Its abrupt twin.
TEST_F(StreamControlTest, AbortNeverWaits) {
  Connect({}, {.capacity_bytes = 100});
  while (stream_->SendText("filler", kNow).ok()) {
  }
  stream_->Abort();
  EXPECT_EQ(Elapsed(), 0);
  EXPECT_THAT(stream_->Close(1000, "", kNever), IsErrno(EBADF));
  Connect();
  stream_->Abort();
  EXPECT_EQ(ToPeer(), FromServer().Close(1001).str());
  EXPECT_EQ(Elapsed(), 0);
}

// A half-close may last: the peer is there, and says so.
TEST_F(StreamControlTest, HalfCloseForAMinuteAgainstAPeerThatPings) {
  for (const bool watched : {false, true}) {
    Connect(watched ? Live(10, 20) : Options());
    received_.clear();
    ReceiveAll();
    ASSERT_THAT(stream_->Done(1000, "", kNow), IsOk());
    EXPECT_EQ(ToPeer(), FromServer().Close(1000).str());
    for (int i = 0; i < 60; ++i) {
      FromPeer(FromClient().Ping(absl::StrCat(i)));
      Sleep(absl::Seconds(1));
      EXPECT_EQ(ToPeer(), FromServer().Pong(absl::StrCat(i)).str());
    }
    EXPECT_TRUE(received_.empty());
    FromPeer(FromClient().Text("still here").Close(1000));
    Sleep(absl::Seconds(1));
    EXPECT_EQ(received_, std::vector<std::string>({"still here", "closed"}));
  }
}

// The answer to the first of two messages does not wait for the second to be dealt with.
TEST_F(StreamControlTest, AnAnswerLeavesBeforeAHandlerSleeps) {
  Connect();
  FromPeer(FromClient().Text("one").Text("two"));
  ASSERT_THAT(bundle_.Go([this] {
    for (int i = 0; i < 2; ++i) {
      auto message = stream_->ReceiveView(kNever);
      ASSERT_THAT(message, IsOk());
      ASSERT_THAT(stream_->SendText((*message)->text(), kNever), IsOk());
      Sleep(absl::Seconds(10));
    }
  }),
              IsOk());
  Sleep(absl::Milliseconds(10));
  EXPECT_EQ(ToPeer(), FromServer().Text("one").str());
  Sleep(absl::Seconds(10));
  EXPECT_EQ(ToPeer(), FromServer().Text("two").str());
  EXPECT_EQ(bundle_.Wait(kNever), 0);
}

}  // namespace
}  // namespace halfpipe::websocket
