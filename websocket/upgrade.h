#ifndef HALFPIPE_WEBSOCKET_UPGRADE_H_
#define HALFPIPE_WEBSOCKET_UPGRADE_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"

namespace halfpipe::websocket {

// The opening handshake (RFC 6455 section 4) on a bytestream. Bytes behind the head stay in the
// stream's read buffer: they are the first frames. After a failure the stream is of no more use;
// the caller owns it all the same.

struct ClientUpgradeOptions {
  absl::string_view target = "/";  // path and query
  absl::string_view host = {};     // host[:port] for the Host field
  absl::Span<const absl::string_view> subprotocols = {};
  absl::Span<const http::Field> extra_fields = {};
  // Offered if `enabled`; `result` tells what came of it, and has to be there then.
  DeflateOptions deflate = {};
  http::Limits limits = {};
  Entropy* entropy = &Entropy::System();  // of the key
};

// What the server said; for messages and for programs that want to know why.
struct ClientUpgradeResult {
  int status = 0;           // of the final response; 0 if none came
  std::string subprotocol;  // chosen; empty for none
  // What was agreed on, for Options::deflate_params.
  std::optional<DeflateParams> deflate = {};
};

// Asks to speak WebSocket. `result` may be null. Allocates nothing if `result` is null.
//   EACCES      a well-formed answer that refuses
//   EPROTO      anything else but a correct 101
//   EINVAL      a target, host, field, subprotocol or compression that may not be asked for
//   ECONNRESET  the stream ended or broke
//   ETIMEDOUT, ECANCELED, ENOMEM
absl::Status ClientUpgrade(Runtime* runtime, Bytestream* stream,
                           const ClientUpgradeOptions& options, ClientUpgradeResult* result,
                           Deadline deadline);

// A request that was judged good, before it is answered. Views live until the hook returns.
struct UpgradeRequest {
  const http::RequestHead& head;
  absl::string_view resource;     // path and query, begins with "/"
  absl::string_view host;         // host[:port]
  absl::string_view subprotocol;  // chosen; empty for none
  // What is agreed on if the request is accepted, for Options::deflate_params.
  std::optional<DeflateParams> deflate;
};

// An answer to a request that does not ask for an upgrade.
struct PlainResponse {
  int status = 404;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct ServerUpgradeOptions {
  // What we speak.
  absl::Span<const absl::string_view> subprotocols = {};
  // Whether and how a client may have compression.
  DeflateOptions deflate = {};
  http::Limits limits = {};
};

// Called with a good request: 0 accepts it, an HTTP status of 400..599 refuses it with that.
using UpgradeHook = absl::FunctionRef<int(const UpgradeRequest&)>;
// Called with a well-formed request that does not ask for an upgrade.
using PlainHook = absl::FunctionRef<PlainResponse(const http::RequestHead&)>;

// Answers a request to speak WebSocket. A bad one is answered with the right status (400, 405, 414,
// 426, 431, 501, 505) before the call fails; the outbound direction is ended then, and what has
// arrived is dropped, so that closing next does not reset the connection under the answer.
// Allocates nothing, the hook
// and compression aside.
//   EPROTO      a bad request
//   EACCES      the hook has refused
//   EINVAL      options of compression out of range; nothing was read
//   ECONNRESET  the stream ended or broke
//   ETIMEDOUT, ECANCELED, ENOMEM
absl::Status ServerUpgrade(Runtime* runtime, Bytestream* stream,
                           const ServerUpgradeOptions& options, UpgradeHook hook,
                           Deadline deadline);

// The same for a port that also serves plain requests: a GET or HEAD without Upgrade goes to
// `plain`, its answer is sent with Connection: close, and the call ends with ENOTSUP: no WebSocket
// came of it.
absl::Status ServerUpgradeOrPlain(Runtime* runtime, Bytestream* stream,
                                  const ServerUpgradeOptions& options, UpgradeHook hook,
                                  PlainHook plain, Deadline deadline);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_UPGRADE_H_
