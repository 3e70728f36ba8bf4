#include "bytestream/base/mapped_memory.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <atomic>

#include "bytestream/base/check.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

namespace halfpipe {
namespace {

std::atomic<size_t> mapped_bytes = 0;

}  // namespace

void* MapMemory(size_t size, int flags, const char* name) {
  void* const mapping =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  mapped_bytes.fetch_add(size, std::memory_order_relaxed);
  // Only for people; kernels before 5.17 do not know it.
  static_cast<void>(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, mapping, size, name));
  return mapping;
}

void UnmapMemory(void* mapping, size_t size) {
  // Fails only where it would need one mapping more than a process may have.
  if (munmap(mapping, size) != 0) return;
  HALFPIPE_CHECK(mapped_bytes.fetch_sub(size, std::memory_order_relaxed) >= size);
}

size_t MappedMemoryBytes() { return mapped_bytes.load(std::memory_order_relaxed); }

}  // namespace halfpipe
