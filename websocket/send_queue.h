#ifndef HALFPIPE_WEBSOCKET_SEND_QUEUE_H_
#define HALFPIPE_WEBSOCKET_SEND_QUEUE_H_

#include <cstddef>
#include <cstdint>

#include "websocket/encoded_message.h"

namespace halfpipe::websocket {

// What becomes of a connection that does not take messages as fast as they come.
enum class SlowPolicy : uint8_t {
  kClose,       // It is broken: its peer learns that it has missed something.
  kSkipNewest,  // It does not get those that find no room: what it gets is in order, with a gap.
  kSkipOldest,  // Those that have waited longest make room: for what is soon out of date.
};

// How much may wait for one connection.
struct SendQueueLimits {
  // A peer that is one round trip behind has this much time at a rate of several hundred messages a
  // second.
  size_t messages_max = 256;
  // Bytes of their frames. They are shared, so this bounds how far behind a peer may be rather than
  // memory; what it takes of memory is bounded by messages_max references.
  size_t bytes_max = size_t{1} << 20;
};

// Messages that wait for one connection, the first one first: shares of bytes that others have too.
// Holds no memory while empty. Pure.
class SendQueue {
 public:
  SendQueue() = default;
  ~SendQueue() { Clear(); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  enum class Result : uint8_t {
    kQueued,
    kSkipped,   // This one is not in it. kSkipNewest, or larger than bytes_max alone.
    kOverflow,  // kClose, and it finds no room. Nothing was done.
  };

  // Where there is no memory for a reference there is no room either. `skipped` (may be null) is
  // increased by the messages that are lost, this one or older ones.
  Result Push(EncodedMessageRef message, const SendQueueLimits& limits, SlowPolicy policy,
              uint64_t* skipped);

  bool empty() const { return count_ == 0; }
  size_t messages() const { return count_; }
  size_t bytes() const { return bytes_; }

  // The first one. Not of an empty queue.
  EncodedMessageRef& Front() { return ring_[first_]; }
  void PopFront();

  // Drops all, and the memory.
  void Clear();

 private:
  bool Grow();

  EncodedMessageRef* ring_ = nullptr;  // capacity_ places, all of them constructed
  size_t capacity_ = 0;
  size_t first_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_SEND_QUEUE_H_
