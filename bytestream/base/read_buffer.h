#ifndef HALFPIPE_BYTESTREAM_BASE_READ_BUFFER_H_
#define HALFPIPE_BYTESTREAM_BASE_READ_BUFFER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"

namespace halfpipe {

// The one receive buffer of a connection: bytes that have arrived and nobody has consumed, in one
// contiguous piece, so that every protocol layer can parse in place.
//
// Storage is a block of the pool, taken when it is first needed and given back when the buffer is
// drained. Bytes that come back after an interrupted read may exceed the block; they are then held
// on the heap until they have been consumed.
//
// Example:
//   if (!buffer.Reserve(1)) return ErrnoStatus(ENOMEM, "...");
//   buffer.Commit(recv(fd, buffer.Spare().data(), buffer.Spare().size(), 0));
//   size_t used = Parse(buffer.data());
//   buffer.Consume(used);
class ReadBuffer {
 public:
  static constexpr size_t kCapacity = BufferPool::kBlockSize;

  // `pool` is borrowed and outlives the buffer.
  explicit ReadBuffer(BufferPool* pool) : pool_(pool) {}
  ~ReadBuffer() { Release(); }
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  // What is buffered. Mutable, so that it can be unmasked in place. Valid until the next call of a
  // function of this class that is not const, except that Commit() only makes it longer.
  absl::Span<uint8_t> data() { return absl::MakeSpan(block_ + begin_, end_ - begin_); }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // Drops `count` bytes (at most size()) from the front. A drained buffer gives its storage back.
  void Consume(size_t count);

  // Sees to it that `count` bytes can be contiguous in the buffer, what is there included, and that
  // Spare() is not empty unless the buffer holds that many. `count` is at most kCapacity. May move
  // the bytes. False when memory fails; nothing is lost then.
  bool Reserve(size_t count);

  // Free room behind the bytes; empty before Reserve().
  absl::Span<uint8_t> Spare() { return absl::MakeSpan(block_ + end_, capacity_ - end_); }

  // The first `count` bytes of Spare() have been filled.
  void Commit(size_t count) { end_ += count; }

  // Gives the storage back if there are no bytes in it: for a read that got nothing.
  void ReleaseIfEmpty() {
    if (empty()) Release();
  }

  // Puts bytes back in front of all others. `bytes` does not overlap the buffer. False when memory
  // fails; the buffer is unchanged then.
  bool PutBack(absl::Span<const uint8_t> bytes);

 private:
  void Release();
  bool MoveTo(size_t capacity, size_t begin);

  BufferPool* const pool_;
  uint8_t* block_ = nullptr;
  size_t capacity_ = 0;  // of block_: kCapacity from the pool, anything else from the heap
  size_t begin_ = 0;
  size_t end_ = 0;
  bool on_heap_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_READ_BUFFER_H_
