#ifndef HALFPIPE_WEBSOCKET_HANDSHAKE_DEFLATE_TERMS_H_
#define HALFPIPE_WEBSOCKET_HANDSHAKE_DEFLATE_TERMS_H_

#include "absl/container/inlined_vector.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"

namespace halfpipe::websocket {

// What DeflateOptions come to in the opening handshake (RFC 7692 section 7.1). Pure; nothing
// allocates.

// As many as OffersOf() makes.
using DeflateOffers = absl::InlinedVector<DeflateOffer, 2>;

// What a client asks for, the most wanted first; nothing unless `enabled`. Where it asks something
// of the server and `fallback` is set a second offer asks nothing (section 5.1 has the server take
// the first that it can meet).
DeflateOffers OffersOf(const DeflateOptions& options);

// What a server wants.
DeflatePolicy PolicyOf(const DeflateOptions& options);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_HANDSHAKE_DEFLATE_TERMS_H_
