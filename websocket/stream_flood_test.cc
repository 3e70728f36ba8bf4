// A peer that never stops sending: there is always something to receive, so that nothing has to be
// waited for, and the time that a call is given counts all the same.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/core/frame_header.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNow = Deadline::Immediately();

// Has the peer send more in front of each receive.
class FloodedBytestream final : public ForwardingBytestream {
 public:
  FloodedBytestream(BytestreamPtr inner, std::function<void()> more)
      : ForwardingBytestream(std::move(inner)), more_(std::move(more)) {}

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    if (min > 0) more_();
    return inner().Peek(min, deadline);
  }
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override {
    more_();
    return inner().ReadSome(dst, min, deadline);
  }

 private:
  const std::function<void()> more_;
};

class StreamFloodTest : public testing::Test {
 protected:
  // A peer that says `first` and then `again` over and over, each time within `step` of
  // simulated time, for ten minutes.
  void Flood(const Options& options, const std::string& first, const std::string& again,
             absl::Duration step = absl::Milliseconds(2)) {
    auto [peer, lower] = MakePair(&runtime_, {.capacity_bytes = 1 << 20});
    peer_ = std::move(peer);
    Say(first);
    const int64_t stop = runtime_.clock().NowNanos() + absl::ToInt64Nanoseconds(absl::Minutes(10));
    const auto more = [this, again, stop, step] {
      if (runtime_.clock().NowNanos() > stop) {
        peer_.reset();
        return;
      }
      runtime_.sim_clock().Advance(step);
      Say(again);
    };
    stream_ = std::make_unique<Stream>(
        &runtime_, BytestreamPtr(new FloodedBytestream(std::move(lower), more)), options);
    began_nanos_ = runtime_.clock().NowNanos();
  }

  void Say(const std::string& bytes) {
    if (peer_ == nullptr) return;
    const IoSlice slice(bytes);
    // It is full as long as nobody receives.
    static_cast<void>(peer_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, kNow));
  }

  absl::Duration Took() { return absl::Nanoseconds(runtime_.clock().NowNanos() - began_nanos_); }

  SimRuntime runtime_;
  BytestreamPtr peer_;
  std::unique_ptr<Stream> stream_;
  int64_t began_nanos_ = 0;
};

Options WithDeflate() {
  Options options;
  options.deflate_params = DeflateParams();
  options.deflate.inflation_ratio_max = 0;
  return options;
}

std::string Bomb(size_t size, int first_byte) {
  return FromClient().Frame({.first_byte = static_cast<uint8_t>(first_byte),
                             .payload = DeflateReference(std::string(size, 'x'))});
}

