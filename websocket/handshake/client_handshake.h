#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_CLIENT_HANDSHAKE_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_CLIENT_HANDSHAKE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "websocket/deflate/deflate_params.h"

namespace halfpipe::websocket {

// What a client asks for (RFC 6455 section 4.1). Everything is borrowed.
struct ClientRequest {
  absl::string_view target = "/";  // Path and query, begins with "/".
  absl::string_view host = {};     // host[:port], for the Host field.
  absl::string_view key = {};      // From MakeKey().
  // Offered, the most wanted first; tokens, none twice.
  absl::Span<const absl::string_view> subprotocols = {};
  // Of compression, the most wanted first; none offers none.
  absl::Span<const DeflateOffer> deflate_offers = {};
  absl::string_view origin = {};  // As in IsValidOriginField() (origin_policy.h); empty: none.
  absl::Span<const http::Cookie> cookies = {};  // One Cookie field (RFC 6265 section 5.4).
  // For the Authorization field; at most one of them.
  std::optional<http::BasicCredentials> basic = {};
  absl::string_view bearer = {};  // Empty: none.
  // Further fields. None that the handshake itself decides about: Host and what IsHandshakeField()
  // (handshake_fields.h) names; and neither Origin, Cookie nor Authorization where those above say
  // what is in it.
  absl::Span<const http::Field> extra_fields = {};
};

enum class ClientRequestError : uint8_t {
  kNone,
  kBadTarget,  // Not in origin-form, or with a byte that may not be in it.
  kBadHost,
  kBadKey,
  kBadSubprotocol,
  kBadDeflateOffer,  // A window of neither 8..15 bits nor 0.
  kBadOrigin,
  kBadCookie,
  kBadCredentials,  // Basic or Bearer that cannot be said, or both.
  kBadField,  // CR, LF, NUL and other controls above all, or a field that is not the caller's.
  kNoSpace,   // The head does not fit into `out`.
};

// Writes the request's head to the front of `out` and returns in *head a view of it. On an error
// *head is left alone; `out` may be scribbled over. Allocates nothing but for offers of
// compression, cookies and credentials. A request without any of these and without extra fields
// takes about 150 bytes more than target and host.
//
// Example:
//   char buffer[1024];
//   absl::string_view head;
//   if (WriteClientRequest({.target = "/", .host = "example.org", .key = AsView(key)},
//                          absl::MakeSpan(buffer), &head) == ClientRequestError::kNone) ...
[[nodiscard]] ClientRequestError WriteClientRequest(const ClientRequest& request,
                                                    absl::Span<char> out, absl::string_view* head);

// One line for people. Static text.
const char* ClientRequestErrorText(ClientRequestError error);

enum class ClientVerdict : uint8_t {
  kAccepted,  // The connection speaks WebSocket from the byte after the head on.
  kInterim,  // 1xx but 101: the answer is still to come (RFC 9110 section 15.2); read another head.
  kRefused,  // A well-formed answer of another status: EACCES.
  kInvalid,  // Not a correct 101: EPROTO.
};

struct ClientJudgement {
  ClientVerdict verdict = ClientVerdict::kInvalid;
  // The rule that was broken, or why it is no 101. Static text, empty if accepted.
  absl::string_view what = {};
  // kAccepted: what the server chose, empty for none; a view of `offered`.
  absl::string_view subprotocol = {};
  // kAccepted: messages may be compressed, with these parameters.
  std::optional<DeflateParams> deflate = {};
};

// Judges the response to a request with `key` that offered the subprotocols `offered`, compression
// as in `deflate_offers` and no other extension (RFC 6455 section 4.1, the second list). A 101 must
// have Upgrade, Connection and exactly one correct Sec-WebSocket-Accept; Sec-WebSocket-Extensions
// only if it is a legal answer to one of the offers; and at most one Sec-WebSocket-Protocol, which
// names one of those offered.
[[nodiscard]] ClientJudgement JudgeServerResponse(
    const http::ResponseHead& head, absl::string_view key,
    absl::Span<const absl::string_view> offered,
    absl::Span<const DeflateOffer> deflate_offers = {});

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_CLIENT_HANDSHAKE_H_
