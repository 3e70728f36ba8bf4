#include "websocket/handshake/deflate_terms.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"

namespace halfpipe::websocket {
namespace {

TEST(DeflateTermsTest, NothingIsOfferedUnlessEnabled) {
  EXPECT_TRUE(OffersOf({}).empty());
  EXPECT_TRUE(OffersOf({.server_no_context_takeover = true, .server_max_window_bits = 9}).empty());
}

// The defaults ask nothing, so there is nothing to fall back from.
TEST(DeflateTermsTest, OneOfferWhereNothingIsAsked) {
  EXPECT_EQ(OffersOf({.enabled = true}), DeflateOffers{DeflateOffer{}});
  const DeflateOptions ours_alone = {
      .enabled = true, .client_no_context_takeover = true, .client_max_window_bits = 9};
  EXPECT_EQ(OffersOf(ours_alone),
            (DeflateOffers{{.client_no_context_takeover = true, .client_max_window_bits = 9}}));
}

TEST(DeflateTermsTest, FallbackAsksNothingOfTheServer) {
  DeflateOptions options = {.enabled = true, .client_max_window_bits = 12};
  for (const bool takeover : {false, true}) {
    options.server_no_context_takeover = takeover;
    options.server_max_window_bits = takeover ? kMaxWindowBits : 14;
    const DeflateOffer asking = {.server_no_context_takeover = takeover,
                                 .server_max_window_bits = static_cast<uint8_t>(takeover ? 0 : 14),
                                 .client_max_window_bits = 12};
    options.fallback = true;
    EXPECT_EQ(OffersOf(options), (DeflateOffers{asking, {.client_max_window_bits = 12}}));
    options.fallback = false;
    EXPECT_EQ(OffersOf(options), DeflateOffers{asking});
  }
}

TEST(DeflateTermsTest, PolicyIsTheOptions) {
  const DeflatePolicy policy = PolicyOf({.server_no_context_takeover = true,
                                         .client_no_context_takeover = false,
                                         .server_max_window_bits = 9,
                                         .client_max_window_bits = 10});
  EXPECT_TRUE(policy.server_no_context_takeover);
  EXPECT_FALSE(policy.client_no_context_takeover);
  EXPECT_EQ(policy.server_max_window_bits, 9);
  EXPECT_EQ(policy.client_max_window_bits, 10);
  EXPECT_TRUE(PolicyOf({.client_no_context_takeover = true}).client_no_context_takeover);
}

}  // namespace
}  // namespace halfpipe::websocket