TEST_F(StreamFloodTest, CloseEndsWithinItsTime) {
  Options plain;
  plain.close_time_max = absl::Seconds(30);
  Options deflate = WithDeflate();
  deflate.close_time_max = absl::Seconds(30);
  const std::string message = FromClient().Binary(std::string(16'000, 'x'));
  Flood(plain, "", message);
  EXPECT_THAT(stream_->Close(1000, "", Deadline::Never()), IsErrno(ETIMEDOUT));
  EXPECT_GE(Took(), absl::Seconds(30));
  EXPECT_LT(Took(), absl::Minutes(1));
  EXPECT_THAT(stream_->SendText("x", kNow), IsErrno(EBADF));
  // Little to send, and much to inflate.
  Flood(deflate, "", Bomb(1 << 20, 0xc2), absl::Milliseconds(100));
  EXPECT_THAT(stream_->Close(1000, "", Deadline::Never()), IsErrno(ETIMEDOUT));
  EXPECT_LT(Took(), absl::Minutes(1));
  // Behind a breach, where nothing is looked at any more.
  Flood(plain, Bytes({0xff, 0xff}), message);
  EXPECT_THAT(stream_->ReceiveView(kNow), IsErrno(EPROTO));
  EXPECT_THAT(stream_->Close(1000, "", Deadline::Never()), IsErrno(EPROTO));
  EXPECT_LT(Took(), absl::Minutes(1));
}

TEST_F(StreamFloodTest, DetachEndsByItsDeadline) {
  Flood(Options(), "", FromClient().Binary(std::string(16'000, 'x')));
  EXPECT_THAT(stream_->Detach(1000, "", Deadline::In(absl::Seconds(30))), IsErrno(ETIMEDOUT));
  EXPECT_LT(Took(), absl::Minutes(1));
}

// One message without end: what takes it whole, or drops it.
TEST_F(StreamFloodTest, ReceivesEndByTheirDeadlines) {
  Options options;
  options.message_bytes_max = kMaxFramePayload;
  const std::string header = FromClient().Header(0x82, kMaxFramePayload);
  const IoSpan anything(nullptr, SIZE_MAX);
  char memory[10];
  const IoSpan small(memory, sizeof(memory));
  for (const bool discard : {false, true}) {
    Flood(options, header, std::string(16'000, 'x'));
    for (int i = 0; i < 3; ++i) {
      began_nanos_ = runtime_.clock().NowNanos();
      const Deadline deadline = Deadline::In(absl::Seconds(30));
      if (discard) {
        EXPECT_THAT(stream_->Discard(deadline), IsErrno(ETIMEDOUT));
      } else {
        EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&anything, 1), deadline),
                    IsErrno(ETIMEDOUT));
      }
      EXPECT_GE(Took(), absl::Seconds(30));
      EXPECT_LT(Took(), absl::Minutes(1));
    }
  }
  // What did not fit is skipped by the next one.
  Flood(options, header, std::string(16'000, 'x'));
  EXPECT_THAT(stream_->Receive(absl::MakeConstSpan(&small, 1), kNow), IsErrno(EMSGSIZE));
  EXPECT_THAT(stream_->ReceiveView(Deadline::In(absl::Seconds(30))), IsErrno(ETIMEDOUT));
  EXPECT_LT(Took(), absl::Minutes(1));
}

// The connection is given up while the receiver lets others run, behind the last fragment of a
// compressed message: that is what has failed, not what is left of the message.
TEST_F(StreamFloodTest, WhatItWasGivenUpForIsTold) {
  Options options = WithDeflate();
  options.idle_time_max = absl::Seconds(1);
  options.close_time_max = absl::Seconds(10);
  // So many that others get their turn when the last one has been taken.
  constexpr int kFragments = 128;
  WireBuilder wire = FromClient();
  wire.Frame({.first_byte = 0x41, .payload = DeflateReference("Hello")});
  for (int i = 1; i < kFragments; ++i) wire.Continuation("", WireBuilder::kMore);
  wire.Continuation("");
  int given_up = 0;
  // When a turn is the timers' depends on how many there were before.
  for (int turns = 0; turns < Runtime::kSwitchesPerPoll; ++turns) {
    auto [peer, lower] = MakePair(&runtime_);
    peer_ = std::move(peer);
    int receives = 0;
    const auto late = [&] {
      // Two are of the first frame.
      if (++receives > kFragments) runtime_.sim_clock().Advance(absl::Seconds(10));
    };
    Stream stream(&runtime_, BytestreamPtr(new FloodedBytestream(std::move(lower), late)), options);
    ASSERT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1500))), 0);
    ASSERT_TRUE(stream.close_sent());
    Say(wire);
    for (int i = 0; i < turns; ++i) ASSERT_EQ(runtime_.Yield(), 0);
    receives = 0;
    const auto message = stream.ReceiveView(Deadline::In(absl::Hours(1)));
    EXPECT_EQ(stream.failure(), message.ok() ? 0 : ECONNRESET);
    if (message.ok()) continue;
    EXPECT_THAT(message, IsErrno(ECONNRESET));
    ++given_up;
  }
  EXPECT_GT(given_up, 0);
}

// However late it is, what has come is received: as much as any buffer holds.
TEST_F(StreamFloodTest, WhatHasComeIsReceivedLate) {
  auto [peer, lower] = MakePair(&runtime_, {.capacity_bytes = 6 << 20});
  peer_ = std::move(peer);
  Stream stream(&runtime_, std::move(lower), Options());
  const std::string text(4 << 20, 'x');
  Say(FromClient().Binary(text));
  auto dropped = stream.Discard(kNow);
  ASSERT_THAT(dropped, IsOk());
  EXPECT_EQ((*dropped)->size, text.size());
  Say(FromClient().Binary(text).Binary(text.substr(0, 1 << 20)).Close(1000));
  EXPECT_THAT(stream.Detach(1000, "", kNow), IsOk());
}

// The largest message that there is by default, inflated.
TEST_F(StreamFloodTest, WhatHasComeIsInflatedLate) {
  auto [peer, lower] = MakePair(&runtime_, {.capacity_bytes = 1 << 20});
  peer_ = std::move(peer);
  const Options options = WithDeflate();
  Stream stream(&runtime_, std::move(lower), options);
  Say(Bomb(options.message_bytes_max, 0xc2));
  auto message = stream.ReceiveView(kNow);
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ((*message)->payload.size(), options.message_bytes_max);
}

}  // namespace
}  // namespace halfpipe::websocket
