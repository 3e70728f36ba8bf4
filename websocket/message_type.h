#ifndef HALFPIPE_WEBSOCKET_MESSAGE_TYPE_H_
#define HALFPIPE_WEBSOCKET_MESSAGE_TYPE_H_

#include <cstdint>

#include "websocket/core/opcode.h"

namespace halfpipe::websocket {

// What a message is to its receiver (RFC 6455 section 5.6). Text is UTF-8.
enum class MessageType : uint8_t { kBinary, kText };

// The opcode of such a message's first frame.
constexpr Opcode OpcodeOf(MessageType type) {
  return type == MessageType::kText ? Opcode::kText : Opcode::kBinary;
}

// The type of a message that begins with `opcode`, kText or kBinary.
constexpr MessageType TypeOf(Opcode opcode) {
  return opcode == Opcode::kText ? MessageType::kText : MessageType::kBinary;
}

static_assert(TypeOf(OpcodeOf(MessageType::kText)) == MessageType::kText);
static_assert(TypeOf(OpcodeOf(MessageType::kBinary)) == MessageType::kBinary);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_MESSAGE_TYPE_H_
