#include "bytestream/base/buffer_pool.h"

#include <sys/mman.h>

#include <new>

#include "absl/base/config.h"
#include "bytestream/base/check.h"
#include "bytestream/base/mapped_memory.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace halfpipe {
namespace {

constexpr size_t kPageSize = 4096;

}  // namespace

// A slab is one mapping: a page for the Slab itself, then the blocks.
bool BufferPool::Grow() {
  constexpr size_t kSlabBytes = kPageSize + kBlocksPerSlab * kBlockSize;
  void* const mapping = MapMemory(kSlabBytes, 0, "halfpipe buffers");
  if (mapping == nullptr) return false;
  slabs_ = new (mapping) Slab{slabs_, mapping};
  for (size_t i = kBlocksPerSlab; i-- > 0;) {
    uint8_t* const block = static_cast<uint8_t*>(mapping) + kPageSize + i * kBlockSize;
    trimmed_ = new (block) FreeBlock{trimmed_};
    ASAN_POISON_MEMORY_REGION(block + sizeof(FreeBlock), kBlockSize - sizeof(FreeBlock));
  }
  return true;
}

BufferPool::~BufferPool() {
  HALFPIPE_CHECK(in_use_ == 0);
  constexpr size_t kSlabBytes = kPageSize + kBlocksPerSlab * kBlockSize;
  while (slabs_ != nullptr) {
    Slab* const slab = slabs_;
    slabs_ = slab->next;
    ASAN_UNPOISON_MEMORY_REGION(slab->mapping, kSlabBytes);
    UnmapMemory(slab->mapping, kSlabBytes);
  }
}

void BufferPool::Abandon() {
  if (in_use_ == 0) return;
  in_use_ = 0;
  slabs_ = nullptr;
}

uint8_t* BufferPool::Get() {
  FreeBlock* block = resident_;
  if (block != nullptr) {
    resident_ = block->next;
    --resident_count_;
  } else {
    if (trimmed_ == nullptr && !Grow()) return nullptr;
    block = trimmed_;
    trimmed_ = block->next;
  }
  ++in_use_;
  ASAN_UNPOISON_MEMORY_REGION(block, kBlockSize);
  return reinterpret_cast<uint8_t*>(block);
}

void BufferPool::Put(uint8_t* block) {
  HALFPIPE_CHECK(in_use_ > 0);
  --in_use_;
  if (resident_count_ < kResidentBlocks) {
    resident_ = new (block) FreeBlock{resident_};
    ++resident_count_;
  } else {
    madvise(block, kBlockSize, MADV_DONTNEED);
    trimmed_ = new (block) FreeBlock{trimmed_};
  }
  ASAN_POISON_MEMORY_REGION(block + sizeof(FreeBlock), kBlockSize - sizeof(FreeBlock));
}

}  // namespace halfpipe
