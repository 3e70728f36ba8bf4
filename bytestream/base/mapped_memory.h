#ifndef HALFPIPE_BYTESTREAM_BASE_MAPPED_MEMORY_H_
#define HALFPIPE_BYTESTREAM_BASE_MAPPED_MEMORY_H_

#include <cstddef>

namespace halfpipe {

// Address space for pools, taken from the system and given back to it, never through the heap. What
// is out is counted for the process, so that a test can tell in every build, also under a sanitizer
// that maps what it likes, that nothing of ours was left behind.

// `size` bytes (whole pages) of zeros, readable and writable, at a page's start; null when there is
// no memory. `flags` are further ones of mmap(2), such as MAP_NORESERVE. `name` is static text,
// shown in /proc/PID/maps as "[anon:NAME]" where the kernel can.
void* MapMemory(size_t size, int flags, const char* name);

// Gives back what MapMemory() gave, whole.
void UnmapMemory(void* mapping, size_t size);

// Bytes that all threads have mapped and not yet given back.
size_t MappedMemoryBytes();

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_MAPPED_MEMORY_H_
