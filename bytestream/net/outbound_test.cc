#include "bytestream/net/outbound.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// Takes `room` bytes, then blocks; a wait comes to `wait_result`.
class FakeSink final : public OutboundSink {
 public:
  IoResult SendSome(absl::Span<const iovec> pieces, Deadline deadline) override {
    EXPECT_FALSE(pieces.empty());
    largest_piece_count = std::max(largest_piece_count, pieces.size());
    if (error != 0) return {0, error};
    if (room == 0) {
      if (!deadline.is_immediate() && on_wait) on_wait();
      return {0, deadline.is_immediate() ? ETIMEDOUT : wait_result};
    }
    size_t count = 0;
    for (const iovec& piece : pieces) {
      EXPECT_GT(piece.iov_len, 0u);
      const size_t part = std::min(piece.iov_len, std::min(room, per_send - count));
      sent.append(static_cast<const char*>(piece.iov_base), part);
      count += part;
      room -= part;
    }
    ++sends;
    return {count, 0};
  }
  bool CanSend() override { return room > 0 || error != 0; }
  bool AwaitWritable() override {
    awaited = can_await;
    return can_await;
  }
  int SendEnd() override {
    ended = end_result == 0;
    return end_result;
  }
  void Reset() override {
    reset = true;
    outbound->Fail(ECONNRESET);
  }

  Outbound* outbound = nullptr;
  std::string sent;
  size_t room = kNoLimit;
  size_t per_send = kNoLimit;
  int wait_result = ETIMEDOUT;
  int error = 0;
  int end_result = 0;
  bool can_await = true;
  bool awaited = false;
  bool ended = false;
  bool reset = false;
  int sends = 0;
  size_t largest_piece_count = 0;
  std::function<void()> on_wait;
};

class OutboundTest : public testing::Test {
 protected:
  OutboundTest() { sink.outbound = &outbound; }

  int Write(absl::string_view text, bool more = false, Deadline deadline = Deadline::Never()) {
    const IoSlice slice(text);
    return StatusErrno(outbound.Write({&slice, 1}, more, deadline));
  }
  int WriteTail(absl::string_view text) {
    const IoSlice slice(text);
    return StatusErrno(outbound.WriteTail({&slice, 1}));
  }

  static constexpr size_t kBound = 100;

  Runtime runtime;
  FakeSink sink;
  Outbound outbound{&runtime, &sink, kBound};
  Bundle bundle{&runtime};
};

// However much the sink takes before the wait ends: nothing sent is the error, anything sent is
// success, and the bytes arrive once.
TEST_F(OutboundTest, InterruptedWriteIsAllOrNothing) {
  const std::string text = "abcdefghijklmnopqrstuvwxyz";
  for (const int reason : {ETIMEDOUT, ECANCELED, EMFILE}) {
    for (size_t room = 0; room <= text.size(); ++room) {
      for (const size_t per_send : {size_t{1}, size_t{5}, kNoLimit}) {
        FakeSink own_sink;
        Outbound own(&runtime, &own_sink, kBound);
        own_sink.outbound = &own;
        own_sink.room = room;
        own_sink.per_send = per_send;
        own_sink.wait_result = reason;
        std::vector<IoSlice> slices;
        for (size_t i = 0; i < text.size(); i += 2) slices.emplace_back(text.data() + i, 2);
        const int error = StatusErrno(own.Write(slices, false, Deadline::Never()));
        EXPECT_EQ(error, room == 0 ? reason : 0);
        EXPECT_FALSE(own.busy());
        EXPECT_EQ(own.tail_size(), room == 0 ? 0 : text.size() - room);
        EXPECT_EQ(own.pending(), own.tail_size() > 0);
        own_sink.room = kNoLimit;
        own.OnWritable();
        EXPECT_EQ(own_sink.sent, room == 0 ? "" : text);
        EXPECT_EQ(own.bytes_sent(), own_sink.sent.size());
        EXPECT_LE(own_sink.largest_piece_count, 8u);
      }
    }
  }
}

