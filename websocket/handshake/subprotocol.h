#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_SUBPROTOCOL_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_SUBPROTOCOL_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/header_list.h"

namespace halfpipe::websocket {

// Subprotocols (RFC 6455 sections 1.9 and 11.3.4). Names are tokens and compare with regard to
// case.

// True if `names` may be offered: tokens, none twice. An empty list may.
[[nodiscard]] bool IsValidOffer(absl::Span<const absl::string_view> names);

// True if the Sec-WebSocket-Protocol fields of a request, taken as one list, are an offer: no such
// field, or 1..64 members, tokens, none twice. Allocates nothing.
[[nodiscard]] bool HasValidOffer(const http::HeaderList& fields);

// Whether the request offers `name`.
[[nodiscard]] bool IsOffered(const http::HeaderList& fields, absl::string_view name);

// The first name of the request's offer that is among `supported`: the client's order is its
// preference. Empty if there is none, which means that no subprotocol is spoken. The result is
// a view of `supported`.
//
// Example:
//   absl::string_view chosen = ChooseSubprotocol(head.fields, {"v2.chat", "chat"});
absl::string_view ChooseSubprotocol(const http::HeaderList& fields,
                                    absl::Span<const absl::string_view> supported);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_SUBPROTOCOL_H_
