#ifndef HALFPIPE_WEBSOCKET_CORE_OPCODE_H_
#define HALFPIPE_WEBSOCKET_CORE_OPCODE_H_

#include <cstdint>

namespace halfpipe::websocket {

// The opcodes of RFC 6455 sections 5.2 and 11.8, as they stand on the wire.
enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

// True for the six values above; 3..7 and 0xB..0xF are reserved.
constexpr bool IsKnownOpcode(uint8_t value) {
  return value <= 0x2 || (value >= 0x8 && value <= 0xA);
}

// Control frames are never fragmented and may stand between the fragments of a message.
constexpr bool IsControl(Opcode opcode) { return (static_cast<uint8_t>(opcode) & 0x8) != 0; }

// True for what starts a message: kText and kBinary.
constexpr bool StartsMessage(Opcode opcode) {
  return opcode == Opcode::kText || opcode == Opcode::kBinary;
}

// The RFC's word for it, such as "ping". Static text.
constexpr const char* OpcodeName(Opcode opcode) {
  switch (opcode) {
    case Opcode::kContinuation:
      return "continuation";
    case Opcode::kText:
      return "text";
    case Opcode::kBinary:
      return "binary";
    case Opcode::kClose:
      return "close";
    case Opcode::kPing:
      return "ping";
    case Opcode::kPong:
      return "pong";
  }
  return "reserved";
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_OPCODE_H_
