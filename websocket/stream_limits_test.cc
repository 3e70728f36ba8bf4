// Every limit of websocket::Options at one less, itself and one more.
//
// Elsewhere: what deflate bounds (stream_deflate_test.cc), messages in parts (stream_parts_test.cc),
// bounds in time (stream_control_test.cc).

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/protocol_error_status.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();
constexpr auto kMore = WireBuilder::kMore;

class StreamLimitsTest : public testing::Test {
 protected:
  // A server that is sent `wire`, which it is to receive, or to refuse with `code` and `reason`.
  void Expect(const Options& options, const std::string& wire, bool good, uint16_t code,
              const std::string& reason) {
    using Receive = std::function<absl::Status(Stream*)>;
    std::string room(100'000, '\0');
    const IoSpan list(room.data(), room.size());
    const Receive receives[] = {
        [](Stream* stream) { return stream->ReceiveView(kNever).status(); },
        [&](Stream* stream) {
          return stream->Receive(absl::MakeConstSpan(&list, 1), kNever).status();
        },
        [](Stream* stream) { return stream->Discard(kNever).status(); },
        [](Stream* stream) {
          for (;;) {
            auto part = stream->ReceivePartView(kNever);
            if (!part.ok() || (*part)->last) return part.status();
          }
        },
    };
    for (const Receive& receive : receives) {
      ScriptedBytestreamPtr script = MakeScripted(&runtime_);
      script->Deliver(wire).ExpectWrite(good ? FromServer().Close(1001).str()
                                             : FromServer().Close(code, reason).str());
      Stream stream(&runtime_, BytestreamPtr(script.release()), options);
      const absl::Status status = receive(&stream);
      if (good) {
        EXPECT_THAT(status, IsOk());
      } else {
        EXPECT_THAT(status, IsErrno(EPROTO));
        EXPECT_EQ(status.message(), reason);
        EXPECT_EQ(CloseCodeOf(status), code);
        EXPECT_EQ(stream.failure(), EPROTO);
      }
    }
  }

  SimRuntime runtime_;
};

TEST_F(StreamLimitsTest, MessageBytesMax) {
  Options options;
  options.message_bytes_max = 1000;
  for (const int more : {-1, 0, 1}) {
    SCOPED_TRACE(more);
    const size_t size = static_cast<size_t>(1000 + more);
    const auto expect = [&](const std::string& wire) {
      Expect(options, wire, more <= 0, 1009, "message exceeds message_bytes_max");
    };
    expect(FromClient().Binary(std::string(size, 'x')));
    expect(FromClient()
               .Binary(std::string(400, 'x'), kMore)
               .Continuation(std::string(size - 400, 'x')));
  }
}

TEST_F(StreamLimitsTest, FrameBytesMax) {
  Options options;
  options.frame_bytes_max = 1000;
  for (const int more : {-1, 0, 1}) {
    const std::string text(static_cast<size_t>(1000 + more), 'x');
    const std::string why = "frame exceeds frame_bytes_max";
    Expect(options, FromClient().Binary(text), more <= 0, 1009, why);
    Expect(options, FromClient().Binary("x", kMore).Continuation(text), more <= 0, 1009, why);
  }
}

TEST_F(StreamLimitsTest, FragmentsPerMessageMax) {
  for (const uint64_t max : {uint64_t{1}, uint64_t{2}, uint64_t{100}}) {
    Options options;
    options.fragments_per_message_max = max;
    for (const int more : {-1, 0, 1}) {
      const int64_t count = static_cast<int64_t>(max) + more;
      if (count < 1) continue;
      for (const std::string& payload : {std::string(), std::string("x")}) {
        WireBuilder wire = FromClient();
        wire.Binary(payload, count == 1 ? WireBuilder::kLast : kMore);
        for (int64_t i = 2; i <= count; ++i) {
          wire.Continuation(payload, i == count ? WireBuilder::kLast : kMore);
        }
        Expect(options, wire, more <= 0, 1008, "message exceeds fragments_per_message_max");
      }
    }
  }
  // Of each message: the next one begins from nothing. And none at all.
  Options options;
  options.fragments_per_message_max = 2;
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  const std::string two = FromClient().Binary("", kMore).Continuation("");
  script->Deliver(two + two + two).ExpectWrite(FromServer().Close(1001).str());
  Stream stream(&runtime_, BytestreamPtr(script.release()), options);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(stream.ReceiveView(kNever), IsOk());
  options.fragments_per_message_max = 0;
  WireBuilder wire = FromClient();
  wire.Binary("", kMore);
  for (int i = 0; i < 70'000; ++i) wire.Continuation("", kMore);
  Expect(options, wire.Continuation("x"), /*good=*/true, 0, "");
}

TEST_F(StreamLimitsTest, FragmentsOfTheDefault) {
  for (const int more : {0, 1}) {
    WireBuilder wire = FromClient();
    wire.Binary("", kMore);
    for (int i = 2; i < 65'536 + more; ++i) wire.Continuation("", kMore);
    Expect({}, wire.Continuation(""), more == 0, 1008, "message exceeds fragments_per_message_max");
  }
}

TEST_F(StreamLimitsTest, ControlFramesPerSecondMax) {
  for (const bool pong : {false, true}) {
    for (const int more : {-1, 0, 1}) {
      SCOPED_TRACE(testing::Message() << pong << more);
      Options options;
      options.control_frames_per_second_max = 10;
      auto [peer, lower] = MakePair(&runtime_);
      Stream stream(&runtime_, std::move(lower), options);
      const auto flood = [&, peer = peer.get()](int count) {
        WireBuilder wire = FromClient();
        for (int i = 0; i < count; ++i) {
          if (pong) {
            wire.Pong("p");
          } else {
            wire.Ping("p");
          }
        }
        const IoSlice slice(wire.str());
        ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsOk());
        EXPECT_THAT(stream.ReceiveView(kNow), IsErrno(count <= 10 ? ETIMEDOUT : EPROTO));
      };
      // The bound is a second's: full, it is empty again when the second has passed.
      flood(10);
      ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
      flood(10 + more);
      EXPECT_EQ(stream.failure(), more <= 0 ? 0 : EPROTO);
      if (more > 0) {
        auto heard = peer->Peek(1, kNow);
        ASSERT_THAT(heard, IsOk());
        const std::string close =
            FromServer().Close(1008, "more than control_frames_per_second_max pings and pongs");
        EXPECT_EQ(std::string(AsChars(*heard)).substr(heard->size() - close.size()), close);
      }
    }
  }
}

TEST_F(StreamLimitsTest, ControlFramesJustWithinASecond) {
  Options options;
  options.control_frames_per_second_max = 2;
  for (const int64_t nanos : {999'999'999, 1'000'000'000}) {
    auto [peer, lower] = MakePair(&runtime_);
    Stream stream(&runtime_, std::move(lower), options);
    const auto ping = [&, peer = peer.get()](int error) {
      const std::string wire = FromClient().Ping("p");
      const IoSlice slice(wire);
      ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsOk());
      EXPECT_THAT(stream.ReceiveView(kNow), IsErrno(error));
    };
    ping(ETIMEDOUT);
    ping(ETIMEDOUT);
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Nanoseconds(nanos))), 0);
    ping(nanos < 1'000'000'000 ? EPROTO : ETIMEDOUT);
  }
}

