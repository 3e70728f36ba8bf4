#include "websocket/deflate/inflater.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

using Options = Inflater::Options;
using Status = Inflater::Status;

// Inflates with input in pieces of `in_max` and output in pieces of `out_max` bytes; 0: each piece
// is asked for with no room first. The message, or "!CODE what" behind what came before.
std::string Inflate(Inflater* inflater, const std::string& payload, size_t in_max = SIZE_MAX,
                    size_t out_max = 100'000) {
  std::string message;
  std::string out(std::max<size_t>(out_max, 1), '\0');
  absl::Span<const uint8_t> rest = AsBytes(payload);
  bool ask = out_max == 0;
  for (;;) {
    const absl::Span<const uint8_t> piece = rest.first(std::min(in_max, rest.size()));
    const bool last = piece.size() == rest.size();
    const Inflater::Result result =
        inflater->Inflate(piece, last, ask ? absl::Span<uint8_t>() : AsMutableBytes(out));
    rest.remove_prefix(result.consumed);
    message += out.substr(0, result.produced);
    switch (result.status) {
      case Status::kDone:
        EXPECT_TRUE(rest.empty());
        return message;
      case Status::kFailed:
        return absl::StrCat(message, "!", result.error.close_code, " ", result.error.what);
      case Status::kNoMemory:
        return message + "!no memory";
      case Status::kNeedOutput:
        ask = out_max == 0 && !ask;
        break;
      case Status::kNeedInput:
        EXPECT_EQ(result.consumed, piece.size());
        EXPECT_FALSE(last);
        ask = out_max == 0;
    }
  }
}

std::string InflateOnce(const std::string& payload, const Options& options = {}) {
  ZlibMemory memory;
  Inflater inflater(options, &memory);
  const std::string message = Inflate(&inflater, payload);
  EXPECT_LE(memory.bytes_peak, InflaterMemoryMax(options.window_bits));
  return message;
}

constexpr char kBadEnd[] = "!1007 compressed message does not end with a block";
constexpr char kBadData[] = "!1007 compressed message is not deflate data";
constexpr char kTooLong[] = "!1009 message exceeds message_bytes_max when inflated";
constexpr char kBadRatio[] = "!1009 message inflates by more than inflation_ratio_max";

const std::string kHello = Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});

TEST(InflaterTest, TheRfcsExamples) {
  ZlibMemory memory;
  Inflater inflater(Options(), &memory);
  // Sections 7.2.3.1 and 7.2.3.2.
  EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
  EXPECT_EQ(Inflate(&inflater, Bytes({0xf2, 0x00, 0x11, 0x00, 0x00})), "Hello");
  // 7.2.3.3: a block without compression.
  EXPECT_EQ(
      Inflate(&inflater, Bytes({0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00})),
      "Hello");
  // 7.2.3.4: BFINAL is set.
  EXPECT_EQ(Inflate(&inflater, Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00})), "Hello");
  // 7.2.3.5: two blocks.
  EXPECT_EQ(Inflate(&inflater, Bytes({0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9,
                                      0xc9, 0x07, 0x00})),
            "Hello");
  // 7.2.3.6: an empty message.
  EXPECT_EQ(Inflate(&inflater, Bytes({0x00})), "");
  EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
}

TEST(InflaterTest, TheWindowGoesBeyondBfinal) {
  const std::string finished = Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});
  // A second block with BFINAL refers to what is before the first.
  const std::string again = Bytes({0xf3, 0x00, 0x11, 0x00});
  EXPECT_EQ(InflateOnce(finished + again + Bytes({0x00})), "HelloHello");
  ZlibMemory memory;
  Inflater inflater(Options(), &memory);
  EXPECT_EQ(Inflate(&inflater, finished + Bytes({0x00})), "Hello");
  EXPECT_EQ(Inflate(&inflater, Bytes({0xf2, 0x00, 0x11, 0x00, 0x00})), "Hello");
}

