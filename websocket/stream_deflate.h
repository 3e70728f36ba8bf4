#ifndef HALFPIPE_WEBSOCKET_STREAM_DEFLATE_H_
#define HALFPIPE_WEBSOCKET_STREAM_DEFLATE_H_

#include <cstddef>
#include <cstdint>

#include "websocket/core/opcode.h"
#include "websocket/core/utf8.h"
#include "websocket/deflate/deflater.h"
#include "websocket/deflate/inflater.h"
#include "websocket/deflate/zlib_memory.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

// What a Stream has beside itself on a connection with compression. Private to it.
struct Stream::Deflate {
  Deflate(const Deflater::Options& outbound, const Inflater::Options& inbound,
          size_t memory_bytes_max)
      : memory({.bytes_max = memory_bytes_max}),
        deflater(outbound, &memory),
        inflater(inbound, &memory) {}

  ZlibMemory memory;
  Deflater deflater;
  Inflater inflater;

  // Of the message that is being received, from its first byte to its end.
  bool in_message = false;
  uint64_t message_bytes = 0;  // Inflated, and handed on or dropped. Kept until the next begins.
  Utf8Validator text;

  // Of a message that is received in parts.
  size_t pending = 0;   // at the front of the lower buffer: unmasked, but not inflated yet
  bool ending = false;  // all its frames have come
  Opcode opcode = Opcode::kBinary;

  void BeginMessage(Opcode message_opcode) {
    in_message = true;
    message_bytes = 0;
    text.Reset();
    pending = 0;
    ending = false;
    opcode = message_opcode;
  }

  uint64_t message_offset() const { return in_message ? message_bytes : 0; }
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_STREAM_DEFLATE_H_
