#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_HANDSHAKE_FIELDS_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_HANDSHAKE_FIELDS_H_

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace halfpipe::websocket {

// Whether the opening handshake decides about the field called `name`, in a request and in a 101:
// no caller may add one to either. So for what must be named in Connection (TE and Keep-Alive, RFC
// 9110 sections 7.6.1 and 10.1.4), and for what is said about content, of which there is none
// (Trailer, Expect; section 10.1.1 forbids the latter). Pure.
inline bool IsHandshakeField(absl::string_view name) {
  for (const absl::string_view own :
       {"Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Keep-Alive",
        "Trailer", "Expect"}) {
    if (absl::EqualsIgnoreCase(name, own)) return true;
  }
  return absl::StartsWithIgnoreCase(name, "Sec-WebSocket-");
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_HANDSHAKE_FIELDS_H_
