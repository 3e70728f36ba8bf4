#include "websocket/deflate/zlib_memory.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace halfpipe::websocket {
namespace {

// In front of each allocation, because zlib does not tell the size of what it frees.
union Prefix {
  size_t size;
  std::max_align_t align;
};

void* Allocate(void* opaque, unsigned count, unsigned size) {
  ZlibMemory* const memory = static_cast<ZlibMemory*>(opaque);
  const uint64_t wanted = uint64_t{count} * size + sizeof(Prefix);
  if (wanted > memory->bytes_max || memory->bytes_in_use > memory->bytes_max - wanted) {
    return nullptr;
  }
  Prefix* const prefix = static_cast<Prefix*>(std::malloc(static_cast<size_t>(wanted)));
  if (prefix == nullptr) return nullptr;
  prefix->size = static_cast<size_t>(wanted);
  memory->bytes_in_use += prefix->size;
  memory->bytes_peak = std::max(memory->bytes_peak, memory->bytes_in_use);
  return prefix + 1;
}

void Free(void* opaque, void* address) {
  ZlibMemory* const memory = static_cast<ZlibMemory*>(opaque);
  Prefix* const prefix = static_cast<Prefix*>(address) - 1;
  memory->bytes_in_use -= prefix->size;
  std::free(prefix);
}

}  // namespace

z_stream_s* NewZlibStream(ZlibMemory* memory) {
  void* const place = Allocate(memory, 1, sizeof(z_stream_s));
  if (place == nullptr) return nullptr;
  z_stream_s* const stream = new (place) z_stream_s();
  stream->zalloc = Allocate;
  stream->zfree = Free;
  stream->opaque = memory;
  return stream;
}

void DeleteZlibStream(z_stream_s* stream) {
  if (stream != nullptr) Free(stream->opaque, stream);
}

}  // namespace halfpipe::websocket