// Section 7.2.1: a message that ends with an empty block without compression needs no other one,
// and whether its BFINAL is set is the sender's choice.
TEST(InflaterTest, TheBlockWhoseEndIsLeftOutMayHaveBfinal) {
  const std::string hello = Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x04});
  EXPECT_EQ(InflateOnce(Bytes({0x01})), "");
  EXPECT_EQ(InflateOnce(Bytes({0x00, 0x00, 0x00, 0xff, 0xff, 0x01})), "");
  ZlibMemory memory;
  for (const bool context : {true, false}) {
    Inflater inflater({.context_takeover = context}, &memory);
    EXPECT_EQ(Inflate(&inflater, hello), "Hello");
    if (context) {
      EXPECT_EQ(Inflate(&inflater, Bytes({0xf2, 0x00, 0x11, 0x00, 0x00})), "Hello");
    }
    EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
    EXPECT_EQ(Inflate(&inflater, hello), "Hello");
  }
  // It ends the message: the rest of a block that is not empty, or of another type, is no end.
  for (const std::string& bad :
       {Bytes({0x01, 0x00}), Bytes({0x01, 0x00, 0x00}), Bytes({0x01, 0x04, 0x00, 0xfb, 0xff}),
        Bytes({0x03}), Bytes({0x05}), hello + Bytes({0x00, 0x00}), hello + hello}) {
    const std::string message = InflateOnce(bad);
    EXPECT_NE(message.find("!1007"), std::string::npos) << message;
  }
}

TEST(InflaterTest, WithoutContextTakeoverEachMessageStandsAlone) {
  ZlibMemory memory;
  Inflater inflater({.context_takeover = false}, &memory);
  EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
  EXPECT_EQ(memory.bytes_in_use, 0u);
  EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
  EXPECT_EQ(Inflate(&inflater, Bytes({0xf2, 0x00, 0x11, 0x00, 0x00})), "H" + std::string(kBadData));
  EXPECT_EQ(memory.bytes_in_use, 0u);
}

TEST(InflaterTest, RefusesAMissingTail) {
  // Every prefix of a message that is not one itself.
  for (size_t size = 1; size < kHello.size(); ++size) {
    const std::string message = InflateOnce(kHello.substr(0, size));
    EXPECT_EQ(message.substr(message.find('!')), kBadEnd) << size;
  }
  // No payload at all: the header of an empty block is missing (7.2.3.6).
  EXPECT_EQ(InflateOnce(""), kBadEnd);
  // BFINAL without the header of an empty block behind it.
  EXPECT_EQ(InflateOnce(Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00})),
            "Hello" + std::string(kBadEnd));
  // A stored block whose bytes the tail would be.
  EXPECT_EQ(InflateOnce(Bytes({0x00, 0x04, 0x00, 0xfb, 0xff})), kBadEnd);
}

TEST(InflaterTest, RefusesTrailingGarbage) {
  // The tail was left in.
  EXPECT_EQ(InflateOnce(kHello + Bytes({0x00, 0x00, 0xff, 0xff})), "Hello" + std::string(kBadEnd));
  for (const std::string& garbage :
       {Bytes({0xff}), Bytes({0x00, 0x00, 0x00}), Bytes({0x01, 0x02, 0x03}), std::string("garbage"),
        kHello, std::string(20, '\xff')}) {
    const std::string message = InflateOnce(kHello + garbage);
    EXPECT_EQ(message.substr(0, 10), "Hello!1007");
    const std::string final =
        InflateOnce(Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}) + garbage);
    EXPECT_EQ(final.substr(0, 10), "Hello!1007");
  }
}

TEST(InflaterTest, AFailureIsForEver) {
  ZlibMemory memory;
  Inflater inflater(Options(), &memory);
  EXPECT_EQ(Inflate(&inflater, Bytes({0x07})), kBadData);
  EXPECT_EQ(memory.bytes_in_use, 0u);
  EXPECT_EQ(Inflate(&inflater, kHello), kBadData);
}

