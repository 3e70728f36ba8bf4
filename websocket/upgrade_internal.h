#ifndef HALFPIPE_WEBSOCKET_UPGRADE_INTERNAL_H_
#define HALFPIPE_WEBSOCKET_UPGRADE_INTERNAL_H_

// What both sides of the opening handshake need. Not for users.

#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe::websocket::upgrade_internal {

// A block of the runtime's pool for the length of a function, to put a head together in.
class Scratch {
 public:
  explicit Scratch(BufferPool* pool) : pool_(pool), block_(pool->Get()) {}
  ~Scratch() {
    if (block_ != nullptr) pool_->Put(block_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  bool ok() const { return block_ != nullptr; }
  absl::Span<char> chars() {
    return absl::MakeSpan(reinterpret_cast<char*>(block_), BufferPool::kBlockSize);
  }

 private:
  BufferPool* const pool_;
  uint8_t* const block_;
};

// The end of the stream is no clean end while a handshake goes on.
inline absl::Status WithoutCleanEnd(absl::Status status) {
  if (StatusErrno(status) != EPIPE) return status;
  return ErrnoStatus(ECONNRESET, "the stream ended during the opening handshake");
}

}  // namespace halfpipe::websocket::upgrade_internal

#endif  // HALFPIPE_WEBSOCKET_UPGRADE_INTERNAL_H_
