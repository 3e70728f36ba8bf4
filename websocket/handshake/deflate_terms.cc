#include "websocket/handshake/deflate_terms.h"

namespace halfpipe::websocket {

DeflateOffers OffersOf(const DeflateOptions& options) {
  DeflateOffers offers;
  if (!options.enabled) return offers;
  DeflateOffer offer;
  offer.client_no_context_takeover = options.client_no_context_takeover;
  offer.client_max_window_bits = options.client_max_window_bits;
  const DeflateOffer without_limits = offer;
  offer.server_no_context_takeover = options.server_no_context_takeover;
  if (options.server_max_window_bits < kMaxWindowBits) {
    offer.server_max_window_bits = options.server_max_window_bits;
  }
  offers.push_back(offer);
  if (options.fallback && !(offer == without_limits)) offers.push_back(without_limits);
  return offers;
}

DeflatePolicy PolicyOf(const DeflateOptions& options) {
  return {.server_no_context_takeover = options.server_no_context_takeover,
          .client_no_context_takeover = options.client_no_context_takeover,
          .server_max_window_bits = options.server_max_window_bits,
          .client_max_window_bits = options.client_max_window_bits};
}

}  // namespace halfpipe::websocket
