#ifndef HALFPIPE_WEBSOCKET_CORE_MASK_KEY_H_
#define HALFPIPE_WEBSOCKET_CORE_MASK_KEY_H_

#include <array>
#include <cstdint>

namespace halfpipe::websocket {

// A masking key in the order in which its bytes stand on the wire (RFC 6455 section 5.3).
using MaskKey = std::array<uint8_t, 4>;

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_MASK_KEY_H_
