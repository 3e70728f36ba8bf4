#ifndef HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_SOCKET_H_
#define HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/base/set_aside.h"
#include "bytestream/bytestream.h"
#include "bytestream/framing/suffix_scanner.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// Messages over a bytestream, each with a delimiter behind it.
//
// A message leaves with its delimiter in one gathered write. One that is received stays in the
// lower stream until its delimiter has come, unless it is longer than the stream's buffer; what an
// interrupted receive of such a one has taken is set aside, bounded by that call's own length.
//
// Errors beyond those of MessageSocket:
//   EINVAL      send: the delimiter is in the message, or would be with the real one behind it;
//               nothing was sent. Receive: the memory given wants bytes that an interrupted call
//               for this message has dropped
//   ECONNRESET  the stream broke, or ended inside a message; final
//   ENOMEM      receive: no memory to set aside what an interrupted call has received; final
//   EBUSY       another coroutine is in that direction
//   EBADF       Abort() was called
//
// Example:
//   SuffixSocket lines(&runtime, std::move(stream), "\r\n" as bytes);
//   lines.ReceiveMessage(slices, deadline);
class SuffixSocket final : public MessageSocket {
 public:
  // `suffix` has 1 to kSuffixBytesMax bytes and is copied. `runtime` is borrowed and outlives the
  // object.
  SuffixSocket(Runtime* runtime, BytestreamPtr lower, absl::Span<const uint8_t> suffix);
  SuffixSocket(const SuffixSocket&) = delete;
  SuffixSocket& operator=(const SuffixSocket&) = delete;

  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) override;
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline deadline) override;
  bool sender_busy() const override { return sending_; }

  // Gives the lower stream back. The next byte is the first one of the next message that was not
  // received; one of which a part has been taken already, because it is longer than the stream's
  // buffer, is dropped up to its delimiter. Waits for nothing but that. After a failure other than
  // EBUSY the object is of no more use.
  absl::StatusOr<BytestreamPtr> Detach(Deadline deadline);

  // Breaks the connection for good; blocked callers get EBADF. Never waits.
  void Abort() noexcept;

 private:
  int Enter(bool busy) const;
  absl::StatusOr<std::optional<size_t>> ReceiveNow(absl::Span<const IoSpan> slices,
                                                   Deadline deadline);
  absl::Status CheckAside(absl::Span<const IoSpan> slices, bool discard);
  absl::StatusOr<std::optional<size_t>> FillMessage(absl::Span<const IoSpan> slices, bool discard,
                                                    Deadline deadline);
  absl::Status SkipMessage(Deadline deadline);
  absl::Status TooLarge();
  absl::Status Fail(int error);
  absl::Status Failure() const;
  size_t BytesNeeded() const { return scanned_ + scanner_.size() - scanner_.matched(); }

  Runtime* const runtime_;
  BytestreamPtr lower_;
  SuffixScanner scanner_;
  size_t scanned_ = 0;  // bytes at the front of the lower stream that the scanner has seen
  SetAside aside_;
  int failure_ = 0;        // of the inbound direction, an errno
  bool skipping_ = false;  // the rest of a message for which there was no room
  bool sending_ = false;
  bool receiving_ = false;
  bool aborted_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_SOCKET_H_
