#ifndef HALFPIPE_BYTESTREAM_FRAMING_TERM_SOCKET_H_
#define HALFPIPE_BYTESTREAM_FRAMING_TERM_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// The longest terminal message.
inline constexpr size_t kTerminatorBytesMax = 32;

// A message that says "this was the last one", over any message socket: each peer sends it when it
// is done, and after both have, both know where they are in the messages below.
//
// Receiving: a message equal to the terminator is the end (nothing is returned), for good; messages
// behind it belong to whoever uses the lower socket afterwards. Sending: after Done() it is EPIPE.
//
// Errors beyond those of MessageSocket and of the lower socket:
//   EINVAL      send: the message is the terminator; nothing was sent
//   ECONNRESET  receive: the lower socket has ended without a terminator
//   EBUSY       another coroutine is in that direction
//   EBADF       Close() was called
//
// Example:
//   TermSocket socket(&runtime, &messages, "STOP" as bytes);
//   ...
//   socket.Finish(deadline);  // `messages` may now be used for something else
class TermSocket final : public MessageSocket {
 public:
  // `lower` is borrowed, outlives the object, and is used by nobody else meanwhile. `terminator` has
  // up to kTerminatorBytesMax bytes (none: an empty message is the end) and is copied.
  TermSocket(Runtime* runtime, MessageSocket* lower, absl::Span<const uint8_t> terminator);
  TermSocket(const TermSocket&) = delete;
  TermSocket& operator=(const TermSocket&) = delete;

  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) override;
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline deadline) override;
  bool sender_busy() const override { return sending_; }

  // Sends the terminator. A second call is EPIPE. After a timeout it has not happened.
  absl::Status Done(Deadline deadline);

  // Done() if that has not happened, then drops messages up to the peer's terminator. OK: the lower
  // socket is free for others. EBUSY: nothing was done.
  absl::Status Finish(Deadline deadline);

  // Calls from now on fail with EBADF, and those inside do when they come out of the lower socket,
  // which the caller closes.
  void Close() noexcept { closed_ = true; }

 private:
  int Enter(bool busy) const;
  bool IsTerminator(absl::Span<const IoSlice> slices) const;
  absl::Status SendTerminator(Deadline deadline);
  absl::StatusOr<std::optional<size_t>> ReceiveNow(absl::Span<const IoSpan> slices,
                                                   Deadline deadline);
  absl::StatusOr<std::optional<size_t>> ReceiveUnlessEmpty(absl::Span<const IoSpan> slices,
                                                           Deadline deadline);
  std::optional<size_t> End();

  Runtime* const runtime_;
  MessageSocket* const lower_;
  uint8_t terminator_[kTerminatorBytesMax];
  const uint8_t terminator_size_;
  bool end_received_ = false;
  bool end_sent_ = false;
  bool sending_ = false;
  bool receiving_ = false;
  bool closed_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_TERM_SOCKET_H_
