#ifndef HALFPIPE_WEBSOCKET_CLIENT_URL_H_
#define HALFPIPE_WEBSOCKET_CLIENT_URL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace halfpipe::websocket {

// What a URL asks a client for.
struct ClientUrl {
  std::string unix_path = {};  // of a Unix socket; empty: `host` and `port` count
  std::string host = {};       // without brackets
  uint16_t port = 0;
  bool secure = false;          // TLS
  std::string host_field = {};  // what goes into Host
  std::string resource = {};    // path and query, begins with "/"
};

// Reads one of
//   ws://HOST[:PORT][/PATH][?QUERY], the same with wss
//   ws+unix:PATH[:RESOURCE]
// where PATH names a Unix socket as UnixConnect() takes it, "@" in front of an abstract one, and ends
// at the first ":/", since RESOURCE begins with "/": it is what HOST is followed by elsewhere, and "/"
// if it is left out. Schemes are matched without regard to case. Pure.
//   EINVAL  any other text, with a line for people. Whether a Unix socket may have such a name is
//           not looked at.
//
// Example:
//   absl::StatusOr<ClientUrl> url = ParseClientUrl("ws+unix:/run/app.sock:/chat?room=1");
absl::StatusOr<ClientUrl> ParseClientUrl(absl::string_view text);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CLIENT_URL_H_
