#include "bytestream/net/inbound.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Gives what it was told to give, one step for each receive.
class FakeSource final : public InboundSource {
 public:
  struct Step {
    std::string bytes;
    int error = 0;      // of the receive; the end of the stream for 0 and no bytes
    bool wait = false;  // the receive would block; `error` is what the wait comes to
  };

  explicit FakeSource(Runtime* runtime) : runtime_(runtime) {}

  FakeSource& Give(const std::string& bytes) { return Add({bytes, 0, false}); }
  FakeSource& Block(int result = 0) { return Add({"", result, true}); }
  FakeSource& Error(int error) { return Add({"", error, false}); }
  FakeSource& End() { return Add({"", 0, false}); }

  IoResult ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) override {
    EXPECT_TRUE(deadline.is_immediate());
    EXPECT_FALSE(pieces.empty());
    largest_piece_count = std::max(largest_piece_count, pieces.size());
    if (endless) return {pieces.front().iov_len, 0};
    if (steps_.empty()) return {0, ETIMEDOUT};
    Step& step = steps_.front();
    if (step.wait) return {0, ETIMEDOUT};
    if (step.error != 0 || step.bytes.empty()) {
      const int error = step.error;
      steps_.pop_front();
      return {0, error};
    }
    size_t count = 0;
    for (const iovec& piece : pieces) {
      EXPECT_GT(piece.iov_len, 0u);
      const size_t part = std::min(piece.iov_len, step.bytes.size() - count);
      std::memcpy(piece.iov_base, step.bytes.data() + count, part);
      count += part;
    }
    step.bytes.erase(0, count);
    if (step.bytes.empty()) steps_.pop_front();
    ++receives;
    return {count, 0};
  }

  int WaitReadable(Deadline) override {
    blocks_held_in_wait = std::max(blocks_held_in_wait, runtime_->buffer_pool().blocks_in_use());
    if (on_wait) on_wait();
    if (steps_.empty()) return ETIMEDOUT;
    EXPECT_TRUE(steps_.front().wait);
    const int result = steps_.front().error;
    steps_.pop_front();
    return result;
  }

  void BeforeReaderWaits() override { ++waits_announced; }

  size_t blocks_held_in_wait = 0;
  size_t largest_piece_count = 0;
  int waits_announced = 0;
  int receives = 0;
  bool endless = false;
  std::function<void()> on_wait;

 private:
  FakeSource& Add(Step step) {
    steps_.push_back(std::move(step));
    return *this;
  }

  Runtime* const runtime_;
  std::deque<Step> steps_;
};

class InboundTest : public testing::Test {
 protected:
  int PeekErrno(size_t min) { return StatusErrno(inbound.Peek(min, Deadline::Never()).status()); }

  std::string PeekText(size_t min) {
    const absl::StatusOr<absl::Span<uint8_t>> bytes = inbound.Peek(min, Deadline::Never());
    if (!bytes.ok()) return ErrnoName(StatusErrno(bytes.status())).data();
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }

  // Reads into pieces of these sizes; a negative one skips. Returns the errno.
  int Read(const std::vector<int>& sizes, std::string* text) {
    size_t total = 0;
    for (const int size : sizes) total += static_cast<size_t>(std::max(size, 0));
    std::string memory(total, '?');
    std::vector<IoSpan> spans;
    size_t offset = 0;
    for (const int size : sizes) {
      if (size < 0) {
        spans.emplace_back(nullptr, static_cast<size_t>(-size));
      } else {
        spans.emplace_back(memory.data() + offset, static_cast<size_t>(size));
        offset += static_cast<size_t>(size);
      }
    }
    const int error = StatusErrno(inbound.Read(spans, Deadline::Never()));
    EXPECT_FALSE(inbound.busy());
    *text = memory;
    return error;
  }

  Runtime runtime;
  FakeSource source{&runtime};
  Inbound inbound{&runtime, &source};
  std::string text;
};

