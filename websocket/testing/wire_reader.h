#ifndef HALFPIPE_WEBSOCKET_TESTING_WIRE_READER_H_
#define HALFPIPE_WEBSOCKET_TESTING_WIRE_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {

// One frame off the wire, unmasked.
struct WireFrame {
  uint8_t first_byte = 0;  // FIN, reserved bits and opcode.
  MaskKey mask_key = {};   // All zero if it was not masked.
  std::string payload;
};

// What an endpoint has sent.
struct WireContent {
  std::vector<WireFrame> frames;
  // The rule that was broken first, empty if none was. `frames` are those in front of the breach.
  std::string breach;
};

// Reads what an endpoint of role `sender` has sent after its opening handshake, and judges it as
// the strictest of peers would (RFC 6455 sections 5.1 to 5.6, 7.4 and 8.1): masks, length forms,
// reserved bits and opcodes, the order of fragments, UTF-8, Close payloads, no data behind a Close,
// nothing cut off at the end. With `deflate` the first frame of a message may have RSV1; the
// payload of such a message is not looked at.
//
// For tests and fuzzers, written apart from the production parser, with numbers in place of its
// constants, so that one mistake cannot hide in both.
WireContent ReadWire(absl::string_view wire, Role sender, bool deflate = false);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_WIRE_READER_H_
