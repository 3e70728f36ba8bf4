#ifndef HALFPIPE_WEBSOCKET_MESSAGE_ASSEMBLY_H_
#define HALFPIPE_WEBSOCKET_MESSAGE_ASSEMBLY_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "websocket/server_counters.h"

namespace halfpipe::websocket {

// Bytes that the parts of messages, of all connections of a thread, may take together. Who wants
// more than there is waits: those that have part of a message already come first, for others can only
// have what they give back; else the longest-waiting first.
class MessageBudget {
 public:
  // `counter` shows how many are in use. Both are borrowed and outlive the object.
  MessageBudget(Runtime* runtime, size_t bytes_max, Counter* counter)
      : runtime_(runtime), bytes_max_(bytes_max), available_(bytes_max), in_use_(counter) {}
  MessageBudget(const MessageBudget&) = delete;
  MessageBudget& operator=(const MessageBudget&) = delete;

  // Waits until `bytes` can be had. ENOMEM: never. ETIMEDOUT, ECANCELED: nothing was taken.
  absl::Status Reserve(size_t bytes, bool has_part, Deadline deadline);
  void Release(size_t bytes);

  size_t bytes_max() const { return bytes_max_; }
  size_t available() const { return available_; }

 private:
  struct Request {
    Waiter waiter;
    ListLink link;
    size_t bytes = 0;
  };
  using Queue = IntrusiveList<Request, &Request::link>;

  void Take(size_t bytes);
  void Grant();

  Runtime* const runtime_;
  const size_t bytes_max_;
  size_t available_;
  Counter* const in_use_;
  Queue with_part_;
  Queue without_;
};

// A message that comes in parts, put together. Takes no memory while empty.
class MessageAssembly {
 public:
  // `budget` is borrowed and outlives the object.
  explicit MessageAssembly(MessageBudget* budget) : budget_(budget) {}
  ~MessageAssembly() { Clear(); }
  MessageAssembly(const MessageAssembly&) = delete;
  MessageAssembly& operator=(const MessageAssembly&) = delete;

  // Adds a part. Waits while the budget has no room.
  //   ENOMEM  there is no memory, or never will be: the message is larger than the whole budget
  //   ETIMEDOUT, ECANCELED  nothing was added
  absl::Status Append(absl::Span<const uint8_t> part, Deadline deadline);

  // Memory behind what has been added, taken from the budget already: may be empty. Who receives
  // into it adds the beginning of it with Added().
  absl::Span<uint8_t> room() { return absl::MakeSpan(bytes_ + size_, capacity_ - size_); }
  void Added(size_t count) { size_ += count; }

  absl::Span<const uint8_t> bytes() const { return absl::MakeConstSpan(bytes_, size_); }

  // Forgets the message and gives its memory back.
  void Clear();

 private:
  absl::Status Grow(size_t size, Deadline deadline);

  MessageBudget* const budget_;
  uint8_t* bytes_ = nullptr;  // from malloc
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_MESSAGE_ASSEMBLY_H_