TEST_F(InboundTest, PeekReturnsAllThatIsBufferedInPlace) {
  source.Give("ab").Give("cde");
  EXPECT_EQ(PeekText(3), "abcde");
  EXPECT_EQ(PeekText(0), "abcde");
  inbound.Consume(2);
  EXPECT_EQ(PeekText(1), "cde");
  EXPECT_EQ(inbound.buffered(), 3u);
  EXPECT_EQ(inbound.bytes_received(), 5u);
}

TEST_F(InboundTest, PeekAboveTheBufferIsRefused) {
  source.Give(std::string(40000, 'x'));
  EXPECT_EQ(PeekErrno(ReadBuffer::kCapacity + 1), EINVAL);
  EXPECT_EQ(PeekText(ReadBuffer::kCapacity - 1).size(), ReadBuffer::kCapacity);
  EXPECT_EQ(PeekText(ReadBuffer::kCapacity).size(), ReadBuffer::kCapacity);
}

TEST_F(InboundTest, PeekIsShortOnlyAtTheEndOfTheStream) {
  source.Give("ab").End();
  EXPECT_EQ(PeekText(3), "ab");
  inbound.Consume(2);
  EXPECT_EQ(PeekText(1), "");
  EXPECT_TRUE(inbound.ready());
}

TEST_F(InboundTest, PeekOfNothingNeverAsksTheSource) {
  EXPECT_EQ(PeekText(0), "");
  EXPECT_EQ(source.waits_announced, 0);
}

TEST_F(InboundTest, WaitingWithNothingBufferedHoldsNoBlock) {
  source.Block().Give("a").Block().Give("b").Block().Give("cd");
  EXPECT_EQ(PeekText(1), "a");
  inbound.Consume(1);
  char c;
  EXPECT_EQ(StatusErrno(inbound.Read({{&c, 1}}, Deadline::Never())), 0);
  EXPECT_EQ(c, 'b');
  EXPECT_EQ(Read({-2}, &text), 0);
  EXPECT_EQ(source.blocks_held_in_wait, 0u);
  EXPECT_EQ(source.waits_announced, 3);
  EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
}

TEST_F(InboundTest, OneReceiveFillsTheDestinationAndTheBuffer) {
  source.Give("abcdef");
  EXPECT_EQ(Read({2, 1}, &text), 0);
  EXPECT_EQ(text, "abc");
  EXPECT_EQ(source.receives, 1);
  EXPECT_EQ(PeekText(0), "def");
}

TEST_F(InboundTest, ManySmallPiecesAreFilledInOrder) {
  const std::string all = "abcdefghijklmnopqrstuvwxyz0123456789";
  source.Give(all);
  EXPECT_EQ(Read({1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 9, -4, 3, -1, 1, 0}, &text), 0);
  EXPECT_EQ(text, all.substr(0, 21) + all.substr(25, 3) + all.substr(29, 1));
  EXPECT_EQ(PeekText(0), all.substr(30));
  EXPECT_LE(source.largest_piece_count, 8u);
}

