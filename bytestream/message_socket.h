#ifndef HALFPIPE_BYTESTREAM_MESSAGE_SOCKET_H_
#define HALFPIPE_BYTESTREAM_MESSAGE_SOCKET_H_

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {

// A connection that carries messages: whole, in order. Blocking and errors are as for Bytestream:
// ETIMEDOUT and ECANCELED never lose anything, the call may be made again.
class MessageSocket {
 public:
  virtual ~MessageSocket() = default;

  // Sends one message made of all `slices`, borrowed until return. All or nothing to the caller.
  virtual absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) = 0;

  // Receives one message into `slices` and returns its size; nothing when the peer has ended its
  // direction. A slice with null data skips its size. An empty list discards one message. EMSGSIZE:
  // the message is larger than the slices; the connection lives, and the next call gives the next
  // message.
  virtual absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                               Deadline deadline) = 0;

  // True while a coroutine is inside SendMessage() or another function that sends.
  virtual bool sender_busy() const = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_MESSAGE_SOCKET_H_
