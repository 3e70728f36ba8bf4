// What a hostile peer can try with permessage-deflate, by class, and the most that one connection
// holds meanwhile. The bounds are those of the table in README.md.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/inflate_reference.h"
#include "websocket/deflate/inflater.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/options.h"
#include "websocket/testing/attack.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

// Heap that a connection may take beside messages and what zlib holds.
constexpr size_t kSmall = 8 * 1024;
constexpr size_t kBlocks = 7;
constexpr size_t kInflaterMax = InflaterMemoryMax(kMaxWindowBits);

// Section 7.2.3.1.
const std::string kHello = Bytes({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});

std::string Frame(int first_byte, const std::string& payload) {
  return FromClient().Frame({.first_byte = static_cast<uint8_t>(first_byte), .payload = payload});
}

// The whole wire, in chunks.
std::function<bool(std::string*)> Send(std::string wire) {
  return [wire = std::move(wire), at = size_t{0}](std::string* out) mutable {
    if (at == wire.size()) return false;
    out->append(wire, at, 10'000);
    at += std::min<size_t>(10'000, wire.size() - at);
    return true;
  };
}

// A server that takes compressed messages of up to `message_bytes_max`, of whatever ratio.
Attack With(std::string wire, uint64_t message_bytes_max, Receiving receiving = Receiving::kView) {
  Attack attack = {.next = Send(std::move(wire)), .receiving = receiving};
  attack.options.deflate_params = DeflateParams();
  attack.options.deflate.inflation_ratio_max = 0;
  attack.options.message_bytes_max = message_bytes_max;
  attack.fill_bytes = static_cast<size_t>(message_bytes_max);
  return attack;
}

// The memory of a message is there twice while it grows.
void CheckBounds(const Damage& damage, size_t message_bytes) {
  EXPECT_LE(damage.heap_bytes, 2 * message_bytes + kInflaterMax + kSmall);
  EXPECT_LE(damage.blocks, kBlocks);
  EXPECT_LE(damage.deflate_bytes, kInflaterMax);
}

// `payload` as one message, whole or in fragments of 100 bytes.
std::string MessageOf(const std::string& payload, bool fragments) {
  if (!fragments) return Frame(0xc2, payload);
  std::string wire = Frame(0x42, payload.substr(0, 1));
  for (size_t at = 1; at < payload.size(); at += 100) wire += Frame(0x00, payload.substr(at, 100));
  return wire + Frame(0x80, "");
}

// Class: a bomb, at the bound exactly and one byte above it, whole and over fragments.
TEST(DeflateAttackTest, BombAtTheExactBound) {
  constexpr size_t kMax = 1'000'000;
  for (const int over : {-1, 0, 1}) {
    const std::string payload = DeflateReference(std::string(kMax + over, 'b'), 15, 9);
    ASSERT_LT(payload.size(), kMax / 900);
    for (const bool fragments : {false, true}) {
      for (const Receiving receiving : kEveryReceiving) {
        const std::string wire = MessageOf(payload, fragments) + FromClient().Close(1000).str();
        const Damage damage = RunAttack(With(wire, kMax, receiving));
        EXPECT_EQ(damage.error, over > 0 ? EPROTO : 0);
        EXPECT_EQ(damage.close_code, over > 0 ? 1009 : 0);
        EXPECT_EQ(damage.messages, over > 0 ? 0u : 1u);
        CheckBounds(damage, receiving == Receiving::kView ? kMax : 0);
        EXPECT_EQ(damage.deflate_bytes_left, 0u);
      }
    }
  }
}

// Class: a thousand times and more in one message, of which nothing is wanted.
TEST(DeflateAttackTest, BombThatIsDropped) {
  const std::string payload = DeflateReference(std::string(100'000'000, '\0'), 15, 9);
  Attack attack =
      With(Frame(0xc2, payload) + FromClient().Close(1000).str(), 200'000'000, Receiving::kDiscard);
  attack.fill_bytes = 0;
  const Damage damage = RunAttack(attack);
  EXPECT_EQ(damage.error, 0);
  EXPECT_EQ(damage.messages, 1u);
  CheckBounds(damage, 0);
  // By default the ratio is bounded.
  attack.next = Send(Frame(0xc2, payload));
  attack.options.deflate.inflation_ratio_max = DeflateOptions().inflation_ratio_max;
  const Damage refused = RunAttack(attack);
  EXPECT_EQ(refused.close_code, 1009);
  CheckBounds(refused, 0);
}

// Class: with context takeover what came before makes the next bomb cheaper still; the bound is the
// same for each message.
TEST(DeflateAttackTest, BombWithContextTakeover) {
  constexpr size_t kMax = 200'000;
  ZlibMemory memory;
  Deflater deflater({.level = 9}, &memory);
  std::string payload(1 << 17, '\0');
  const auto compress = [&](const std::string& message) {
    const auto made = deflater.Deflate(AsBytes(message), true, AsMutableBytes(payload));
    EXPECT_EQ(made.status, Deflater::Status::kDone);
    return payload.substr(0, made.produced);
  };
  std::string wire;
  for (int i = 0; i < 5; ++i) wire += Frame(0xc2, compress(std::string(kMax, 'g')));
  wire += MessageOf(compress(std::string(10'000'000, 'g')), /*fragments=*/true);
  for (const Receiving receiving : kEveryReceiving) {
    const Damage damage = RunAttack(With(wire, kMax, receiving));
    EXPECT_EQ(damage.error, EPROTO);
    EXPECT_EQ(damage.close_code, 1009);
    EXPECT_EQ(damage.messages, 5u);
    CheckBounds(damage, receiving == Receiving::kView ? kMax : 0);
    EXPECT_EQ(damage.deflate_bytes_left, 0u);
  }
}

// Class: payload without end that inflates to nothing, so that no bound of inflated bytes is met.
TEST(DeflateAttackTest, EmptyBlocksWithoutEnd) {
  std::string blocks;
  while (blocks.size() < 10'000) blocks += Bytes({0x00, 0x00, 0x00, 0xff, 0xff});
  std::string wire = Frame(0x42, blocks);
  for (int i = 0; i < 100; ++i) wire += Frame(0x00, blocks);
  for (const Receiving receiving : kEveryReceiving) {
    const Damage damage = RunAttack(With(wire, 100'000, receiving));
    EXPECT_EQ(damage.close_code, 1009);
    CheckBounds(damage, 0);
    EXPECT_LE(damage.bytes_sent, 200'000u);
  }
}

// Class: RSV1 where it may not be. Nothing is inflated, so zlib takes nothing.
TEST(DeflateAttackTest, Rsv1WhereItMayNotBe) {
  const std::vector<std::string> wires = {
      Frame(0x01, "plain") + Frame(0xc0, kHello),  // last fragment
      Frame(0x02, "plain") + Frame(0x40, kHello),  // middle fragment
      Frame(0xc0, kHello),                         // no message
      Frame(0xc8, ""),                             // Close
      Frame(0xc9, "p"),                            // ping
      Frame(0xca, "p"),                            // pong
      Frame(0x01, "plain") + Frame(0xc9, "p"),     // between fragments
      Frame(0x81, "plain") + Frame(0xe1, kHello),  // with RSV2
      Frame(0x81, "plain") + Frame(0xd2, kHello),  // with RSV3
      Frame(0xc3, kHello),                         // a reserved opcode
  };
  for (const std::string& wire : wires) {
    const Damage damage = RunAttack(With(wire, 1000));
    EXPECT_EQ(damage.error, EPROTO);
    EXPECT_EQ(damage.close_code, 1002);
    EXPECT_EQ(damage.deflate_bytes, 0u);
    CheckBounds(damage, 0);
  }
  // And on everything where there is no agreement.
  for (const int first_byte : {0xc1, 0xc2, 0x41, 0x42}) {
    Attack attack = With(Frame(first_byte, kHello), 1000);
    attack.options.deflate_params.reset();
    const Damage damage = RunAttack(attack);
    EXPECT_EQ(damage.close_code, 1002);
    EXPECT_EQ(damage.deflate_bytes, 0u);
  }
}

// Class: data behind the end of a message, and messages without their end. What zlib held is given
// back with the failure, though the connection may linger.
TEST(DeflateAttackTest, TrailingGarbageAndMissingTail) {
  std::vector<std::string> payloads = {
      kHello + Bytes({0x00, 0x00, 0xff, 0xff}),  // the tail left in
      kHello + Bytes({0x01}),
      kHello + kHello.substr(0, 3),
      kHello + std::string(1000, '\xff'),
      Bytes({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}) + "garbage",  // behind BFINAL
      "",
      Bytes({0x06}),
      std::string(1000, '\xff')};
  for (size_t size = 1; size + 1 < kHello.size(); ++size)
    payloads.push_back(kHello.substr(0, size));
  for (const std::string& payload : payloads) {
    for (const Receiving receiving : kEveryReceiving) {
      const Damage damage =
          RunAttack(With(Frame(0xc1, payload) + Frame(0xc1, kHello), 1000, receiving));
      EXPECT_EQ(damage.error, EPROTO);
      EXPECT_EQ(damage.close_code, 1007);
      EXPECT_EQ(damage.messages, 0u);
      EXPECT_EQ(damage.deflate_bytes_left, 0u);
      CheckBounds(damage, 4096);
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket
