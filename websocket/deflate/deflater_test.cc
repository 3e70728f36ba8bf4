#include "websocket/deflate/deflater.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

using Options = Deflater::Options;
using Status = Deflater::Status;

// Compresses with input in pieces of `in_max` and output in pieces of `out_max` bytes.
std::string Deflate(Deflater* deflater, const std::string& message, size_t in_max = SIZE_MAX,
                    size_t out_max = 4096) {
  std::string payload;
  std::string out(out_max, '\0');
  absl::Span<const uint8_t> rest = AsBytes(message);
  for (;;) {
    const absl::Span<const uint8_t> piece = rest.first(std::min(in_max, rest.size()));
    const bool last = piece.size() == rest.size();
    const Deflater::Result result = deflater->Deflate(piece, last, AsMutableBytes(out));
    EXPECT_LE(result.consumed, piece.size());
    EXPECT_LE(result.produced, out.size());
    rest.remove_prefix(result.consumed);
    payload += out.substr(0, result.produced);
    if (result.status == Status::kDone) break;
    if (result.status == Status::kNoMemory) return "no memory";
    EXPECT_TRUE(deflater->in_message() || message.empty());
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_FALSE(deflater->in_message());
  return payload;
}

// Some of the bytes repeat, near and far.
std::string RandomMessage(std::mt19937& random, size_t size) {
  std::string message;
  const std::string far = std::string(1, static_cast<char>(random())) + "repeated now and then";
  while (message.size() < size) {
    switch (random() % 4) {
      case 0:
        message.push_back(static_cast<char>(random()));
        break;
      case 1:
        message.append(random() % 40, static_cast<char>('a' + random() % 4));
        break;
      case 2:
        message += far;
        break;
      default:
        message += message.substr(random() % (message.size() + 1), random() % 300);
    }
  }
  message.resize(size);
  return message;
}

TEST(DeflaterTest, TheRfcsExamples) {
  ZlibMemory memory;
  Deflater deflater(Options(), &memory);
  // Section 7.2.3.2: with context takeover the second "Hello" refers to the first.
  EXPECT_EQ(Deflate(&deflater, "Hello"), Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}));
  EXPECT_EQ(Deflate(&deflater, "Hello"), Bytes({0xf2, 0x00, 0x11, 0x00, 0x00}));
  // Section 7.2.3.6: an empty message is a single byte, also the second one in a row.
  EXPECT_EQ(Deflate(&deflater, ""), Bytes({0x00}));
  EXPECT_EQ(Deflate(&deflater, ""), Bytes({0x00}));

  Deflater without({.context_takeover = false}, &memory);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Deflate(&without, "Hello"), Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}));
  }
  // Section 7.2.3.3: a block without compression.
  Deflater stored({.level = 0}, &memory);
  EXPECT_EQ(Deflate(&stored, "Hello"),
            Bytes({0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00}));
}

TEST(DeflaterTest, RandomMessagesComeBackWhateverTheCuts) {
  const uint32_t seed = 7692;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 60; ++i) {
    const Options options = {.window_bits = static_cast<uint8_t>(8 + random() % 8),
                             .context_takeover = random() % 2 == 0,
                             .level = static_cast<uint8_t>(random() % 10),
                             .mem_level = static_cast<uint8_t>(1 + random() % 9)};
    SCOPED_TRACE(testing::Message() << "window " << int{options.window_bits} << " level "
                                    << int{options.level} << " run " << i);
    ZlibMemory memory;
    Deflater deflater(options, &memory);
    InflateReference reference;
    for (int j = 0; j < 8; ++j) {
      const size_t sizes[] = {0, 1, random() % 100, random() % 3000, random() % 40000};
      const std::string message = RandomMessage(random, sizes[random() % 5]);
      const size_t in_max = random() % 2 == 0 ? SIZE_MAX : 1 + random() % 500;
      const size_t out_max = Deflater::kOutputBytesMin + random() % 300;
      const std::string payload = Deflate(&deflater, message, in_max, out_max);
      const std::optional<std::string> back = reference.Inflate(payload, message.size());
      ASSERT_TRUE(back.has_value());
      ASSERT_TRUE(*back == message) << message.size();
    }
    EXPECT_LE(memory.bytes_peak, DeflaterMemoryMax(options.window_bits, options.mem_level));
  }
}