TEST_F(StreamLimitsTest, NoControlFramesPerSecondMax) {
  Options options;
  options.control_frames_per_second_max = 0;
  auto [peer, lower] = MakePair(&runtime_, {.capacity_bytes = 1'000'000});
  Stream stream(&runtime_, std::move(lower), options);
  std::string wire;
  for (int i = 0; i < 20'000; ++i) wire += FromClient().Pong("").str();
  const IoSlice slice(wire);
  ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsOk());
  EXPECT_THAT(stream.ReceiveView(kNow), IsErrno(ETIMEDOUT));
  EXPECT_EQ(stream.failure(), 0);
}

TEST_F(StreamLimitsTest, SendFrameBytesMax) {
  Options options;
  options.send_frame_bytes_max = 1000;
  for (const int more : {-1, 0, 1}) {
    const std::string text(static_cast<size_t>(1000 + more), 'x');
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script
        ->ExpectWrite(more <= 0 ? FromServer().Text(text).str()
                                : FromServer().Text(text.substr(1), kMore).Continuation("x").str())
        .ExpectWrite(FromServer().Close(1001).str());
    Stream stream(&runtime_, BytestreamPtr(script.release()), options);
    EXPECT_THAT(stream.SendText(text, kNever), IsOk());
  }
}

// The bound of what an interrupted send may leave behind is the lower stream's.
TEST_F(StreamLimitsTest, SendTailBytesMax) {
  for (const int more : {-1, 0, 1}) {
    auto [peer, lower] = MakePair(&runtime_, {.capacity_bytes = 100, .send_tail_bytes_max = 1000});
    Stream stream(&runtime_, std::move(lower), {});
    const std::string text(static_cast<size_t>(100 + 1000 - 4 + more), 'x');
    const absl::Status status = stream.SendText(text, kNow);
    if (more <= 0) {
      EXPECT_THAT(status, IsOk());
      EXPECT_EQ(stream.lower()->tail_size(), static_cast<size_t>(1000 + more));
    } else {
      EXPECT_THAT(status, IsErrno(ECONNRESET));
    }
  }
}

