#ifndef HALFPIPE_WEBSOCKET_UPGRADE_H_
#define HALFPIPE_WEBSOCKET_UPGRADE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "http/wall_clock.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/handshake/host_policy.h"
#include "websocket/handshake/origin_policy.h"
#include "websocket/options.h"

namespace halfpipe::websocket {

// The opening handshake (RFC 6455 section 4) on a bytestream. Bytes behind the head stay in the
// stream's read buffer: they are the first frames. After a failure the stream is of no more use;
// the caller owns it all the same. What has left it until then is whole: where time or memory fails
// before the first byte of a request or an answer, nothing of that is sent; behind its first byte
// the rest follows as the stream's tail, or, if that may not or cannot be, the stream is reset.
//
// Errors besides those named: EBADF where the stream was aborted, EBUSY where somebody else is in
// it, and of a system that has nothing left EMFILE, ENFILE, ENOBUFS and ENOSPC.

// ---- Client ------------------------------------------------------------------------------------

struct ClientUpgradeOptions {
  absl::string_view target = "/";  // path and query
  absl::string_view host = {};     // host[:port] for the Host field
  absl::Span<const absl::string_view> subprotocols = {};
  absl::Span<const http::Field> extra_fields = {};
  // Offered if `enabled`; `result` tells what came of it, and has to be there then.
  DeflateOptions deflate = {};
  http::Limits limits = {};               // head_bytes_max is at most Bytestream::kPeekMax.
  Entropy* entropy = &Entropy::System();  // of the key

  // scheme://host[:port] or "null", as IsValidOriginField() (handshake/origin_policy.h) wants it;
  // empty: none is sent.
  absl::string_view origin = {};
  absl::Span<const http::Cookie> cookies = {};
  // Authorization; at most one of them. A Bearer token may go over TLS or what is as good alone (RFC
  // 6750 section 5.3): whoever has made the stream knows whether it is.
  std::optional<http::BasicCredentials> basic = {};
  absl::string_view bearer = {};

  // Responses of 1xx before the final one. A server has one or two to send.
  size_t interim_responses_max = 15;
  // How much of a refusal's content is kept: what a person reads, or a few fields of JSON.
  size_t refusal_body_bytes_max = 4096;
  // How long is waited for it. The answer itself is known by then.
  absl::Duration refusal_time_max = absl::Seconds(5);
};

// What the server said; for messages and for programs that want to know why.
struct ClientUpgradeResult {
  int status = 0;           // of the final response; 0 if none came
  std::string subprotocol;  // chosen; empty for none
  // What was agreed on; see StreamOptions().
  std::optional<DeflateParams> deflate = {};
  // Of the final response, the 101 or the refusal.
  std::vector<http::OwnedField> fields = {};
  // Of a refusal: its content, at most refusal_body_bytes_max, and whether that is all of it.
  std::string body = {};
  bool body_complete = false;
  // The Location of a redirect (301, 302, 303, 307, 308), as it stands; see http/core/redirect.h.
  // Empty if the response is none, or has no Location or several.
  std::string location = {};
};

// Asks to speak WebSocket. `result` may be null. Allocates nothing if `result` is null and neither
// cookies nor credentials are sent.
//   EACCES      a well-formed answer that refuses; *result has its status, fields and content
//   EPROTO      anything else but a correct 101
//   EINVAL      a target, host, field, origin, cookie, credential, subprotocol or compression that
//               may not be sent, or limits out of range; nothing was sent
//   ECONNRESET  the stream ended or broke
//   ENOMEM      no memory for the request, and nothing was sent; or for what was to be received
//   ETIMEDOUT, ECANCELED
absl::Status ClientUpgrade(Runtime* runtime, Bytestream* stream,
                           const ClientUpgradeOptions& options, ClientUpgradeResult* result,
                           Deadline deadline);

// `base` with what the handshake has settled: the role, compression as it was asked for and agreed
// on, and the source of masking keys.
//
// Example:
//   Stream stream(&runtime, std::move(lower), StreamOptions(request, result));
Options StreamOptions(const ClientUpgradeOptions& asked, const ClientUpgradeResult& result,
                      const Options& base = {});

// ---- Server ------------------------------------------------------------------------------------

// A request that was judged good, before it is answered. Views live until the hook returns.
struct UpgradeRequest {
  // For fields see HeaderList, for cookies http/core/cookie.h, for credentials
  // http/core/basic_auth.h.
  const http::RequestHead& head;
  absl::string_view resource;     // path and query, begins with "/"
  absl::string_view host;         // host[:port]
  absl::string_view subprotocol;  // chosen; empty for none
  // What is agreed on if the request is accepted.
  std::optional<DeflateParams> deflate;
};

// What the hook makes of a request.
struct UpgradeDecision {
  // 101 accepts. 300..599 refuses, and the connection ends behind the answer.
  int status = 101;
  // Added to the answer, to either. None of those that the handshake or the connection decide
  // about: Upgrade, Connection, Content-Length, Transfer-Encoding and the like; with 101 no
  // Sec-WebSocket-anything. A 401 must have a WWW-Authenticate, see http::BasicChallenge(). With
  // 405 and 426 what they must have is added, and to a refusal its Date.
  std::vector<http::OwnedField> fields = {};
  std::string body = {};  // of a refusal
  // Instead of the subprotocol that was chosen by `subprotocols`: one of those that the client has
  // offered, or "" for none.
  std::optional<std::string> subprotocol = {};