// Every list of pieces, interrupted after every byte, then read again whole.
TEST_F(InboundTest, InterruptedReadPutsEverythingBack) {
  const std::string all = "abcdefghijklmnopqrstuvwxyz0123456789";
  for (const std::vector<int>& sizes : std::vector<std::vector<int>>{
           {30}, {10, 20}, {0, 30}, {5, -5, 20}, {-5, 25}, {25, -5}, {1, -1, 1, -1, 26}}) {
    for (size_t arrived = 0; arrived < 30; ++arrived) {
      for (const int reason : {ETIMEDOUT, ECANCELED}) {
        FakeSource own_source(&runtime);
        Inbound own(&runtime, &own_source);
        if (arrived > 0) own_source.Give(all.substr(0, arrived));
        own_source.Block(reason);
        std::string expected;
        std::vector<IoSpan> spans;
        std::string memory(30, '?');
        size_t offset = 0, place = 0;
        for (const int size : sizes) {
          const size_t count = static_cast<size_t>(std::abs(size));
          if (size < 0) {
            spans.emplace_back(nullptr, count);
          } else {
            spans.emplace_back(memory.data() + place, count);
            place += count;
            expected += all.substr(offset, count);
          }
          offset += count;
        }
        EXPECT_EQ(StatusErrno(own.Read(spans, Deadline::Never())), reason);
        EXPECT_EQ(own.buffered(), arrived);
        const absl::StatusOr<absl::Span<uint8_t>> back = own.Peek(0, Deadline::Never());
        ASSERT_TRUE(back.ok());
        EXPECT_EQ(std::string(back->begin(), back->end()), all.substr(0, arrived));
        own_source.Give(all.substr(arrived));
        EXPECT_EQ(StatusErrno(own.Read(spans, Deadline::Never())), 0);
        EXPECT_EQ(memory.substr(0, place), expected);
        EXPECT_EQ(own.buffered(), all.size() - 30);
      }
    }
  }
}

TEST_F(InboundTest, EndBeforeTheLastByteLeavesWhatCame) {
  source.Give("abc").End();
  EXPECT_EQ(Read({2, 2}, &text), EPIPE);
  EXPECT_EQ(Read({3}, &text), 0);
  EXPECT_EQ(text, "abc");
  EXPECT_EQ(Read({1}, &text), EPIPE);
}

TEST_F(InboundTest, LargeReadIsPutBackBeyondTheBlock) {
  const std::string large(200000, 'z');
  source.Give(large).Block(ETIMEDOUT);
  EXPECT_EQ(Read({300000}, &text), ETIMEDOUT);
  EXPECT_EQ(inbound.buffered(), large.size());
  EXPECT_EQ(PeekText(ReadBuffer::kCapacity), large);
  EXPECT_EQ(Read({200000}, &text), 0);
  EXPECT_EQ(text, large);
}

TEST_F(InboundTest, SkippedBytesCountWhenTheSameListIsReadAgain) {
  source.Give("abc").Block(ETIMEDOUT);
  EXPECT_EQ(Read({-4, -4}, &text), ETIMEDOUT);
  EXPECT_EQ(inbound.buffered(), 0u);
  source.Give("de").Block(ETIMEDOUT);
  EXPECT_EQ(Read({-4, -4}, &text), ETIMEDOUT);
  source.Give("fghX");
  EXPECT_EQ(Read({-4, -4}, &text), 0);
  EXPECT_EQ(PeekText(1), "X");
}

TEST_F(InboundTest, AShorterSkipUsesTheCreditAndOthersEndIt) {
  source.Give("abcd").Block(ETIMEDOUT);
  EXPECT_EQ(Read({-8}, &text), ETIMEDOUT);
  EXPECT_EQ(Read({-3}, &text), 0);
  EXPECT_EQ(Read({-1}, &text), 0);
  source.Give("efgh").Block(ETIMEDOUT);
  EXPECT_EQ(Read({-5}, &text), ETIMEDOUT);
  source.Give("ijklmn");
  EXPECT_EQ(Read({1}, &text), 0);
  EXPECT_EQ(text, "i");
  EXPECT_EQ(Read({-4}, &text), 0);  // j k l m, not what was skipped before
  EXPECT_EQ(PeekText(1), "n");
}

TEST_F(InboundTest, SkippingWithoutEndYieldsAndEndsAtItsDeadline) {
  source.endless = true;
  const IoSpan everything(nullptr, SIZE_MAX);
  EXPECT_EQ(StatusErrno(inbound.Read({&everything, 1}, Deadline::Immediately())), ETIMEDOUT);
  EXPECT_GT(inbound.bytes_received(), 0u);
  EXPECT_EQ(inbound.buffered(), 0u);
  Bundle bundle(&runtime);
  int result = 0;
  ASSERT_TRUE(
      bundle.Go([&] {
              result = StatusErrno(inbound.Read({&everything, 1}, Deadline::Never()));
            })
          .ok());
  EXPECT_TRUE(inbound.busy());  // it yielded
  bundle.CancelAndJoin();
  EXPECT_EQ(result, ECANCELED);
}