// The same with bytes that are held in front.
TEST_F(OutboundTest, InterruptedWriteKeepsWhatWasHeld) {
  for (size_t room = 0; room <= 8; ++room) {
    FakeSink own_sink;
    Outbound own(&runtime, &own_sink, kBound);
    own_sink.outbound = &own;
    own_sink.room = room;
    const IoSlice held("held");
    const IoSlice next("next");
    EXPECT_TRUE(own.Write({&held, 1}, true, Deadline::Never()).ok());
    const int error = StatusErrno(own.Write({&next, 1}, false, Deadline::Never()));
    EXPECT_EQ(error, room <= 4 ? ETIMEDOUT : 0);
    own_sink.room = kNoLimit;
    own.OnWritable();
    EXPECT_EQ(own_sink.sent, room <= 4 ? "held" : "heldnext");
    EXPECT_FALSE(own.pending());
  }
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST_F(OutboundTest, HeldBytesAndNextWriteAreOneSend) {
  EXPECT_EQ(Write("a", true), 0);
  EXPECT_EQ(Write("b", true), 0);
  EXPECT_TRUE(outbound.pending());
  EXPECT_EQ(Write("c"), 0);
  EXPECT_EQ(sink.sent, "abc");
  EXPECT_EQ(sink.sends, 1);
}

TEST_F(OutboundTest, HeldBytesNeverExceedTheBound) {
  sink.room = 0;
  EXPECT_EQ(Write(std::string(kBound - 1, 'h'), true), 0);
  EXPECT_EQ(Write("x", true, Deadline::Immediately()), ETIMEDOUT);
  EXPECT_EQ(outbound.tail_size(), kBound - 1);
  EXPECT_FALSE(sink.reset);
}

TEST_F(OutboundTest, TailBoundIsExact) {
  sink.room = 1;
  EXPECT_EQ(Write(std::string(1 + kBound, 'x')), 0);
  EXPECT_EQ(outbound.tail_size(), kBound);
  EXPECT_EQ(WriteTail(""), 0);
  EXPECT_EQ(WriteTail("y"), ECONNRESET);
  EXPECT_TRUE(sink.reset);
  EXPECT_EQ(outbound.tail_size(), 0u);
  EXPECT_EQ(Write("z"), ECONNRESET);
}

TEST_F(OutboundTest, TailThatNobodyWouldDrainResets) {
  sink.room = 1;
  sink.can_await = false;
  EXPECT_EQ(Write("xy"), ECONNRESET);
  EXPECT_TRUE(sink.reset);
}

TEST_F(OutboundTest, ErrorsOfTheSinkStay) {
  for (const auto& [error, expected] : std::vector<std::pair<int, int>>{
           {EPIPE, ECONNRESET}, {ECONNRESET, ECONNRESET}, {EHOSTUNREACH, EHOSTUNREACH}}) {
    FakeSink own_sink;
    Outbound own(&runtime, &own_sink, kBound);
    own_sink.outbound = &own;
    own_sink.error = error;
    const IoSlice slice("x");
    EXPECT_EQ(StatusErrno(own.Write({&slice, 1}, false, Deadline::Never())), expected);
    own_sink.error = 0;
    EXPECT_EQ(StatusErrno(own.Write({&slice, 1}, false, Deadline::Never())), expected);
    EXPECT_EQ(StatusErrno(own.WriteTail({&slice, 1})), expected);
    EXPECT_EQ(StatusErrno(own.Flush(Deadline::Never())), expected);
    EXPECT_EQ(StatusErrno(own.Done(Deadline::Never())), expected);
    EXPECT_EQ(own_sink.sent, "");
  }
}

TEST_F(OutboundTest, DoneThatFailsIsAReset) {
  sink.end_result = ENOTCONN;
  EXPECT_EQ(StatusErrno(outbound.Done(Deadline::Never())), ECONNRESET);
  EXPECT_FALSE(outbound.done());
}

TEST_F(OutboundTest, DoneSendsWhatIsHeldFirst) {
  EXPECT_EQ(Write("held", true), 0);
  sink.room = 2;
  EXPECT_EQ(StatusErrno(outbound.Done(Deadline::Immediately())), ETIMEDOUT);
  EXPECT_FALSE(sink.ended);
  sink.room = kNoLimit;
  // The tail has room now, and an expired deadline does what needs no waiting.
  EXPECT_EQ(StatusErrno(outbound.Done(Deadline::Immediately())), 0);
  EXPECT_EQ(sink.sent, "held");
  EXPECT_TRUE(sink.ended);
}

TEST_F(OutboundTest, AbortDuringASendEndsItAndFreesWhatWasHeld) {
  EXPECT_EQ(Write("held", true), 0);
  sink.room = 2;
  sink.wait_result = EBADF;
  sink.on_wait = [&] {
    EXPECT_TRUE(outbound.pending());
    EXPECT_EQ(Write("other"), EBUSY);
    EXPECT_EQ(WriteTail("other"), EBUSY);
    outbound.ReleaseHeld();
    outbound.Fail(EBADF);
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 1u);  // the send still has it
  };
  EXPECT_EQ(Write("next"), EBADF);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  EXPECT_EQ(sink.sent, "he");
}

TEST_F(OutboundTest, SpuriousWakeUpsDoNotCallBack) {
  sink.room = 0;
  int calls = 0;
  outbound.WhenWritable([&] { ++calls; });
  EXPECT_TRUE(sink.awaited);
  sink.awaited = false;
  outbound.OnWritable();
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(sink.awaited);
  sink.room = 1;
  outbound.OnWritable();
  outbound.OnWritable();
  EXPECT_EQ(calls, 1);
}

TEST_F(OutboundTest, FailureCallsBackBeforeTheNextPollAndAbortNever) {
  sink.room = 0;
  int calls = 0;
  outbound.WhenWritable([&] { ++calls; });
  outbound.Fail(ECONNRESET);
  EXPECT_EQ(calls, 0);
  for (int i = 0; i < 2 * Runtime::kSwitchesPerPoll; ++i) EXPECT_EQ(runtime.Yield(), 0);
  EXPECT_EQ(calls, 1);
  outbound.WhenWritable([&] { calls += 10; });  // at once
  EXPECT_EQ(calls, 11);
  outbound.Fail(EBADF);
  EXPECT_EQ(Write("x"), EBADF);
}

}  // namespace
}  // namespace halfpipe
