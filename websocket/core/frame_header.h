#ifndef HALFPIPE_WEBSOCKET_CORE_FRAME_HEADER_H_
#define HALFPIPE_WEBSOCKET_CORE_FRAME_HEADER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/opcode.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {

// Two bytes, eight of extended length, four of masking key.
inline constexpr size_t kMaxFrameHeaderSize = 14;

// The longest payload a frame can announce: the top bit of a length is always 0.
inline constexpr uint64_t kMaxFramePayload = UINT64_MAX >> 1;

// The reserved bits, as they stand in the first byte.
inline constexpr uint8_t kRsv1 = 0x40;
inline constexpr uint8_t kRsv2 = 0x20;
inline constexpr uint8_t kRsv3 = 0x10;
inline constexpr uint8_t kRsvBits = kRsv1 | kRsv2 | kRsv3;

// The head of one frame (RFC 6455 section 5.2).
struct FrameHeader {
  Opcode opcode = Opcode::kContinuation;
  bool fin = true;
  bool masked = false;
  uint8_t rsv = 0;            // Any of kRsv1, kRsv2, kRsv3.
  MaskKey mask_key{};         // All zero unless `masked`.
  uint64_t payload_size = 0;  // At most kMaxFramePayload.

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

// What a reader of frames accepts. Converts from the reader's own role: no reserved bits then.
struct FrameRules {
  constexpr FrameRules(Role reader_role, uint8_t allowed_rsv = 0)  // NOLINT: implicit on purpose.
      : role(reader_role), rsv_allowed(allowed_rsv) {}

  Role role;            // A server wants every frame masked, a client none.
  uint8_t rsv_allowed;  // Reserved bits that an agreed extension gives a meaning to.
};

enum class DecodeStatus : uint8_t { kDone, kNeedMore, kInvalid };

// Reads frame headers off the wire (RFC 6455 section 5.2). Pure and stateless.
//
// `in` may be any length; at most kMaxFrameHeaderSize (14) bytes are looked at.
//   kDone      *header is set and *consumed is 2..14.
//   kNeedMore  nothing consumed; call again with at least *needed bytes (2..14, more than `in`
//              has).
//   kInvalid   not a frame we accept; *error names the rule, close code 1002. A breach is told as
//              soon as its byte is there, and it is the same one however the bytes were cut.
// Nothing else is written. Lengths must use the shortest form; the length's top bit must be 0.
// Control frames carry FIN and at most 125 bytes. Whether a continuation may come now is not
// decided here.
//
// Example:
//   switch (ParseFrameHeader(bytes, Role::kServer, &header, &consumed, &needed, &error)) ...
[[nodiscard]] DecodeStatus ParseFrameHeader(absl::Span<const uint8_t> in, FrameRules rules,
                                            FrameHeader* header, size_t* consumed, size_t* needed,
                                            ProtocolError* error);

// The number of bytes that SerializeFrameHeader() will write, 2..14.
size_t FrameHeaderSize(const FrameHeader& header);

// Writes `header` in its shortest form and returns its size. `out` has at least
// FrameHeaderSize(header) bytes; kMaxFrameHeaderSize is always enough. The mask key is written only
// if `masked`. Any header is written as it is, legal or not.
size_t SerializeFrameHeader(const FrameHeader& header, absl::Span<uint8_t> out);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_FRAME_HEADER_H_