TEST_F(InboundTest, ReadSomeStopsAtItsMinimumAndAtTheEnd) {
  uint8_t memory[8];
  source.Give("a").Give("bc").Give("de").End();
  EXPECT_EQ(*inbound.ReadSome(absl::MakeSpan(memory), 2, Deadline::Never()), 3u);
  EXPECT_EQ(std::string(memory, memory + 3), "abc");
  EXPECT_EQ(*inbound.ReadSome(absl::MakeSpan(memory), 3, Deadline::Never()), 2u);
  EXPECT_EQ(*inbound.ReadSome(absl::MakeSpan(memory), 3, Deadline::Never()), 0u);
  EXPECT_EQ(StatusErrno(inbound.ReadSome(absl::MakeSpan(memory), 0, Deadline::Never()).status()),
            EINVAL);
  EXPECT_EQ(StatusErrno(inbound.ReadSome(absl::MakeSpan(memory), 9, Deadline::Never()).status()),
            EINVAL);
}

TEST_F(InboundTest, InterruptedReadSomePutsBack) {
  uint8_t memory[8];
  source.Give("abc").Block(ECANCELED);
  EXPECT_EQ(StatusErrno(inbound.ReadSome(absl::MakeSpan(memory), 4, Deadline::Never()).status()),
            ECANCELED);
  std::memset(memory, 0, sizeof(memory));
  EXPECT_EQ(PeekText(1), "abc");
}

TEST_F(InboundTest, FailureOfTheSourceStays) {
  source.Give("abc").Error(ECONNRESET).Give("never");
  EXPECT_EQ(Read({4}, &text), ECONNRESET);
  EXPECT_EQ(Read({1}, &text), ECONNRESET);
  EXPECT_EQ(PeekErrno(0), ECONNRESET);
  EXPECT_EQ(inbound.buffered(), 0u);
  inbound.Fail(EBADF);
  EXPECT_EQ(PeekErrno(1), EBADF);
}

TEST_F(InboundTest, TheSystemsEpipeIsAReset) {
  source.Error(EPIPE);
  EXPECT_EQ(PeekErrno(1), ECONNRESET);
}

TEST_F(InboundTest, NoDescriptorToWaitWithIsNoFailureOfTheConnection) {
  source.Give("abc").Block(EMFILE);
  EXPECT_EQ(Read({4}, &text), EMFILE);
  source.Give("d");
  EXPECT_EQ(Read({4}, &text), 0);
  EXPECT_EQ(text, "abcd");
}

TEST_F(InboundTest, WhatArrivedWhenTheWaitEndedCounts) {
  source.Block(ETIMEDOUT).Give("a");
  EXPECT_EQ(PeekText(1), "a");
}

TEST_F(InboundTest, SecondReaderIsBusyAndTheFirstGoesOn) {
  source.Block().Give("a");
  int second = 0;
  source.on_wait = [&] {
    second = PeekErrno(0);
    EXPECT_TRUE(inbound.busy());
  };
  EXPECT_EQ(PeekText(1), "a");
  EXPECT_EQ(second, EBUSY);
  EXPECT_FALSE(inbound.busy());
}

TEST_F(InboundTest, FailDuringAWaitEndsIt) {
  source.Give("ab").Block(EBADF);
  source.on_wait = [&] { inbound.Fail(ECONNRESET); };
  EXPECT_EQ(Read({3}, &text), ECONNRESET);
}

TEST_F(InboundTest, BytesLookedAtStayValidAfterAFailure) {
  source.Give("abc");
  const absl::Span<uint8_t> bytes = *inbound.Peek(1, Deadline::Never());
  inbound.Fail(EBADF);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "abc");
  inbound.Consume(3);
}

}  // namespace
}  // namespace halfpipe
