// Receives that are interrupted again and again, at every byte of a message: what that costs grows
// with the message, not with the message and the interruptions multiplied.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/testing/heap_counter.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/stream_test_support.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNow = Deadline::Immediately();
constexpr size_t kBytes = 6'000;

// Random letters, of which the caller's '?' is none.
std::string Letters() {
  std::string text;
  for (uint32_t i = 1; text.size() < kBytes; i = i * 1664525 + 1013904223) {
    text.push_back(static_cast<char>('a' + (i >> 16) % 26));
  }
  return text;
}

class StreamInterruptedTest : public ServedStreamTest, public testing::WithParamInterface<bool> {
 protected:
  StreamInterruptedTest() : text_(Letters()) {
    Options options;
    if (GetParam()) options.deflate_params = DeflateParams();
    Connect(options);
    wire_ = GetParam()
                ? FromClient().Frame({.first_byte = 0xc1, .payload = DeflateReference(text_)}).str()
                : FromClient().Text(text_).str();
  }

  // Has a byte come, and `receive` made for it, over and over; it returns whether the message is
  // complete.
  template <typename Receive>
  void Trickle(Receive receive) {
    for (size_t i = 0; i < wire_.size(); ++i) {
      FromPeer(wire_.substr(i, 1));
      ASSERT_EQ(receive(), i + 1 == wire_.size()) << i;
    }
  }

  const std::string text_;
  std::string wire_;
};

INSTANTIATE_TEST_SUITE_P(Deflate, StreamInterruptedTest, testing::Bool(),
                         testing::PrintToStringParamName());

// Each call has memory of its own, of which an interrupted one has written what it brought and no
// more: what came before is put there when all is complete.
TEST_P(StreamInterruptedTest, EachByteIsCopiedAFewTimesOnly) {
  std::string memory(kBytes, '?');
  size_t written = 0;
  size_t peak = 0;
  Trickle([&] {
    const IoSpan list(memory.data(), memory.size());
    const HeapCounter heap;
    auto message = stream_->Receive(absl::MakeConstSpan(&list, 1), kNow);
    peak = std::max(peak, heap.peak_bytes());
    if (message.ok()) {
      EXPECT_TRUE(memory == text_);
      return true;
    }
    EXPECT_THAT(message, IsErrno(ETIMEDOUT));
    for (char& byte : memory) {
      written += byte != '?';
      byte = '?';
    }
    return false;
  });
  EXPECT_LE(written, kBytes);
  EXPECT_GE(written, kBytes / 2);  // It does receive what there is.
  EXPECT_LE(peak, 2 * kBytes + (GetParam() ? 64 * 1024 : 1024));
}

// In memory of the stream it stays where it is.
TEST_P(StreamInterruptedTest, AViewIsPutTogetherOnce) {
  Trickle([&] {
    auto message = stream_->ReceiveView(kNow);
    if (!message.ok()) {
      EXPECT_THAT(message, IsErrno(ETIMEDOUT));
      return false;
    }
    EXPECT_TRUE((*message)->text() == text_);
    return true;
  });
}

// The memory asked for is as much as the doubling of one block takes, not a block for each call.
TEST_P(StreamInterruptedTest, MemoryIsAskedForAsItsSizeDoubles) {
  std::string memory(kBytes, '?');
  const IoSpan list(memory.data(), memory.size());
  size_t grown = 0;
  size_t held = 0;
  const HeapCounter heap;
  Trickle([&] {
    const bool complete = stream_->Receive(absl::MakeConstSpan(&list, 1), kNow).ok();
    const size_t bytes = heap.bytes();
    if (bytes > held && !complete) ++grown;
    held = bytes;
    return complete;
  });
  EXPECT_TRUE(memory == text_);
  // With compression also what zlib takes.
  EXPECT_LE(grown, 25u);
}

// Interrupted as a fill, as a view, as a fill by another list.
TEST_P(StreamInterruptedTest, GoesOnByAnyReceive) {
  std::string memory(kBytes, '?');
  int turn = 0;
  Trickle([&] {
    const size_t cut = static_cast<size_t>(turn) * 37 % kBytes;
    const IoSpan list[] = {IoSpan(memory.data(), cut), IoSpan(memory.data() + cut, kBytes - cut)};
    const bool view = ++turn % 3 == 0;
    if (view) {
      auto message = stream_->ReceiveView(kNow);
      if (!message.ok()) {
        EXPECT_THAT(message, IsErrno(ETIMEDOUT));
        return false;
      }
      EXPECT_TRUE((*message)->text() == text_);
      return true;
    }
    auto message = stream_->Receive(list, kNow);
    if (!message.ok()) {
      EXPECT_THAT(message, IsErrno(ETIMEDOUT));
      std::fill(memory.begin(), memory.end(), '?');
      return false;
    }
    EXPECT_TRUE(memory == text_);
    return true;
  });
}

}  // namespace
}  // namespace halfpipe::websocket
