// The rules without I/O, for a program with an event loop of its own: RFC 6455's own example of a
// key (section 1.3) and of a frame (section 5.7), from bytes that came by whatever way.
#include <cstddef>
#include <cstdint>
#include <iostream>

#include "absl/types/span.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/masking.h"
#include "websocket/core/opcode.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"
#include "websocket/handshake/accept_key.h"

namespace websocket = halfpipe::websocket;

int main() {
  const auto accept = websocket::AcceptValue("dGhlIHNhbXBsZSBub25jZQ==");
  if (websocket::AsView(accept) != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") return 1;

  uint8_t bytes[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
  websocket::FrameHeader header;
  websocket::ProtocolError error;
  size_t consumed = 0;
  size_t needed = 0;
  if (websocket::ParseFrameHeader(bytes, websocket::Role::kServer, &header, &consumed, &needed,
                                  &error) != websocket::DecodeStatus::kDone) {
    return 1;
  }
  const absl::Span<uint8_t> payload =
      absl::MakeSpan(bytes).subspan(consumed, static_cast<size_t>(header.payload_size));
  websocket::Mask(payload, header.mask_key, 0);
  const absl::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (header.opcode != websocket::Opcode::kText || text != "Hello") return 1;
  std::cout << text << "\n";
  return 0;
}
