#include "websocket/send_queue.h"

#include <new>
#include <utility>

namespace halfpipe::websocket {
namespace {

constexpr size_t kFirstCapacity = 4;

}  // namespace

SendQueue::Result SendQueue::Push(EncodedMessageRef message, const SendQueueLimits& limits,
                                  SlowPolicy policy, uint64_t* skipped) {
  const size_t size = message->plain().size();
  const auto has_room = [&] {
    return count_ < limits.messages_max && size <= limits.bytes_max &&
           bytes_ <= limits.bytes_max - size;
  };
  while (policy == SlowPolicy::kSkipOldest && !has_room() && count_ > 0 &&
         limits.messages_max > 0 && size <= limits.bytes_max) {
    PopFront();
    if (skipped != nullptr) ++*skipped;
  }
  if (!has_room() || (count_ == capacity_ && !Grow())) {
    if (policy == SlowPolicy::kClose) return Result::kOverflow;
    if (skipped != nullptr) ++*skipped;
    return Result::kSkipped;
  }
  ring_[(first_ + count_) % capacity_] = std::move(message);
  ++count_;
  bytes_ += size;
  return Result::kQueued;
}

void SendQueue::PopFront() {
  bytes_ -= Front()->plain().size();
  Front() = EncodedMessageRef();
  first_ = (first_ + 1) % capacity_;
  if (--count_ == 0) Clear();
}

void SendQueue::Clear() {
  delete[] ring_;
  ring_ = nullptr;
  capacity_ = first_ = count_ = bytes_ = 0;
}

bool SendQueue::Grow() {
  const size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
  auto* const ring = new (std::nothrow) EncodedMessageRef[capacity];
  if (ring == nullptr) return false;
  for (size_t i = 0; i < count_; ++i) ring[i] = std::move(ring_[(first_ + i) % capacity_]);
  delete[] ring_;
  ring_ = ring;
  capacity_ = capacity;
  first_ = 0;
  return true;
}

}  // namespace halfpipe::websocket
