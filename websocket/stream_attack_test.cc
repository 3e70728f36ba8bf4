// What a hostile peer can try after the opening handshake, by class, and the most that one
// connection holds meanwhile. The bounds are those of the table in README.md.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/role.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/attack.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/replay_bytestream.h"
#include "websocket/testing/wire_builder.h"
#include "websocket/testing/wire_reader.h"

namespace halfpipe::websocket {
namespace {

// What a connection may take from the heap for itself: statuses, the text of a failure, the least
// room to put a message together.
constexpr size_t kSmall = 8 * 1024;
// Two of the connection's own, to read into and to send with; two of the pair's in each direction;
// one that the peer reads into.
constexpr size_t kBlocks = 7;

constexpr Role kRoles[] = {Role::kServer, Role::kClient};

Role PeerOf(Role role) { return role == Role::kServer ? Role::kClient : Role::kServer; }

Options As(Role role) {
  Options options;
  options.role = role;
  return options;
}

// Sends `bytes` once.
std::function<bool(std::string*)> Once(std::string bytes) {
  return [bytes = std::move(bytes), done = false](std::string* out) mutable {
    if (std::exchange(done, true)) return false;
    out->append(bytes);
    return true;
  };
}

// Sends `first`, then `count` times `frame`, then `last`.
std::function<bool(std::string*)> Over(uint64_t count, std::string frame, std::string first = "",
                                       std::string last = "") {
  return [=, sent = uint64_t{0}, ended = false](std::string* out) mutable {
    if (ended) return false;
    if (sent == 0) out->append(first);
    while (sent < count && out->size() + frame.size() < 16'000) {
      out->append(frame);
      ++sent;
    }
    if (sent == count) {
      out->append(last);
      ended = true;
    }
    return true;
  };
}

// ---- Lengths ------------------------------------------------------------------------------------

// Class: 64-bit lengths that are negative as a signed number, or wrap what they are added to.
TEST(StreamAttackTest, LengthsThatWrapOrHaveASign) {
  using Form = WireBuilder::LengthForm;
  const uint64_t kTop = uint64_t{1} << 63;
  for (const Role role : kRoles) {
    const WireBuilder peer(PeerOf(role));
    for (const Receiving receiving : kEveryReceiving) {
      const auto run = [&](const std::string& wire, uint64_t message_bytes_max) {
        Attack attack = {.next = Once(wire), .options = As(role), .receiving = receiving};
        attack.options.message_bytes_max = message_bytes_max;
        const Damage damage = RunAttack(attack);
        EXPECT_LE(damage.heap_bytes, kSmall);
        EXPECT_LE(damage.blocks, kBlocks);
        return damage.close_code;
      };
      const uint64_t most = kTop - 1;
      for (const uint64_t length : {kTop, kTop + 1, UINT64_MAX - 1, UINT64_MAX - 13}) {
        EXPECT_EQ(run(WireBuilder(peer).Frame(
                          {.first_byte = 0x82, .length_form = Form::k64, .announced_size = length}),
                      most),
                  1002)
            << length;
        EXPECT_EQ(
            run(WireBuilder(peer)
                    .Binary("ab", WireBuilder::kMore)
                    .Frame(
                        {.first_byte = 0x80, .length_form = Form::k64, .announced_size = length}),
                most),
            1002)
            << length;
      }
      // Legal in themselves; together with what came before they are beyond everything.
      const std::string sum = WireBuilder(peer).Binary("ab", WireBuilder::kMore).Header(0x80, most);
      EXPECT_EQ(run(sum, most), 1009);
      EXPECT_EQ(run(WireBuilder(peer).Header(0x82, most), most - 1), 1009);
      EXPECT_EQ(run(WireBuilder(peer).Header(0x82, uint64_t{1} << 32), 1000), 1009);
    }
  }
}

// Class: a length is announced, and nothing or little of it sent.
TEST(StreamAttackTest, LengthAnnouncedButNeverSent) {
  for (const Role role : kRoles) {
    for (const Receiving receiving : kEveryReceiving) {
      for (const size_t size : {0u, 1u, 1000u}) {
        for (const uint64_t announced : {uint64_t{20'000}, uint64_t{16} << 20, uint64_t{1} << 40}) {
          WireBuilder wire(PeerOf(role));
          wire.Header(0x82, announced).Raw(std::string(size, 'x'));
          Attack attack = {.next = Once(wire), .options = As(role), .receiving = receiving};
          attack.options.message_bytes_max = uint64_t{1} << 50;
          const Damage damage = RunAttack(attack);
          EXPECT_EQ(damage.error, ETIMEDOUT);
          EXPECT_LE(damage.heap_bytes, kSmall + 2 * 4096) << size << " of " << announced;
          EXPECT_LE(damage.blocks, kBlocks);
        }
      }
    }
  }
}

// What has come of it is what memory follows: at most twice, and once more while it grows.
TEST(StreamAttackTest, MemoryFollowsWhatHasCome) {
  for (const size_t size : {20'000u, 100'000u, 1'000'000u}) {
    const std::string header = WireBuilder(Role::kServer).Header(0x82, uint64_t{1} << 40);
    Attack attack = {.next = Over(size / 1000, std::string(1000, 'x'), header),
                     .options = As(Role::kClient)};
    attack.options.message_bytes_max = uint64_t{1} << 50;
    const Damage damage = RunAttack(attack);
    EXPECT_EQ(damage.error, ETIMEDOUT);
    EXPECT_GE(damage.heap_bytes, size);
    EXPECT_LE(damage.heap_bytes, 3 * size + 2 * 4096 + kSmall);
  }
}

// ---- Fragments ----------------------------------------------------------------------------------

// Class: fragments without end, of one byte each.
TEST(StreamAttackTest, FragmentFlood) {
  constexpr size_t kMax = 50'000;
  for (const Role role : kRoles) {
    const std::string first = WireBuilder(PeerOf(role)).Binary("", WireBuilder::kMore);
    const std::string more = WireBuilder(PeerOf(role)).Continuation("x", WireBuilder::kMore);
    for (const Receiving receiving : kEveryReceiving) {
      Attack attack = {.next = Over(1'000'000, more, first),
                       .options = As(role),
                       .receiving = receiving,
                       .fill_bytes = 100'000};
      attack.options.message_bytes_max = kMax;
      const Damage damage = RunAttack(attack);
      EXPECT_EQ(damage.close_code, 1009);
      EXPECT_EQ(damage.messages, 0u);
      // The memory of the message is there twice while it grows.
      EXPECT_LE(damage.heap_bytes, kSmall + (receiving == Receiving::kView ? 2 * kMax : 0));
      EXPECT_LE(damage.blocks, kBlocks);
      EXPECT_LE(damage.bytes_sent, (kMax + 1) * more.size() + 2 * 16'384 + 16'000);
    }
  }
}

// Class: fragments without end that are empty, so that no bound of bytes is ever met. Their number
// is bounded; without that bound they cost no memory either.
TEST(StreamAttackTest, EndlessEmptyFragments) {
  for (const bool bounded : {true, false}) {
    for (const Receiving receiving : kEveryReceiving) {
      const std::string first = WireBuilder(Role::kClient).Text("", WireBuilder::kMore);
      const std::string more = WireBuilder(Role::kClient).Continuation("", WireBuilder::kMore);
      const std::string last = WireBuilder(Role::kClient).Continuation("").Close(1000);
      Attack attack = {.next = Over(200'000, more, first, last), .receiving = receiving};
      if (!bounded) attack.options.fragments_per_message_max = 0;
      const Damage damage = RunAttack(attack);
      EXPECT_EQ(damage.error, bounded ? EPROTO : 0);
      EXPECT_EQ(damage.close_code, bounded ? 1008 : 0);
      EXPECT_EQ(damage.messages, bounded ? 0u : 1u);
      EXPECT_LE(damage.heap_bytes, kSmall);
      EXPECT_LE(damage.blocks, kBlocks);
    }
  }
}

// ---- Control frames -----------------------------------------------------------------------------

// Class: control frames over 125 bytes and in fragments. Nothing of them is kept or waited for.
TEST(StreamAttackTest, ControlFramesTooLargeOrFragmented) {
  for (const Role role : kRoles) {
    for (const int control : {0x88, 0x89, 0x8a}) {
      std::vector<std::string> wires;
      for (const uint64_t size :
           {uint64_t{126}, uint64_t{127}, uint64_t{65'536}, (uint64_t{1} << 63) - 1}) {
        wires.push_back(WireBuilder(PeerOf(role)).Header(static_cast<uint8_t>(control), size));
      }
      for (const uint64_t size : {uint64_t{0}, uint64_t{5}, uint64_t{126}}) {
        wires.push_back(
            WireBuilder(PeerOf(role)).Header(static_cast<uint8_t>(control - 128), size));
      }
      for (const std::string& wire : wires) {
        const Damage damage = RunAttack({.next = Once(wire), .options = As(role)});
        EXPECT_EQ(damage.error, EPROTO);
        EXPECT_EQ(damage.close_code, 1002);
        EXPECT_LE(damage.heap_bytes, kSmall);
        EXPECT_LE(damage.blocks, kBlocks);
      }
    }
  }
}

// Class: control frames without end, also while nothing can be sent to the peer. Their number in a
// second is bounded; without that bound they cost no memory either.
TEST(StreamAttackTest, ControlFlood) {
  for (const Role role : kRoles) {
    const std::string ping = WireBuilder(PeerOf(role)).Ping(std::string(125, 'p'));
    const std::string pong = WireBuilder(PeerOf(role)).Pong(std::string(125, 'q'));
    const std::string last = WireBuilder(PeerOf(role)).Close(1000);
    for (const std::string& frame : {ping, ping + pong}) {
      for (const bool reads : {false, true}) {
        for (const bool bounded : {false, true}) {
          const uint64_t count = reads || bounded ? 10'000 : 100'000;
          Attack attack = {
              .next = Over(count, frame, "", last), .reads = reads, .options = As(role)};
          if (!bounded) attack.options.control_frames_per_second_max = 0;
          const Damage damage = RunAttack(attack);
          EXPECT_EQ(damage.error, bounded ? EPROTO : 0);
          EXPECT_EQ(damage.close_code, bounded ? 1008 : 0);
          if (!bounded) {
            EXPECT_EQ(damage.bytes_sent, count * frame.size() + last.size());
          }
          EXPECT_LE(damage.heap_bytes, kSmall);
          EXPECT_LE(damage.blocks, kBlocks);
        }
      }
    }
  }
}

// ---- Masks --------------------------------------------------------------------------------------

// The keys of what a client sends in `frames` messages, some of them in fragments, and of a pong.
std::vector<MaskKey> KeysOf(Entropy* entropy, size_t frames) {
  SimRuntime runtime;
  Recorded recorded;
  Options options = As(Role::kClient);
  options.send_frame_bytes_max = 4;
  if (entropy != nullptr) options.entropy = entropy;
  {
    const std::string ping = WireBuilder(Role::kServer).Ping("p").Close(1000);
    Stream stream(&runtime, BytestreamPtr(new ReplayBytestream(OnePiece(ping), &recorded)),
                  options);
    const Deadline never = Deadline::Never();
    for (size_t i = 0; i < frames; i += 3) {
      EXPECT_THAT(stream.SendText("the same", never), IsOk());  // in two frames
      EXPECT_THAT(stream.Ping({}, never), IsOk());
    }
    EXPECT_THAT(stream.ReceiveView(never), IsOk());
  }
  std::vector<MaskKey> keys;
  const WireContent content = ReadWire(recorded.written, Role::kClient);
  EXPECT_EQ(content.breach, "");
  for (const WireFrame& frame : content.frames) keys.push_back(frame.mask_key);
  return keys;
}

class CountingEntropy final : public Entropy {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    EXPECT_EQ(out.size(), 4u);
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(count_ >> 8 * (&byte - out.data()));
    ++count_;
  }
  uint32_t count() const { return count_; }

 private:
  uint32_t count_ = 0;
};

// Class: masking keys that can be told in advance (RFC 6455 sections 5.3 and 10.3). By default they
// come from the system's source; each frame, fragments and control frames too, has its own.
TEST(StreamAttackTest, MasksAreTheSystemsAndNewForEachFrame) {
  EXPECT_EQ(Options().entropy, &Entropy::System());
  CountingEntropy counting;
  const std::vector<MaskKey> counted = KeysOf(&counting, 300);
  ASSERT_EQ(counted.size(), 302u);  // with a pong and a Close
  EXPECT_EQ(counting.count(), counted.size());
  for (size_t i = 0; i < counted.size(); ++i) {
    EXPECT_EQ(counted[i], (MaskKey{static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8), 0, 0}));
  }

  const std::vector<MaskKey> keys = KeysOf(nullptr, 1500);
  const std::set<MaskKey> distinct(keys.begin(), keys.end());
  // Of 1,500 keys of 32 bits two may be alike by chance, with 1 in 4,000; not five pairs.
  EXPECT_GE(distinct.size(), keys.size() - 4);
  for (size_t byte = 0; byte < 4; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      const auto set = std::count_if(keys.begin(), keys.end(), [&](const MaskKey& key) {
        return (key[byte] >> bit & 1) != 0;
      });
      // Fifteen standard deviations to either side.
      EXPECT_GT(set, 450);
      EXPECT_LT(set, 1052);
    }
  }
  // Another connection has other keys.
  const std::vector<MaskKey> others = KeysOf(nullptr, 1500);
  EXPECT_NE(keys, others);
}

}  // namespace
}  // namespace halfpipe::websocket
