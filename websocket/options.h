#ifndef HALFPIPE_WEBSOCKET_OPTIONS_H_
#define HALFPIPE_WEBSOCKET_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
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
  // both; a client asks for the server's, and does without its own whatever the server says of it.
  // Kept by default: for small messages of the same kind it is most of the gain.
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

  // In place of it, for messages that Stream::ReceivePart() receives: they need no memory, so a
  // program that takes what it gets piece by piece may allow more, kMaxFramePayload for no bound.
  // nullopt, message_bytes_max: who checks sizes himself says so.
  std::optional<uint64_t> streamed_message_bytes_max = {};

  // The largest frame that is received; the message bound is what counts, so none by default.
  uint64_t frame_bytes_max = kMaxFramePayload;

  // The most frames of one message, empty ones counted; one more is refused with 1008. Fragments
  // without payload could go on for ever within every other bound. 65,536 lets the largest message
  // by default come in pieces of 256 bytes; raise it together with streamed_message_bytes_max. 0 is
  // no bound.
  uint64_t fragments_per_message_max = uint64_t{1} << 16;

  // The most pings and pongs within a second, else 1008; 0 is no bound. They cost the peer next to
  // nothing and us a look at each. No honest peer comes near 1,000.
  uint32_t control_frames_per_second_max = 1000;

  // A longer message is sent as several frames of this size, so that pongs can go between (RFC 6455
  // section 5.4). At least 1.
  uint64_t send_frame_bytes_max = uint64_t{1} << 20;

  // Answer the peer's Close at once, as RFC 6455 section 5.5.1 asks. If false our outbound half
  // stays open until Done(), Detach() or the end of the object: a true half-close.
  bool answer_close = true;

  // Liveness. When nothing has come for ping_after_idle a ping is sent, and again each time as much
  // later; when nothing has come for dead_after the connection is broken: what waits, and every
  // later call, is ECONNRESET with a message that says so. Every received byte counts, also one that
  // the program has not read yet: it is slow then, not the peer dead. Until the peer's Close has
  // come. No coroutine is needed; but a program that never receives finds no pong either, only that
  // something came.
  //
  // Infinite, that is off: how long silence may last is the program's to say. A server wants both
  // (half a minute and two), since a peer that has vanished is otherwise kept for ever; proxies
  // commonly drop what is idle for a minute.
  absl::Duration ping_after_idle = absl::InfiniteDuration();
  absl::Duration dead_after = absl::InfiniteDuration();

  // When no message has been received or sent for this long, not even a part of one, the connection
  // is closed with 1001 (going away: nothing is wrong with it). The peer's Close is then waited for
  // by whoever receives, for close_time_max at most. Infinite: a connection may well be there to wait.
  absl::Duration idle_time_max = absl::InfiniteDuration();

  // The longest that Close() waits, whatever its deadline, and that a Close of our own accord (idle)
  // may stay unanswered until the connection is broken. A peer that is there answers in a round
  // trip, behind the message that it is sending. Done() and Detach() have their deadlines alone: a
  // half-close may last.
  absl::Duration close_time_max = absl::Seconds(10);

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

// Whether all of them are within their ranges: sizes and counts that let something through, times
// above zero, and a peer that is pinged before it is given up.
constexpr bool IsValid(const Options& options) {
  constexpr absl::Duration kZero = absl::ZeroDuration();
  return options.message_bytes_max <= kMaxFramePayload &&
         options.streamed_message_bytes_max.value_or(0) <= kMaxFramePayload &&
         options.send_frame_bytes_max >= 1 && options.ping_after_idle > kZero &&
         options.dead_after > kZero && options.idle_time_max > kZero &&
         options.close_time_max > kZero &&
         (options.dead_after > options.ping_after_idle ||
          options.ping_after_idle == absl::InfiniteDuration()) &&
         (!options.deflate_params.has_value() || IsValid(options.deflate)) &&
         options.entropy != nullptr;
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_OPTIONS_H_
