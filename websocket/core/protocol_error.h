#ifndef HALFPIPE_WEBSOCKET_CORE_PROTOCOL_ERROR_H_
#define HALFPIPE_WEBSOCKET_CORE_PROTOCOL_ERROR_H_

#include <cstdint>

namespace halfpipe::websocket {

// A breach of the protocol or of a limit by the peer: a value, copied freely, owning nothing.
struct ProtocolError {
  // What our Close frame should say, such as 1002 (RFC 6455 section 7.4.1).
  uint16_t close_code = 0;
  // The rule that was broken, for people. Static text without bytes of the peer's. Never null.
  const char* what = "";
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_PROTOCOL_ERROR_H_
