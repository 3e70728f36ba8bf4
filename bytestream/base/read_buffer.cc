#include "bytestream/base/read_buffer.h"

#include <cstdlib>
#include <cstring>

#include "bytestream/base/check.h"

namespace halfpipe {

void ReadBuffer::Release() {
  if (block_ == nullptr) return;
  if (on_heap_) {
    std::free(block_);
  } else {
    pool_->Put(block_);
  }
  block_ = nullptr;
  capacity_ = begin_ = end_ = 0;
  on_heap_ = false;
}

void ReadBuffer::Consume(size_t count) {
  HALFPIPE_CHECK(count <= size());
  begin_ += count;
  if (begin_ == end_) Release();
}

// Moves the bytes to fresh storage of `capacity` bytes so that they begin at `begin` there.
bool ReadBuffer::MoveTo(size_t capacity, size_t begin) {
  const bool on_heap = capacity != kCapacity;
  uint8_t* const block = on_heap ? static_cast<uint8_t*>(std::malloc(capacity)) : pool_->Get();
  if (block == nullptr) return false;
  const size_t count = size();
  if (count > 0) std::memcpy(block + begin, block_ + begin_, count);
  Release();
  block_ = block;
  capacity_ = capacity;
  on_heap_ = on_heap;
  begin_ = begin;
  end_ = begin + count;
  return true;
}

bool ReadBuffer::Reserve(size_t count) {
  HALFPIPE_CHECK(count <= kCapacity);
  if (block_ == nullptr) return MoveTo(kCapacity, 0);
  if (size() >= count && end_ < capacity_) return true;
  if (size() >= count && size() >= kCapacity) return true;  // put-back bytes fill a heap block
  if (capacity_ - begin_ >= count && end_ < capacity_) return true;
  if (on_heap_ && size() < kCapacity) return MoveTo(kCapacity, 0);
  std::memmove(block_, block_ + begin_, size());
  end_ -= begin_;
  begin_ = 0;
  return true;
}

bool ReadBuffer::PutBack(absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return true;
  const size_t total = size() + bytes.size();
  if (total < bytes.size()) return false;
  if (block_ == nullptr || total > capacity_) {
    // Never kCapacity from the heap: the two kinds of storage are told apart by it.
    const size_t capacity = total <= kCapacity ? kCapacity : total + 1;
    if (!MoveTo(capacity, capacity - size())) return false;
  } else if (begin_ < bytes.size()) {
    std::memmove(block_ + bytes.size(), block_ + begin_, size());
    end_ = total;
    begin_ = bytes.size();
  }
  begin_ -= bytes.size();
  std::memcpy(block_ + begin_, bytes.data(), bytes.size());
  return true;
}

}  // namespace halfpipe
