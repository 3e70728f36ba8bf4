#ifndef HALFPIPE_BYTESTREAM_TESTING_HEAP_COUNTER_H_
#define HALFPIPE_BYTESTREAM_TESTING_HEAP_COUNTER_H_

#include <cstddef>
#include <cstdint>

namespace halfpipe {

// Counts what a stretch of code takes from the heap, whichever function it takes it with: malloc()
// and its kin and everything built on them. Stacks and pools of blocks are mapped, and not of the
// heap. A test that uses it has its own malloc(), or a sanitizer's hooks.
//
// Example:
//   HeapCounter heap;
//   Attack(&stream);
//   EXPECT_LE(heap.peak_bytes(), 64 * 1024);
class HeapCounter {
 public:
  // Counts from here on, for all threads. One at a time.
  HeapCounter();

  // The most that was held at any moment, above what was held at the beginning.
  size_t peak_bytes() const;

  // What is held now, above what was held at the beginning; 0 if it is less.
  size_t bytes() const;

  // How often memory was asked for.
  uint64_t requests() const;

 private:
  const int64_t bytes_before_;
  const uint64_t requests_before_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_HEAP_COUNTER_H_