TEST(InflaterTest, MessageBytesMaxAtMinusOneZeroAndPlusOne) {
  const std::string message = absl::StrCat(std::string(70'000, 'a'), "bcdefg");
  const std::string payload = DeflateReference(message);
  for (const size_t in_max : {size_t{1}, size_t{7}, SIZE_MAX}) {
    for (const size_t out_max : {0, 1, 100, 70'006, 100'000}) {
      for (const int over : {-1, 0, 1}) {
        ZlibMemory memory;
        Inflater inflater({.message_bytes_max = message.size() - over}, &memory);
        const std::string result = Inflate(&inflater, payload, in_max, out_max);
        if (over <= 0) {
          EXPECT_TRUE(result == message);
        } else {
          EXPECT_TRUE(result == message.substr(0, message.size() - 1) + kTooLong);
          EXPECT_EQ(memory.bytes_in_use, 0u);
        }
      }
    }
  }
  EXPECT_EQ(InflateOnce(Bytes({0x00}), {.message_bytes_max = 0}), "");
  EXPECT_EQ(InflateOnce(kHello, {.message_bytes_max = 0}), kTooLong);
}

// The bound counts each message by itself, whatever stands in the window.
TEST(InflaterTest, MessageBytesMaxWithContextTakeover) {
  ZlibMemory memory;
  Inflater inflater({.message_bytes_max = 5}, &memory);
  EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
  EXPECT_EQ(Inflate(&inflater, Bytes({0xf2, 0x00, 0x11, 0x00, 0x00})), "Hello");
  const std::string twice =
      Bytes({0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x02, 0x13, 0x00, 0x00});
  const std::string result = Inflate(&inflater, twice);
  EXPECT_EQ(result, "Hello" + std::string(kTooLong));
}

TEST(InflaterTest, ABombTakesNoMemory) {
  const std::string payload = DeflateReference(std::string(64 << 20, '\0'), 15, 9);
  EXPECT_LT(payload.size(), 70'000u);
  ZlibMemory memory;
  Inflater inflater({.message_bytes_max = 1 << 20}, &memory);
  const std::string result = Inflate(&inflater, payload);
  EXPECT_EQ(result.size(), (1u << 20) + sizeof(kTooLong) - 1);
  EXPECT_LE(memory.bytes_peak, InflaterMemoryMax(15));
}

TEST(InflaterTest, RatioAtMinusOneZeroAndPlusOne) {
  // 200,000 bytes out of about 220.
  const std::string message(200'000, 'a');
  const std::string payload = DeflateReference(message);
  // Up to the floor no ratio counts.
  for (const int over : {-1, 0}) {
    EXPECT_TRUE(InflateOnce(payload, {.ratio_max = 1, .ratio_floor_bytes = 200'000u - over}) ==
                message);
  }
  EXPECT_TRUE(InflateOnce(payload, {.ratio_max = 1, .ratio_floor_bytes = 199'999}) ==
              message.substr(0, 199'999) + kBadRatio);
  EXPECT_TRUE(InflateOnce(payload, {.ratio_max = 1, .ratio_floor_bytes = 0}) ==
              message.substr(0, 64 << 10) + kBadRatio);
  EXPECT_TRUE(InflateOnce(payload, {.ratio_max = 1100, .ratio_floor_bytes = 100}) == message);
  EXPECT_TRUE(InflateOnce(payload, {.ratio_max = 0, .ratio_floor_bytes = 0}) == message);
  EXPECT_EQ(InflateOnce(kHello, {.ratio_max = 1, .ratio_floor_bytes = 5}), "Hello");
}

// A message of every kind of block, cut in every way that matters.
TEST(InflaterTest, NoCutMakesADifference) {
  std::mt19937 random(3);
  std::string noise;
  for (int i = 0; i < 300; ++i) noise.push_back(static_cast<char>(random()));
  const std::string text = absl::StrCat(noise, std::string(900, 'x'), "the end of the message");
  const std::string payload = DeflateReference(text, 15, 0).substr(0, 0) +
                              Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}) +
                              DeflateReference(text);
  for (const std::string& whole :
       {payload, payload.substr(0, payload.size() - 3), payload + "?", DeflateReference(noise),
        DeflateReference(noise, 15, 0), kHello + Bytes({0xff, 0xff})}) {
    const std::string expected = InflateOnce(whole);
    const Options bounded = {.message_bytes_max = 1000, .ratio_max = 2, .ratio_floor_bytes = 200};
    const std::string expected_bounded = InflateOnce(whole, bounded);
    for (const size_t in_max : {1, 2, 3, 5, 17, 100, 1000}) {
      for (const size_t out_max : {0, 1, 2, 3, 7, 100, 257, 258, 259, 5000}) {
        ZlibMemory memory;
        Inflater inflater(Options(), &memory);
        ASSERT_EQ(Inflate(&inflater, whole, in_max, out_max), expected) << in_max << " " << out_max;
        Inflater strict(bounded, &memory);
        ASSERT_EQ(Inflate(&strict, whole, in_max, out_max), expected_bounded);
      }
    }
  }
}

TEST(InflaterTest, RandomConversationsEqualOneShotZlib) {
  const uint32_t seed = 7693;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 40; ++i) {
    const uint8_t bits = static_cast<uint8_t>(8 + random() % 8);
    ZlibMemory memory;
    Deflater deflater({.window_bits = bits, .level = static_cast<uint8_t>(random() % 10)}, &memory);
    ZlibMemory inflater_memory;
    Inflater inflater({.window_bits = bits}, &inflater_memory);
    InflateReference reference;
    for (int j = 0; j < 10; ++j) {
      std::string message;
      for (size_t size = random() % 9000; message.size() < size;) {
        absl::StrAppend(&message, "{\"id\": ", random() % 100, ", \"key\": [", random(), "]}");
      }
      std::string payload(message.size() + 1000, '\0');
      const Deflater::Result made =
          deflater.Deflate(AsBytes(message), true, AsMutableBytes(payload));
      ASSERT_EQ(made.status, Deflater::Status::kDone);
      payload.resize(made.produced);
      ASSERT_EQ(reference.Inflate(payload, message.size()), message);
      ASSERT_EQ(Inflate(&inflater, payload, 1 + random() % 200, random() % 3000), message);
    }
    EXPECT_LE(inflater_memory.bytes_peak, InflaterMemoryMax(bits));
  }
}

TEST(InflaterTest, MemoryIsTakenLateBoundedAndGivenBack) {
  for (const uint8_t bits : {8, 9, 12, 15}) {
    ZlibMemory memory;
    {
      Inflater inflater({.window_bits = bits}, &memory);
      EXPECT_EQ(memory.bytes_in_use, 0u);
      EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
      EXPECT_GT(memory.bytes_in_use, size_t{1} << bits);
      EXPECT_LE(memory.bytes_in_use, InflaterMemoryMax(bits));
      inflater.Release();
      EXPECT_EQ(memory.bytes_in_use, 0u);
      EXPECT_EQ(Inflate(&inflater, kHello), "Hello");
    }
    EXPECT_EQ(memory.bytes_in_use, 0u);
  }
}

TEST(InflaterTest, WithoutMemory) {
  for (size_t bytes_max = 0;; bytes_max += 1000) {
    ZlibMemory memory;
    memory.bytes_max = bytes_max;
    Inflater inflater(Options(), &memory);
    const std::string result = Inflate(&inflater, kHello);
    if (result == "Hello") break;
    EXPECT_EQ(result.substr(result.size() - 10), "!no memory");
    EXPECT_EQ(memory.bytes_in_use, 0u);
    memory.bytes_max = SIZE_MAX;
    EXPECT_EQ(Inflate(&inflater, kHello), "!no memory");
    ASSERT_LT(bytes_max, InflaterMemoryMax(15));
  }
}

// Peers that limit themselves to 8 bits may have been given 9.
TEST(InflaterTest, TakesNineBitsForEight) {
  std::string message(300, '\0');
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<char>(i * i * 31 >> 3);
  message += message.substr(0, 240);
  const std::string payload = DeflateReference(message, 9, 9);
  EXPECT_EQ(InflateOnce(payload, {.window_bits = 8}), message);
}

}  // namespace
}  // namespace halfpipe::websocket
