#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_SERVER_HANDSHAKE_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_SERVER_HANDSHAKE_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "http/core/upgrade.h"
#include "websocket/deflate/deflate_params.h"

namespace halfpipe::websocket {

// What a server makes of a request. Views are of the request's head, but for `subprotocol`.
struct ServerJudgement {
  int status = 0;  // 101, or the status of the refusal: 400, 405, 426 or 505.
  // The rule that was broken. Static text, empty if accepted.
  absl::string_view what = {};

  // Only if accepted:
  http::RequestAddress address;   // The resource and the host that are asked for.
  absl::string_view key;          // For AcceptValue().
  absl::string_view subprotocol;  // Chosen, empty for none; a view of `supported`.
  DeflateJudgement deflate;       // kAgreed or kNone.

  bool accepted() const { return status == 101; }
};

// Judges a request to speak WebSocket (RFC 6455 section 4.2.1). In this order:
//   the method is GET                                            else 405
//   HTTP/1.1 or a later minor version                            else 505
//   one good Host, a good target, no content                     else 400
//   Upgrade with websocket                                       else 426
//   Connection with upgrade                                      else 400
//   one Sec-WebSocket-Version of 13                              else 426; 400 for several
//   one Sec-WebSocket-Key of 16 bytes in base64                  else 400
//   a well-formed offer of subprotocols, or none                 else 400
//   a well-formed list of extensions, or none                    else 400
// Compression is chosen from what is offered by `deflate`, null for never; all other extensions are
// declined by silence. Whether the host is ours and the Origin welcome is judged elsewhere:
// host_policy.h, origin_policy.h.
[[nodiscard]] ServerJudgement JudgeClientRequest(const http::RequestHead& head,
                                                 absl::Span<const absl::string_view> supported,
                                                 const DeflatePolicy* deflate = nullptr);

// Writes the head of the 101 to the front of `out` and returns a view of it; empty if it does not
// fit, or a part holds a byte that may not be there. `key` and `subprotocol` (empty for none) are
// of the judgement, `extension` is WriteDeflateAnswer() of it, or empty. `extra_fields` are the
// caller's, and none that the handshake decides about: see IsHandshakeField() (handshake_fields.h).
// Without them 256 bytes, the subprotocol's and the extension's are enough. Allocates nothing.
//
// Example:
//   const ServerJudgement judgement = JudgeClientRequest(head, {"chat"});
//   const absl::string_view answer =
//       judgement.accepted() ? WriteAcceptance(judgement.key, judgement.subprotocol, {}, buffer)
//                            : WriteRefusal(judgement.status, buffer);
absl::string_view WriteAcceptance(absl::string_view key, absl::string_view subprotocol,
                                  absl::Span<const http::Field> extra_fields, absl::Span<char> out,
                                  absl::string_view extension = {});

// What a refusal says besides.
struct RefusalFields {
  absl::string_view allow = "GET";  // With 405 only.
  absl::string_view date = {};      // Of http::HttpDate; empty: there is none.
};

// Writes a whole response without content that refuses: `status` 400..599, of a judgement, of
// http::HeadErrorStatus() or the application's own, such as 403. Connection: close, and what the
// status asks for: Allow with 405; Upgrade and Sec-WebSocket-Version: 13 with 426 (RFC 9110
// sections 15.5.6 and 15.5.22, RFC 6455 section 4.4). 256 bytes are enough; empty if it does not
// fit. Allocates nothing.
absl::string_view WriteRefusal(int status, absl::Span<char> out, const RefusalFields& fields = {});

// The same for a refusal with fields and content of the caller's: adds to `response` what its
// status asks for and it does not have. It is written by http::WriteResponseHead().
void CompleteRefusal(http::Response* response, absl::string_view allow = "GET");

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_SERVER_HANDSHAKE_H_
