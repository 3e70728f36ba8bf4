#ifndef HALFPIPE_WEBSOCKET_CORE_ROLE_H_
#define HALFPIPE_WEBSOCKET_CORE_ROLE_H_

#include <cstdint>

namespace halfpipe::websocket {

// Which end of the connection we are. A client masks every frame that it sends, a server none
// (RFC 6455 section 5.1).
enum class Role : uint8_t { kClient, kServer };

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_ROLE_H_
