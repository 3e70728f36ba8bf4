#include "websocket/core/frame_header.h"

#include <algorithm>

#include "bytestream/base/check.h"
#include "websocket/core/close_code.h"

namespace halfpipe::websocket {
namespace {

constexpr uint8_t kFinBit = 0x80;
constexpr uint8_t kMaskBit = 0x80;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;

// The rule that the first two bytes break, as far as they are there; null if none. In the order of
// the bytes, so that the answer does not depend on how many have come.
const char* BreachInFirstBytes(absl::Span<const uint8_t> in, FrameRules rules) {
  const uint8_t first = in[0];
  if ((first & kRsvBits & ~rules.rsv_allowed) != 0) return "reserved bit set";
  if (!IsKnownOpcode(first & 0x0F)) return "reserved opcode";
  const bool control = IsControl(static_cast<Opcode>(first & 0x0F));
  if (control && (first & kFinBit) == 0) return "fragmented control frame";
  if (in.size() < 2) return nullptr;
  const bool masked = (in[1] & kMaskBit) != 0;
  if (rules.role == Role::kServer && !masked) return "frame from a client is not masked";
  if (rules.role == Role::kClient && masked) return "frame from a server is masked";
  if (control && (in[1] & ~kMaskBit) > kMaxControlPayload) return "control frame over 125 bytes";
  return nullptr;
}

// Bytes of extended length behind the second byte.
size_t ExtendedLengthSize(uint8_t second_byte) {
  const uint8_t length = second_byte & ~kMaskBit;
  return length == kLength64 ? 8 : length == kLength16 ? 2 : 0;
}

uint64_t ReadBigEndian(absl::Span<const uint8_t> in) {
  uint64_t value = 0;
  for (uint8_t byte : in) value = value << 8 | byte;
  return value;
}

}  // namespace

DecodeStatus ParseFrameHeader(absl::Span<const uint8_t> in, FrameRules rules, FrameHeader* header,
                              size_t* consumed, size_t* needed, ProtocolError* error) {
  if (in.empty()) {
    *needed = 2;
    return DecodeStatus::kNeedMore;
  }
  if (const char* breach = BreachInFirstBytes(in, rules); breach != nullptr) {
    *error = {kCloseProtocolError, breach};
    return DecodeStatus::kInvalid;
  }
  if (in.size() < 2) {
    *needed = 2;
    return DecodeStatus::kNeedMore;
  }

  const bool masked = (in[1] & kMaskBit) != 0;
  const size_t extended = ExtendedLengthSize(in[1]);
  const size_t size = 2 + extended + (masked ? 4 : 0);
  uint64_t length = in[1] & ~kMaskBit;
  if (extended == 8 && in.size() > 2 && (in[2] & 0x80) != 0) {
    *error = {kCloseProtocolError, "frame length with its top bit set"};
    return DecodeStatus::kInvalid;
  }
  if (extended != 0 && in.size() >= 2 + extended) {
    length = ReadBigEndian(in.subspan(2, extended));
    if (length < (extended == 2 ? uint64_t{kLength16} : uint64_t{0x10000})) {
      *error = {kCloseProtocolError, "frame length not in its shortest form"};
      return DecodeStatus::kInvalid;
    }
  }
  if (in.size() < size) {
    *needed = size;
    return DecodeStatus::kNeedMore;
  }

  header->opcode = static_cast<Opcode>(in[0] & 0x0F);
  header->fin = (in[0] & kFinBit) != 0;
  header->rsv = in[0] & kRsvBits;
  header->masked = masked;
  header->mask_key = {};
  if (masked) std::copy_n(in.data() + 2 + extended, 4, header->mask_key.begin());
  header->payload_size = length;
  *consumed = size;
  return DecodeStatus::kDone;
}

size_t FrameHeaderSize(const FrameHeader& header) {
  const size_t extended = header.payload_size < kLength16 ? 0
                          : header.payload_size < 0x10000 ? 2
                                                          : 8;
  return 2 + extended + (header.masked ? 4 : 0);
}

size_t SerializeFrameHeader(const FrameHeader& header, absl::Span<uint8_t> out) {
  const size_t size = FrameHeaderSize(header);
  HALFPIPE_CHECK(out.size() >= size);
  const size_t extended = size - 2 - (header.masked ? 4 : 0);
  out[0] = static_cast<uint8_t>((header.fin ? kFinBit : 0) | (header.rsv & kRsvBits) |
                                static_cast<uint8_t>(header.opcode));
  out[1] = static_cast<uint8_t>((header.masked ? kMaskBit : 0) |
                                (extended == 8   ? kLength64
                                 : extended == 2 ? kLength16
                                                 : header.payload_size));
  for (size_t i = 0; i < extended; ++i) {
    out[2 + i] = static_cast<uint8_t>(header.payload_size >> (8 * (extended - 1 - i)));
  }
  if (header.masked) std::copy_n(header.mask_key.begin(), 4, out.data() + 2 + extended);
  return size;
}

}  // namespace halfpipe::websocket
