#ifndef HALFPIPE_BYTESTREAM_TESTING_MEMORY_USAGE_H_
#define HALFPIPE_BYTESTREAM_TESTING_MEMORY_USAGE_H_

#include <cstddef>

namespace halfpipe {

// What the kernel says about the memory of this process, in bytes; 0 where /proc cannot be read.

// Resident in memory.
size_t ResidentBytes();
// Of page tables, which are not counted as resident.
size_t PageTableBytes();

// Of the whole pages between `start` and `start` + `size` (page-aligned, mapped), those resident.
size_t ResidentBytesOf(const void* start, size_t size);

// How many mappings this process has, all kinds: Linux allows it 65,530.
size_t MappingCount();

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_MEMORY_USAGE_H_