TEST_F(StreamLimitsTest, CompressBytesMin) {
  for (const int more : {-1, 0, 1}) {
    Options options;
    options.deflate_params = DeflateParams();
    options.deflate.compress_bytes_min = 100;
    auto [peer, lower] = MakePair(&runtime_);
    Stream stream(&runtime_, std::move(lower), options);
    ASSERT_THAT(stream.SendText(std::string(static_cast<size_t>(100 + more), 'x'), kNow), IsOk());
    auto wire = peer->Peek(2, kNow);
    ASSERT_THAT(wire, IsOk());
    EXPECT_EQ(((*wire)[0] & kRsv1) != 0, more >= 0);
  }
}

// A length is believed only as far as bytes have come: no memory for what is announced.
TEST_F(StreamLimitsTest, NoMemoryBeforeBytesCome) {
  Options options;
  options.message_bytes_max = uint64_t{1} << 40;
  auto [peer, lower] = MakePair(&runtime_);
  Stream stream(&runtime_, std::move(lower), options);
  const std::string wire = FromClient().Header(0x82, uint64_t{1} << 40).Raw("x");
  const IoSlice slice(wire);
  ASSERT_THAT(peer->Write(absl::MakeConstSpan(&slice, 1), false, kNow), IsOk());
  EXPECT_THAT(stream.ReceiveView(kNow), IsErrno(ETIMEDOUT));
}

// ---- Ranges -------------------------------------------------------------------------------------

TEST(OptionsTest, TheDefaultsAreValid) {
  EXPECT_TRUE(IsValid(Options()));
  static_assert(IsValid(DeflateOptions()));
}

TEST(OptionsTest, RangesAreChecked) {
  const auto valid = [](const std::function<void(Options*)>& change) {
    Options options;
    options.deflate_params = DeflateParams();
    change(&options);
    return IsValid(options);
  };
  const absl::Duration tick = absl::Nanoseconds(1);
  EXPECT_TRUE(valid([](Options* o) { o->message_bytes_max = 0; }));
  EXPECT_TRUE(valid([](Options* o) { o->message_bytes_max = kMaxFramePayload; }));
  EXPECT_FALSE(valid([](Options* o) { o->message_bytes_max = kMaxFramePayload + 1; }));
  EXPECT_TRUE(valid([](Options* o) { o->streamed_message_bytes_max = 0; }));
  EXPECT_TRUE(valid([](Options* o) { o->streamed_message_bytes_max = kMaxFramePayload; }));
  EXPECT_FALSE(valid([](Options* o) { o->streamed_message_bytes_max = kMaxFramePayload + 1; }));
  EXPECT_FALSE(valid([](Options* o) { o->send_frame_bytes_max = 0; }));
  EXPECT_TRUE(valid([](Options* o) { o->send_frame_bytes_max = 1; }));
  EXPECT_TRUE(valid([](Options* o) { o->fragments_per_message_max = 0; }));
  EXPECT_TRUE(valid([](Options* o) { o->control_frames_per_second_max = 0; }));
  for (absl::Duration Options::*const field : {&Options::ping_after_idle, &Options::dead_after,
                                               &Options::idle_time_max, &Options::close_time_max}) {
    EXPECT_FALSE(valid([&](Options* o) { o->*field = -tick; }));
    EXPECT_FALSE(valid([&](Options* o) { o->*field = absl::ZeroDuration(); }));
    EXPECT_TRUE(valid([&](Options* o) { o->*field = tick; }));
    EXPECT_TRUE(valid([&](Options* o) { o->*field = absl::InfiniteDuration(); }));
  }
  // Nobody is given up before he was asked.
  for (const int more : {-1, 0, 1}) {
    EXPECT_EQ(valid([&](Options* o) {
                o->ping_after_idle = absl::Seconds(10);
                o->dead_after = absl::Seconds(10) + more * tick;
              }),
              more > 0);
  }
  EXPECT_FALSE(valid([](Options* o) { o->entropy = nullptr; }));
  // What deflate is told counts where it is agreed on.
  EXPECT_FALSE(valid([](Options* o) { o->deflate.level = 10; }));
  EXPECT_TRUE(valid([](Options* o) {
    o->deflate.level = 10;
    o->deflate_params = std::nullopt;
  }));
  for (const int bits : {7, 8, 15, 16}) {
    const bool good = bits >= 8 && bits <= 15;
    EXPECT_EQ(valid([&](Options* o) { o->deflate.server_max_window_bits = bits; }), good);
    EXPECT_EQ(valid([&](Options* o) { o->deflate.client_max_window_bits = bits; }), good);
  }
  for (const int level : {0, 1, 9, 10}) {
    EXPECT_EQ(valid([&](Options* o) { o->deflate.mem_level = level; }), level >= 1 && level <= 9);
  }
}

TEST(OptionsDeathTest, AStreamTakesNoInvalidOnes) {
  Runtime runtime;
  auto [a, b] = MakePair(&runtime);
  BytestreamPtr lower = std::move(a);
  Options options;
  options.send_frame_bytes_max = 0;
  EXPECT_DEATH(Stream(&runtime, std::move(lower), options), "IsValid");
}

}  // namespace
}  // namespace halfpipe::websocket
