#ifndef HALFPIPE_WEBSOCKET_DEFLATE_INFLATER_H_
#define HALFPIPE_WEBSOCKET_DEFLATE_INFLATER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "websocket/core/protocol_error.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/zlib_memory.h"

namespace halfpipe::websocket {

// The most that an Inflater holds, bytes: the window and zlib's tables and small objects (zconf.h
// of zlib). With 15 bits: 42 KiB while a context is kept.
constexpr size_t InflaterMemoryMax(uint8_t window_bits) {
  return (size_t{1} << (window_bits < 9 ? 9 : window_bits)) + 10 * 1024;
}

// Inflates messages of permessage-deflate (RFC 7692 section 7.2.2) in pieces of any size, into
// memory of the caller. Pure.
//
// A message is one or more calls of Inflate(), the last ones with `last`, until kDone. How input
// and output are cut changes nothing: not the bytes, not whether the message is good, not the
// error. (One exception, without harm: a peer that refers back beyond the window it has agreed to,
// when that is below 15 bits, gets right bytes or kFailed.)
//
//   * Blocks with BFINAL set may stand anywhere, also at the end (7.2.1, 7.2.3.4): what follows
//     begins at the next byte and may refer back beyond them.
//   * The 00 00 ff ff that the sender left out is put back here. A message that is not complete
//     with it, or to which it adds bytes, is refused; so is whatever does not belong to a block.
//   * The bounds are kept while inflating: not one byte above them is handed out, and inside, one
//     byte more than was handed out is the most that is ahead.
//
// Close codes of kFailed: 1007 for data that is not deflate's, 1009 for a bound.
//
// Memory. None until the first message; then at most InflaterMemoryMax(). Given back by Release(),
// without context takeover at the end of each message, and with kFailed.
//
// Example:
//   Inflater::Result piece = inflater.Inflate(payload, /*last=*/true, out);
//   Use(out.first(piece.produced));
class Inflater {
 public:
  struct Options {
    uint8_t window_bits = kMaxWindowBits;  // 8..15; for 8 see deflate_params.h.
    bool context_takeover = true;
    // The largest message, inflated.
    uint64_t message_bytes_max = UINT64_MAX;
    // A message above ratio_floor_bytes may be at most this many times as long as the payload that
    // it took; 0 is no bound. Judged at the floor and then at every 64 KiB.
    uint32_t ratio_max = 0;
    uint64_t ratio_floor_bytes = 0;
  };

  enum class Status : uint8_t {
    kNeedInput,   // All of `in` is taken, and there is nothing more to hand out.
    kNeedOutput,  // There is more. Call again with what is left of `in`, and the same `last`.
    kDone,        // The message is complete. The next call begins another one.
    kFailed,      // `error`; for ever.
    kNoMemory,    // For ever.
  };

  struct Result {
    Status status = Status::kNeedInput;
    size_t consumed = 0;  // of `in`
    size_t produced = 0;  // at the front of `out`, also with kFailed: what came before the fault
    ProtocolError error;  // kFailed
  };

  // `memory` is borrowed and outlives the object.
  Inflater(const Options& options, ZlibMemory* memory) : options_(options), memory_(memory) {
    BeginMessage();
  }
  ~Inflater() { Release(); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Inflates `in`, any size, which is the message's rest if `last`. `out` may be empty: to ask
  // whether there is more. No overlap.
  Result Inflate(absl::Span<const uint8_t> in, bool last, absl::Span<uint8_t> out);

  // The bound of messages from the next one on. Not inside one.
  void SetMessageBytesMax(uint64_t message_bytes_max) {
    options_.message_bytes_max = message_bytes_max;
    BeginMessage();
  }

  // Forgets message and window, and gives all memory back. Only where no message refers back any
  // more: at the connection's end, or without context takeover.
  void Release();

 private:
  struct Step {
    size_t produced = 0;
    int code = 0;        // zlib's, of a failure; else 0.
    bool final = false;  // What was taken ends with a block with BFINAL.
  };

  bool Start();
  void BeginMessage();
  uint64_t NextStop(uint64_t inflated) const;
  Step Run(absl::Span<const uint8_t>* in, absl::Span<uint8_t> out);
  Step Advance(absl::Span<const uint8_t>* in, absl::Span<uint8_t> out, size_t* produced);
  Step PeekAtStop(absl::Span<const uint8_t>* in);
  Result Finish(Result result);
  Result Fail(Result result, uint16_t close_code, const char* what);
  Result FailWith(Result result, int code);
  const char* BrokenBound() const;

  Options options_;
  ZlibMemory* const memory_;
  z_stream_s* stream_ = nullptr;
  uint64_t inflated_ = 0;  // Of this message, by zlib: handed out, or one byte ahead.
  uint64_t taken_ = 0;     // Of this message's payload.
  uint64_t stop_ = 0;      // Where inflated_ has to be judged before it may grow.
  bool has_ahead_ = false;
  uint8_t ahead_ = 0;     // A byte that proved that there is more.
  int pending_code_ = 0;  // Of zlib, where that byte is to go first.
  Status sticky_ = Status::kNeedInput;
  ProtocolError error_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DEFLATE_INFLATER_H_