  static UpgradeDecision Accept() { return UpgradeDecision(); }
  // `body` goes out as plain text in UTF-8.
  static UpgradeDecision Refuse(int status, std::string body = "");
};

// Called with a good request.
using UpgradeHook = absl::FunctionRef<UpgradeDecision(const UpgradeRequest&)>;
// Called with a well-formed GET that does not ask for an upgrade, or HEAD, whatever that asks for;
// for a HEAD it answers as for the GET. http::TextResponse() makes an answer. A 401, 405 or 407
// must have the field that goes with it (http/core/response.h). Date is added.
using PlainHook = absl::FunctionRef<http::Response(const http::RequestHead&)>;

// What a request for an upgrade is judged by, where that depends on what it asks for.
struct UpgradeTerms {
  absl::Span<const absl::string_view> subprotocols = {};
  DeflateOptions deflate = {};
  OriginPolicy origin = {};
};

struct ServerUpgradeOptions {
  // What we speak.
  absl::Span<const absl::string_view> subprotocols = {};
  // Whether and how a client may have compression.
  DeflateOptions deflate = {};
  http::Limits limits = {};  // head_bytes_max is at most Bytestream::kPeekMax.

  // Clients reach us by https and wss although the stream is none of TLS, because a proxy in front
  // of us ends it. TLS below the stream is seen without this. What is secured makes the own origin
  // https, the own port 443, and lets targets of https and wss pass.
  bool secure = false;
  // Whose web pages may connect (403). Everybody's by default, so a server that knows its users by
  // cookies or by where they connect from wants another one.
  OriginPolicy origin = {};
  // Called with the resource of each request for an upgrade whose host and target are good: returns
  // what it is judged by in place of `subprotocols`, `deflate` and `origin`, borrowed until the
  // request is answered, or null if those hold. Empty: they always hold.
  std::function<const UpgradeTerms*(absl::string_view resource)> terms = nullptr;
  // Which hosts we are (421); of plain requests too. All by default, so a server that listens on
  // addresses that pages must not reach wants a list.
  HostPolicy hosts = {};

  // From the call, and for later requests on the connection from their first byte, to the end of
  // the head. A head that has begun and is not there by then is answered with 408.
  absl::Duration head_time_max = absl::Seconds(10);
  // From an answer to a plain request to the first byte of the next request; then the connection
  // ends without a word (RFC 9112 section 9.5). Longer than a page needs to open its WebSocket.
  absl::Duration keep_alive_time_max = absl::Seconds(15);
  // For a peer to take an answer.
  absl::Duration answer_time_max = absl::Seconds(10);
  // Seconds since the beginning of 1970, for the Date of answers (RFC 9110 section 6.6.1). Null:
  // there is none, which is for servers without a clock that is right.
  int64_t (*unix_seconds)() = &http::UnixSeconds;
  // Plain requests on one connection; the last one is answered with Connection: close. 1: each one
  // has its own connection. At least 1.
  size_t plain_requests_max = 100;
  // For a caller that would rather wait for the next request itself, without a coroutine: the call
  // ends with EAGAIN behind each plain request after which the connection goes on. Bounds over
  // several requests are the caller's then: keep_alive_time_max is not looked at, and
  // plain_requests_max is what is left of it.
  bool one_request = false;
};

// What came of it.
struct ServerUpgradeResult {
  int status = 0;  // of the last answer; 0 if none was given
  // If 101:
  std::string resource;
  std::string host;
  std::string subprotocol;  // empty for none
  std::optional<DeflateParams> deflate = {};
  DeflateOptions deflate_options = {};  // what that was judged by
  // How many were answered.
  size_t plain_requests = 0;
};

// Answers a request to speak WebSocket. A bad one is answered with the right status (400, 403, 405,
// 408, 413, 414, 421, 426, 431, 501, 505) before the call fails; the outbound direction is ended
// then, and what has arrived is dropped, so that closing next does not reset the connection under
// the answer. `result` may be null. Allocates nothing, `result`, the hook and compression aside.
//   EPROTO      a bad request
//   EACCES      the hook or a policy has refused
//   EINVAL      options out of range: nothing was read; or terms out of range, or a decision that
//               cannot be sent: the client was answered with 500
//   ECONNRESET  the stream ended or broke
//   ETIMEDOUT   `deadline`, or head_time_max or answer_time_max, has passed
//   ENOMEM      no memory for the answer to a good request: the client was answered with 503; or for
//               what was to be received: nothing was sent
//   ECANCELED
absl::Status ServerUpgrade(Runtime* runtime, Bytestream* stream,
                           const ServerUpgradeOptions& options, UpgradeHook hook, Deadline deadline,
                           ServerUpgradeResult* result = nullptr);

// The same for a port that also serves plain requests: health checks, metrics, a page. A GET that
// does not ask for WebSocket in Upgrade goes to `plain`, and its answer is sent with its length;
// that it offers something else, such as h2c, is ignored (RFC 9110 section 7.8), and so is all that
// a HEAD offers, with which nothing can be upgraded. The connection goes on (RFC 9112 section 9.3)
// with the next request, plain or the upgrade, unless the client or the answer wants its end.
// `deadline` is for all of it. Content is not read: a plain request that has some is answered with
// 413, or 400 if nobody can tell how much.
//   ENOTSUP     plain requests were answered, and the connection has come to its end: no WebSocket
//               came of it
//   EAGAIN      with `one_request`: a plain request was answered, and the connection goes on. Call
//               again when the next one has begun.
//   EINVAL      besides: a plain answer that cannot be sent
absl::Status ServerUpgradeOrPlain(Runtime* runtime, Bytestream* stream,
                                  const ServerUpgradeOptions& options, UpgradeHook hook,
                                  PlainHook plain, Deadline deadline,
                                  ServerUpgradeResult* result = nullptr);

// As for clients.
Options StreamOptions(const ServerUpgradeOptions& served, const ServerUpgradeResult& result,
                      const Options& base = {});

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_UPGRADE_H_
