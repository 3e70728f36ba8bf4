#ifndef HALFPIPE_WEBSOCKET_OPTIONS_H_
#define HALFPIPE_WEBSOCKET_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bytestream/base/entropy.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"

namespace halfpipe::websocket {

// Compression of messages (permessage-deflate, RFC 7692): what is negotiated, and how it is used.
// The same struct goes to the opening handshake (upgrade.h) and, with what that has agreed on, to
// the Stream.
//
// Off by default in C++, and always in the C calls: a connection that keeps its contexts holds up
// to 322 KiB for them, and compressing secrets together with what an attacker can choose tells the
// secrets' length. Who turns it on has thought of both.
struct DeflateOptions {
  bool enabled = false;

  // Whether a side's messages begin with an empty window each (RFC 7692 section 7.1.1). If true,
  // that side keeps no memory between messages, and small messages compress less. A server decides
  // both; a client asks for the server's and grants its own. Kept by default: for small messages
  // of the same kind it is most of the gain.
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;

  // The largest windows, in bits, 8..15 (7.1.2): what each side's messages refer back by, and what
  // the other one has to keep. A server refuses offers that do not let it limit the client's; for
  // 8 see deflate/deflate_params.h. 15 by default: peers need not know of limits at all.
  uint8_t server_max_window_bits = kMaxWindowBits;
  uint8_t client_max_window_bits = kMaxWindowBits;

  // Client: behind an offer that asks something of the server comes one that does not, so that a
  // server which knows no limits compresses all the same. False: with our limits or not at all.
  bool fallback = true;

  // zlib's, 0..9 and 1..9, by its own defaults. Level 1 takes less time and compresses less; for
  // what the memory level takes see DeflaterMemoryMax() (deflate/deflater.h).
  uint8_t level = 6;
  uint8_t mem_level = 8;

  // A shorter message is sent as it is, unless its send says otherwise. Below this deflate's own
  // overhead, and a peer's trouble, outweigh the gain.
  uint64_t compress_bytes_min = 64;

  // A received message above the floor may be at most this many times as long as its payload, else
  // 1009; 0 is no bound. message_bytes_max bounds memory; this bounds what a peer can make us do for
  // little of its own. Deflate reaches 1032, text seldom 20. The floor lets small messages of one
  // byte over and over pass.
  uint32_t inflation_ratio_max = 256;
  uint64_t inflation_ratio_floor_bytes = uint64_t{1} << 20;

  // What zlib may hold for the connection, both directions together. Where compressing would take
  // more a message is sent as it is; where inflating would, receiving ends with ENOMEM. No bound by
  // default: the parameters bound it (DeflaterMemoryMax(), InflaterMemoryMax()).
  size_t memory_bytes_max = SIZE_MAX;
};

// Whether all of them are within their ranges.
constexpr bool IsValid(const DeflateOptions& options) {
  const auto is_window = [](uint8_t bits) {
    return bits >= kMinWindowBits && bits <= kMaxWindowBits;
  };
  return is_window(options.server_max_window_bits) && is_window(options.client_max_window_bits) &&
         options.level <= 9 && options.mem_level >= 1 && options.mem_level <= 9;
}

// Every limit and policy of a connection, with its default and the reason for it. Sizes are bytes.
struct Options {
  // Ours. A client masks what it sends, a server wants everything masked (RFC 6455 section 5.1).
  Role role = Role::kServer;

  // The largest message that is received, over all its fragments and inflated. A larger one is refused with 1009
  // as soon as a header announces it. 16 MiB holds what people send by hand and bounds what a peer
  // can make ReceiveView() keep.
  uint64_t message_bytes_max = uint64_t{16} << 20;

  // The largest frame that is received; the message bound is what counts, so none by default.
  uint64_t frame_bytes_max = kMaxFramePayload;

  // A longer message is sent as several frames of this size, so that pongs can go between (RFC 6455
  // section 5.4). At least 1.
  uint64_t send_frame_bytes_max = uint64_t{1} << 20;

  // Answer the peer's Close at once, as RFC 6455 section 5.5.1 asks. If false our outbound half
  // stays open until Done(), Detach() or the end of the object: a true half-close.
  bool answer_close = true;

  // Small replies may leave together while further messages are already buffered: those sent by the
  // coroutine that receives. They leave at the latest when it has to wait.
  bool gather = true;

  // How to compress; looked at only if `deflate_params` is set.
  DeflateOptions deflate = {};

  // What the opening handshake has agreed on; nullopt: no compression, and a peer that compresses
  // breaks the protocol (1002).
  std::optional<DeflateParams> deflate_params = {};

  // The type that SendMessage() sends and ReceiveMessage() accepts.
  bool text_messages = false;

  // Where masking keys come from; outlives the connection.
  Entropy* entropy = &Entropy::System();
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_OPTIONS_H_
