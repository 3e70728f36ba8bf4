#include "websocket/core/frame_header.h"

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/opcode.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

constexpr Role kReaders[] = {Role::kClient, Role::kServer};
constexpr uint64_t kSizes[] = {0,
                               1,
                               124,
                               125,
                               126,
                               127,
                               128,
                               65534,
                               65535,
                               65536,
                               65537,
                               0xFFFFFFFF,
                               1ull << 32,
                               (1ull << 62) + 5,
                               kMaxFramePayload - 1,
                               kMaxFramePayload};

Role Peer(Role role) { return role == Role::kClient ? Role::kServer : Role::kClient; }

struct Result {
  DecodeStatus status;
  FrameHeader header;
  size_t consumed = 0;
  size_t needed = 0;
  ProtocolError error;
};

Result Parse(const std::string& wire, FrameRules rules) {
  Result result;
  result.status = ParseFrameHeader(AsBytes(wire), rules, &result.header, &result.consumed,
                                   &result.needed, &result.error);
  return result;
}

std::string Serialize(const FrameHeader& header) {
  uint8_t out[kMaxFrameHeaderSize];
  const size_t size = SerializeFrameHeader(header, absl::MakeSpan(out));
  EXPECT_EQ(size, FrameHeaderSize(header));
  return std::string(reinterpret_cast<const char*>(out), size);
}

// Every prefix asks for more, and following the advice ends at the header's size.
void ExpectPrefixesAskForMore(const std::string& header, FrameRules rules) {
  for (size_t size = 0; size < header.size(); ++size) {
    const Result result = Parse(header.substr(0, size), rules);
    ASSERT_EQ(result.status, DecodeStatus::kNeedMore) << absl::CHexEscape(header) << " " << size;
    ASSERT_GT(result.needed, size);
    ASSERT_EQ(result.needed, size < 2 ? 2 : header.size());
    ASSERT_EQ(result.consumed, 0u);
    ASSERT_EQ(result.header, FrameHeader());
  }
}

// The examples of RFC 6455 section 5.7.
TEST(FrameHeaderTest, ReadsAndWritesTheExamplesOfTheRfc) {
  const MaskKey key = {0x37, 0xfa, 0x21, 0x3d};
  const struct {
    std::string wire;
    Role reader;
    FrameHeader header;
  } kExamples[] = {
      {Bytes({0x81, 0x05}), Role::kClient, {Opcode::kText, true, false, 0, {}, 5}},
      {Bytes({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d}),
       Role::kServer,
       {Opcode::kText, true, true, 0, key, 5}},
      {Bytes({0x01, 0x03}), Role::kClient, {Opcode::kText, false, false, 0, {}, 3}},
      {Bytes({0x80, 0x02}), Role::kClient, {Opcode::kContinuation, true, false, 0, {}, 2}},
      {Bytes({0x89, 0x05}), Role::kClient, {Opcode::kPing, true, false, 0, {}, 5}},
      {Bytes({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d}),
       Role::kServer,
       {Opcode::kPong, true, true, 0, key, 5}},
      {Bytes({0x82, 0x7e, 0x01, 0x00}), Role::kClient, {Opcode::kBinary, true, false, 0, {}, 256}},
      {Bytes({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}),
       Role::kClient,
       {Opcode::kBinary, true, false, 0, {}, 65536}},
  };
  for (const auto& example : kExamples) {
    // What follows the header is not looked at.
    const Result result = Parse(example.wire + "\xff\xff\xff", example.reader);
    ASSERT_EQ(result.status, DecodeStatus::kDone) << absl::CHexEscape(example.wire);
    EXPECT_EQ(result.consumed, example.wire.size());
    EXPECT_EQ(result.header, example.header);
    EXPECT_EQ(Serialize(example.header), example.wire);
    ExpectPrefixesAskForMore(example.wire, example.reader);
  }
}

