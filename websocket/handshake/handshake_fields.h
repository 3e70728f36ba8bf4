#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_HANDSHAKE_FIELDS_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_HANDSHAKE_FIELDS_H_

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace halfpipe::websocket {

// Whether the opening handshake decides about the field called `name`, in a request and in a 101: no
// caller may add one to either. Pure.
inline bool IsHandshakeField(absl::string_view name) {
  for (const absl::string_view own :
       {"Upgrade", "Connection", "Content-Length", "Transfer-Encoding"}) {
    if (absl::EqualsIgnoreCase(name, own)) return true;
  }
  return absl::StartsWithIgnoreCase(name, "Sec-WebSocket-");
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_HANDSHAKE_FIELDS_H_
