#ifndef HALFPIPE_WEBSOCKET_DEFLATE_ZLIB_MEMORY_H_
#define HALFPIPE_WEBSOCKET_DEFLATE_ZLIB_MEMORY_H_

#include <cstddef>
#include <cstdint>

struct z_stream_s;  // zlib's z_stream.

namespace halfpipe::websocket {

// Counts what zlib holds, and can bound it. Sizes are bytes.
struct ZlibMemory {
  size_t bytes_in_use = 0;
  size_t bytes_peak = 0;
  // What would take bytes_in_use above this fails, as if there were no memory.
  size_t bytes_max = SIZE_MAX;
};

// A zlib stream without a state: its object, counted like all that zlib will allocate for it. Null
// when memory fails. `memory` outlives it.
z_stream_s* NewZlibStream(ZlibMemory* memory);

// Gives the object back; deflateEnd() or inflateEnd() come before. Null is allowed.
void DeleteZlibStream(z_stream_s* stream);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DEFLATE_ZLIB_MEMORY_H_