TEST(FrameHeaderTest, EveryLengthGoesThereAndBack) {
  for (Role reader : kReaders) {
    for (uint64_t size : kSizes) {
      const std::string wire = WireBuilder(Peer(reader)).Header(0x02, size).str();
      const Result result = Parse(wire, reader);
      ASSERT_EQ(result.status, DecodeStatus::kDone) << size;
      EXPECT_EQ(result.consumed, wire.size());
      EXPECT_EQ(result.header.payload_size, size);
      EXPECT_EQ(result.header.masked, reader == Role::kServer);
      EXPECT_EQ(Serialize(result.header), wire) << size;
      ExpectPrefixesAskForMore(wire, reader);
    }
  }
}

// The first two bytes decide most; all of them, for both roles, against the rules written out.
TEST(FrameHeaderTest, EveryPairOfFirstBytesIsJudged) {
  for (Role reader : kReaders) {
    for (int first = 0; first < 256; ++first) {
      for (int second = 0; second < 256; ++second) {
        const int opcode = first % 16;
        const int length = second % 128;
        const bool control = opcode >= 8;
        const bool opcode_ok = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        const bool ok = (first & 0x70) == 0 && opcode_ok &&
                        (second >= 128) == (reader == Role::kServer) &&
                        (!control || (first >= 128 && length <= 125));
        const Result result = Parse(Bytes({first, second}), reader);
        ASSERT_EQ(result.status != DecodeStatus::kInvalid, ok) << first << " " << second;
        if (!ok) {
          ASSERT_EQ(result.error.close_code, 1002);
        }
      }
    }
  }
}

struct Breach {
  std::string wire;
  Role reader;
  const char* what;
  size_t bytes_to_tell;  // How many bytes it takes to know.
};

std::string Long(uint64_t size) {
  return WireBuilder(Role::kServer)
      .Frame({.first_byte = 0x82,
              .length_form = WireBuilder::LengthForm::k64,
              .announced_size = size,
              .flip_mask = false,
              .payload = ""})
      .str();
}

std::string Medium(uint64_t size) {
  return WireBuilder(Role::kServer)
      .Frame({.first_byte = 0x82,
              .length_form = WireBuilder::LengthForm::k16,
              .announced_size = size,
              .flip_mask = false,
              .payload = ""})
      .str();
}

// A breach is told as soon as its byte is there, and the same one however the bytes are cut.
TEST(FrameHeaderTest, BreachesAreToldEarlyAndAlways) {
  const Breach kBreaches[] = {
      {Bytes({0xc1, 0x00}), Role::kClient, "reserved bit set", 1},
      {Bytes({0xa1, 0x00}), Role::kClient, "reserved bit set", 1},
      {Bytes({0x91, 0x00}), Role::kClient, "reserved bit set", 1},
      {Bytes({0xf3, 0x00}), Role::kClient, "reserved bit set", 1},
      {Bytes({0x83, 0x00}), Role::kClient, "reserved opcode", 1},
      {Bytes({0x87, 0x00}), Role::kClient, "reserved opcode", 1},
      {Bytes({0x8b, 0x00}), Role::kClient, "reserved opcode", 1},
      {Bytes({0x8f, 0x00}), Role::kClient, "reserved opcode", 1},
      {Bytes({0x08, 0x00}), Role::kClient, "fragmented control frame", 1},
      {Bytes({0x09, 0x00}), Role::kClient, "fragmented control frame", 1},
      {Bytes({0x0a, 0x00}), Role::kClient, "fragmented control frame", 1},
      {Bytes({0x81, 0x00}), Role::kServer, "frame from a client is not masked", 2},
      {Bytes({0x81, 0x80, 1, 2, 3, 4}), Role::kClient, "frame from a server is masked", 2},
      {Bytes({0x89, 0x7e, 0x00, 0x7e}), Role::kClient, "control frame over 125 bytes", 2},
      {Bytes({0x88, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}), Role::kClient, "control frame over 125 bytes",
       2},
      {Medium(0), Role::kClient, "frame length not in its shortest form", 4},
      {Medium(125), Role::kClient, "frame length not in its shortest form", 4},
      {Long(0), Role::kClient, "frame length not in its shortest form", 10},
      {Long(126), Role::kClient, "frame length not in its shortest form", 10},
      {Long(65535), Role::kClient, "frame length not in its shortest form", 10},
      {Long(1ull << 63), Role::kClient, "frame length with its top bit set", 3},
      {Long(UINT64_MAX - 1), Role::kClient, "frame length with its top bit set", 3},
  };
  for (const Breach& breach : kBreaches) {
    for (size_t size = 0; size <= breach.wire.size(); ++size) {
      const Result result = Parse(breach.wire.substr(0, size), breach.reader);
      if (size < breach.bytes_to_tell) {
        ASSERT_EQ(result.status, DecodeStatus::kNeedMore) << absl::CHexEscape(breach.wire);
        continue;
      }
      ASSERT_EQ(result.status, DecodeStatus::kInvalid) << absl::CHexEscape(breach.wire);
      EXPECT_STREQ(result.error.what, breach.what);
      EXPECT_EQ(result.error.close_code, 1002);
      EXPECT_EQ(result.consumed, 0u);
      EXPECT_EQ(result.needed, 0u);
      EXPECT_EQ(result.header, FrameHeader());
    }
  }
}