// The output may be full at any byte of the message's end.
TEST(DeflaterTest, EveryRoomForTheOutput) {
  std::mt19937 random(1);
  const std::string message = RandomMessage(random, 300);
  ZlibMemory memory;
  for (size_t room = Deflater::kOutputBytesMin; room < 400; ++room) {
    Deflater deflater(Options(), &memory);
    InflateReference reference;
    for (const std::string& part : {message, message, message.substr(0, 20)}) {
      EXPECT_EQ(reference.Inflate(Deflate(&deflater, part, SIZE_MAX, room), part.size()), part);
    }
  }
}

TEST(DeflaterTest, MessagesKeepToTheirWindow) {
  std::mt19937 random(2);
  // Matches at all distances.
  std::string message = RandomMessage(random, 40000);
  for (uint8_t bits = 8; bits <= 15; ++bits) {
    ZlibMemory memory;
    Deflater deflater({.window_bits = bits, .level = 9}, &memory);
    const std::string payload = Deflate(&deflater, message);
    EXPECT_LE(WindowNeeded(payload), bits);
    EXPECT_LT(payload.size(), message.size());
  }
}

TEST(DeflaterTest, MemoryIsTakenLateBoundedAndGivenBack) {
  for (const uint8_t bits : {8, 9, 12, 15}) {
    for (const uint8_t level : {1, 8, 9}) {
      ZlibMemory memory;
      {
        Deflater deflater({.window_bits = bits, .mem_level = level}, &memory);
        EXPECT_EQ(memory.bytes_in_use, 0u);
        Deflate(&deflater, "");
        EXPECT_EQ(memory.bytes_in_use, 0u);
        Deflate(&deflater, "message");
        EXPECT_GT(memory.bytes_in_use, 0u);
        EXPECT_LE(memory.bytes_in_use, DeflaterMemoryMax(bits, level));
        // The bound is near the truth.
        EXPECT_GE(memory.bytes_in_use * 10, DeflaterMemoryMax(bits, level) * (bits < 12 ? 3 : 7));
        deflater.Release();
        EXPECT_EQ(memory.bytes_in_use, 0u);
        Deflate(&deflater, "message");
      }
      EXPECT_EQ(memory.bytes_in_use, 0u);
      Deflater without({.window_bits = bits, .context_takeover = false, .mem_level = level},
                       &memory);
      Deflate(&without, "message");
      EXPECT_EQ(memory.bytes_in_use, 0u);
      EXPECT_LE(memory.bytes_peak, DeflaterMemoryMax(bits, level));
    }
  }
}

TEST(DeflaterTest, WithoutMemoryNothingIsBegun) {
  ZlibMemory memory;
  Deflater deflater(Options(), &memory);
  for (size_t bytes_max = 0;; bytes_max += 10'000) {
    memory.bytes_max = bytes_max;
    const std::string payload = Deflate(&deflater, "Hello");
    EXPECT_LE(memory.bytes_peak, bytes_max);
    if (payload != "no memory") break;
    EXPECT_FALSE(deflater.in_message());
    EXPECT_EQ(memory.bytes_in_use, 0u);
    ASSERT_LT(bytes_max, DeflaterMemoryMax(15, 8));
  }
}

// What did not reach the peer must not be referred to.
TEST(DeflaterTest, ResetForgetsWhatThePeerNeverSaw) {
  for (const bool release : {false, true}) {
    ZlibMemory memory;
    Deflater deflater(Options(), &memory);
    InflateReference reference;
    const std::string message = "a message that is long enough to be referred to";
    Deflate(&deflater, message);  // Lost.
    release ? deflater.Release() : deflater.Reset();
    EXPECT_EQ(reference.Inflate(Deflate(&deflater, message), 1000), message);

    std::string out(100, '\0');
    deflater.Deflate(AsBytes(message), false, AsMutableBytes(out));  // Lost in the middle.
    EXPECT_TRUE(deflater.in_message());
    release ? deflater.Release() : deflater.Reset();
    EXPECT_FALSE(deflater.in_message());
    EXPECT_EQ(reference.Inflate(Deflate(&deflater, message), 1000), message);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
