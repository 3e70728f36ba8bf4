#ifndef HALFPIPE_WEBSOCKET_DEFLATE_DEFLATER_H_
#define HALFPIPE_WEBSOCKET_DEFLATE_DEFLATER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/zlib_memory.h"

namespace halfpipe::websocket {

// The most that a Deflater holds, bytes; see zconf.h of zlib. The last two summands are for what
// zlib calls small objects and for releases that keep a larger symbol buffer. With the defaults,
// 15 and 8: 280 KiB while a context is kept.
constexpr size_t DeflaterMemoryMax(uint8_t window_bits, uint8_t mem_level) {
  const unsigned bits = window_bits < 9 ? 9 : window_bits;
  return (size_t{1} << (bits + 2)) + (size_t{1} << (mem_level + 9)) +
         (size_t{1} << (mem_level + 6)) + 8 * 1024;
}

// Compresses messages for permessage-deflate (RFC 7692 section 7.2.1) in pieces of any size, into
// memory of the caller. Pure.
//
// A message is one or more calls of Deflate(), the last ones with `last`, until kDone. What they
// produce, laid end to end, is the payload: without the 00 00 ff ff that the receiver puts back,
// and a single 00 for an empty message (7.2.3.6). Where it is cut into fragments does not matter.
//
// Context. With context takeover a message may refer back to those before it, so the peer has to
// see every one of them whole. If what was produced does not reach the peer, call Reset(): the next
// message then begins with an empty window, which is always right.
//
// Memory. None until the first message; then at most DeflaterMemoryMax(). Given back by Release(),
// and without context takeover at the end of each message.
//
// Example:
//   Deflater::Result piece = deflater.Deflate(message, /*last=*/true, out);
//   Send(out.first(piece.produced));
class Deflater {
 public:
  struct Options {
    uint8_t window_bits = kMaxWindowBits;  // 8..15; for 8 see deflate_params.h.
    bool context_takeover = true;
    uint8_t level = 6;      // 0..9, zlib's.
    uint8_t mem_level = 8;  // 1..9, zlib's.
  };

  enum class Status : uint8_t {
    kNeedInput,   // All of `in` is taken.
    kNeedOutput,  // Call again with what is left of `in`, possibly nothing, and the same `last`.
    kDone,        // The message is complete.
    kNoMemory,    // Only the first call for a message; nothing was taken, no message is begun.
  };

  struct Result {
    Status status = Status::kNeedInput;
    size_t consumed = 0;  // of `in`
    size_t produced = 0;  // at the front of `out`
  };

  // The least room that Deflate() takes.
  static constexpr size_t kOutputBytesMin = 16;

  // `memory` is borrowed and outlives the object.
  Deflater(const Options& options, ZlibMemory* memory) : options_(options), memory_(memory) {}
  ~Deflater() { Release(); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Compresses `in`, any size, which is the message's rest if `last`. `out` has at least
  // kOutputBytesMin bytes. No overlap.
  Result Deflate(absl::Span<const uint8_t> in, bool last, absl::Span<uint8_t> out);

  // Forgets the message that is being made, if any, and the window.
  void Reset();

  // Reset(), and gives all memory back. To be called at any time; the next message costs more.
  void Release();

  // True from the first Deflate() of a message to its kDone.
  bool in_message() const { return in_message_; }

 private:
  bool Start();
  void EndMessage();

  const Options options_;
  ZlibMemory* const memory_;
  z_stream_s* stream_ = nullptr;
  bool in_message_ = false;
  // The last bytes that zlib has produced and we have not: the end of a message is left out.
  uint8_t held_[4] = {};
  uint8_t held_count_ = 0;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DEFLATE_DEFLATER_H_