// A length of 64 bits is checked for its top bit and its form before anybody computes with it.
// Fails if ParseFrameHeader() drops the check of in[2] & 0x80.
TEST(FrameHeaderTest, SixtyFourBitLengthsAreChecked) {
  EXPECT_EQ(Parse(Long(kMaxFramePayload), Role::kClient).status, DecodeStatus::kDone);
  EXPECT_EQ(Parse(Long(kMaxFramePayload + 1), Role::kClient).status, DecodeStatus::kInvalid);
  EXPECT_EQ(Parse(Long(UINT64_MAX - 1), Role::kClient).status, DecodeStatus::kInvalid);
  EXPECT_EQ(Parse(Long(65536), Role::kClient).status, DecodeStatus::kDone);
  EXPECT_EQ(Parse(Long(65535), Role::kClient).status, DecodeStatus::kInvalid);
}

TEST(FrameHeaderTest, ReservedBitsPassWhereTheyAreAllowed) {
  const std::string wire = Bytes({0xc1, 0x00});
  EXPECT_EQ(Parse(wire, {Role::kClient, kRsv1}).status, DecodeStatus::kDone);
  EXPECT_EQ(Parse(wire, {Role::kClient, kRsv1}).header.rsv, kRsv1);
  EXPECT_EQ(Parse(wire, {Role::kClient, kRsv2 | kRsv3}).status, DecodeStatus::kInvalid);
  EXPECT_EQ(Serialize(Parse(wire, {Role::kClient, kRsvBits}).header), wire);
}

// The header of a long frame from a client is the largest: 14 bytes, and not one beyond.
// Fails if kMaxFrameHeaderSize becomes 10.
TEST(FrameHeaderTest, TheLargestHeaderFillsItsBufferExactly) {
  FrameHeader header;
  header.opcode = Opcode::kBinary;
  header.masked = true;
  header.mask_key = {1, 2, 3, 4};
  header.payload_size = 65536;
  uint8_t memory[kMaxFrameHeaderSize + 8];
  std::memset(memory, 0xEE, sizeof memory);
  EXPECT_EQ(SerializeFrameHeader(header, absl::MakeSpan(memory, kMaxFrameHeaderSize)), 14u);
  EXPECT_EQ(kMaxFrameHeaderSize, 14u);
  for (size_t i = kMaxFrameHeaderSize; i < sizeof memory; ++i) EXPECT_EQ(memory[i], 0xEE);
}

}  // namespace
}  // namespace halfpipe::websocket
