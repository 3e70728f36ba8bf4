#ifndef HALFPIPE_BYTESTREAM_BASE_BUFFER_POOL_H_
#define HALFPIPE_BYTESTREAM_BASE_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>

namespace halfpipe {

// Blocks of kBlockSize bytes for read buffers and send scratch, so that only connections that are
// busy hold one. One pool for each runtime; not thread-safe.
//
// Blocks come from mappings of 16 at a time, never from the heap. A block that comes back is handed
// out again first; of the free ones, at most kResidentBlocks keep their pages. Mappings go with the
// pool, which must outlive every block it gave.
class BufferPool {
 public:
  static constexpr size_t kBlockSize = 16 * 1024;
  static constexpr size_t kResidentBlocks = 64;

  BufferPool() = default;
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A block of kBlockSize bytes, contents unspecified, aligned to 4096. Null when memory fails.
  uint8_t* Get();

  // Gives back a block of Get().
  void Put(uint8_t* block);

  // For the end of a thread whose streams were not closed: their blocks stay valid, and if there
  // are any the mappings are left to the end of the process.
  void Abandon();

  // Blocks that are out at this moment.
  size_t blocks_in_use() const { return in_use_; }

 private:
  static constexpr size_t kBlocksPerSlab = 16;

  struct FreeBlock {
    FreeBlock* next;
  };
  struct Slab {
    Slab* next;
    void* mapping;
  };

  bool Grow();

  FreeBlock* resident_ = nullptr;  // free, pages kept
  FreeBlock* trimmed_ = nullptr;   // free, all but the first page given back
  size_t resident_count_ = 0;
  size_t in_use_ = 0;
  Slab* slabs_ = nullptr;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_BUFFER_POOL_H_
