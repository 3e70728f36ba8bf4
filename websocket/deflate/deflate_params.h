#ifndef HALFPIPE_WEBSOCKET_DEFLATE_DEFLATE_PARAMS_H_
#define HALFPIPE_WEBSOCKET_DEFLATE_DEFLATE_PARAMS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::websocket {

// The parameters of permessage-deflate (RFC 7692 section 7.1): what a client offers, what a server
// makes of it, what the client makes of that. Pure.
//
// A window of 8 bits (256 bytes). zlib's raw deflate has none: deflateInit2() refuses it, and
// implementations that pass 8 on through older releases get 9 without a word. Both sides of ours
// take 8 all the same, by what zlib's manual promises:
//   * Compressing, under a limit of 8: 9 bits with the strategy Z_RLE, whose "match distances are
//     limited to one". Nothing ever refers back by more than 256 bytes. It compresses runs and by
//     Huffman's code only; a peer that asks for 8 cannot have more.
//   * Decompressing what a peer sends under a limit of 8: 9 bits, the manual's own remedy for peers
//     that got 9 where they asked for 8. It costs 256 bytes.
// So no offer has to be declined, and no answer refused, for the sake of an 8.
inline constexpr uint8_t kMinWindowBits = 8;
inline constexpr uint8_t kMaxWindowBits = 15;

// What both sides have agreed on. The defaults are what holds where a parameter is absent.
struct DeflateParams {
  // The server, the client begins each of its messages with an empty window (7.1.1).
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;
  // The server's, the client's messages refer back by at most 2^bits bytes; 8..15 (7.1.2).
  uint8_t server_max_window_bits = kMaxWindowBits;
  uint8_t client_max_window_bits = kMaxWindowBits;

  friend bool operator==(const DeflateParams&, const DeflateParams&) = default;
};

// One offer of a client's.
struct DeflateOffer {
  // Asks the server to do without context takeover; it must, or decline.
  bool server_no_context_takeover = false;
  // Tells the server that we do without, whether it says so too or not.
  bool client_no_context_takeover = false;
  // Asks the server to keep to this, 8..15; 0 asks nothing. It must, or decline.
  uint8_t server_max_window_bits = 0;
  // Lets the server limit our window; and, unless it is 15, tells that it will be no larger in any
  // case, whatever limit the server names. 8..15; 0 leaves the parameter out, and the server has to
  // take 15.
  uint8_t client_max_window_bits = kMaxWindowBits;

  friend bool operator==(const DeflateOffer&, const DeflateOffer&) = default;
};

// What a server wants.
struct DeflatePolicy {
  // Do without in any case; else only if the client asks for it.
  bool server_no_context_takeover = false;
  // Hold the client to do without, which saves its window here between messages. If false, do so
  // only where the client has offered it.
  bool client_no_context_takeover = false;
  // The largest window of our own messages, 8..15.
  uint8_t server_max_window_bits = kMaxWindowBits;
  // The largest window that we keep for the client's, 8..15. Below 15, offers that do not let us
  // limit it are declined.
  uint8_t client_max_window_bits = kMaxWindowBits;
};

enum class DeflateVerdict : uint8_t {
  kNone,     // No compression on this connection.
  kAgreed,   // With the parameters.
  kInvalid,  // The handshake fails: 400 from a server, the end of the connection from a client.
};

struct DeflateJudgement {
  DeflateVerdict verdict = DeflateVerdict::kNone;
  const char* what = "";  // kInvalid: the rule that was broken. Static text.
  DeflateParams params;   // kAgreed
  // kAgreed, of a server: the client asked for a limit, so the answer has to name one.
  bool server_max_window_bits_asked = false;
};

// The longest element that WriteDeflateOffer() or WriteDeflateAnswer() makes.
inline constexpr size_t kMaxDeflateElementSize = 128;

// The list element for an offer, for Sec-WebSocket-Extensions, such as
// "permessage-deflate; client_max_window_bits". Several offers are a list, the most wanted first.
std::string WriteDeflateOffer(const DeflateOffer& offer);

// What a server answers to kAgreed.
std::string WriteDeflateAnswer(const DeflateJudgement& judgement);

// A server's choice: the first offer of the request that `policy` can meet. `values` are those of
// its Sec-WebSocket-Extensions fields; none is no offer. Offers with an unknown, repeated or
// malformed parameter are declined, each alone (7.1), and so are other extensions; a list that is
// not of the grammar is kInvalid (RFC 6455 section 9.1).
DeflateJudgement ChooseDeflate(absl::Span<const absl::string_view> values,
                               const DeflatePolicy& policy);

// A client's check of the answer to `offers`: kAgreed if it is a legal answer to one of them, kNone
// if there is no such field, else kInvalid: another extension, the same one twice, a parameter that
// is unknown, repeated, malformed or not allowed by what was offered, or one that is missing.
DeflateJudgement JudgeDeflateAnswer(absl::Span<const absl::string_view> values,
                                    absl::Span<const DeflateOffer> offers);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DEFLATE_DEFLATE_PARAMS_H_
