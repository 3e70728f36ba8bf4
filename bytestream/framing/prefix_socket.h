#ifndef HALFPIPE_BYTESTREAM_FRAMING_PREFIX_SOCKET_H_
#define HALFPIPE_BYTESTREAM_FRAMING_PREFIX_SOCKET_H_

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
#include "bytestream/framing/prefix_codec.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// Messages over a bytestream, each with its length before it.
//
// A message leaves with its length in one gathered write. One that is received stays in the lower
// stream until it is there as a whole, so that an interrupted receive leaves the stream where the
// message begins. Only a receive that drops bytes (null slices) takes them as they come; what it
// keeps is set aside when it is interrupted. Memory for either is bounded by the bytes that the
// interrupted call was to keep.
//
// Errors beyond those of MessageSocket:
//   EMSGSIZE    send: the message is longer than the length can say; nothing was sent
//   EPROTO      receive: a length above Options::message_bytes_max; final
//   ECONNRESET  the stream broke, or ended inside a message; final
//   EINVAL      receive: the memory given wants bytes that an interrupted call for this message has
//               dropped
//   ENOMEM      receive: no memory to set aside what an interrupted call has received; final
//   EBUSY       another coroutine is in that direction
//   EBADF       Abort() was called
//
// Example:
//   PrefixSocket socket(&runtime, std::move(stream), {.prefix_bytes = 2});
//   socket.SendMessage(slices, deadline);
class PrefixSocket final : public MessageSocket {
 public:
  // What a size of ours can count.
  static constexpr uint64_t kMessageBytesMax = INT64_MAX;

  struct Options {
    size_t prefix_bytes = 8;  // 1..kPrefixBytesMax
    ByteOrder byte_order = ByteOrder::kBigEndian;
    // The longest message that a peer may announce.
    uint64_t message_bytes_max = kMessageBytesMax;
  };

  // `runtime` is borrowed and outlives the object.
  PrefixSocket(Runtime* runtime, BytestreamPtr lower, const Options& options);
  PrefixSocket(const PrefixSocket&) = delete;
  PrefixSocket& operator=(const PrefixSocket&) = delete;

  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) override;
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline deadline) override;
  bool sender_busy() const override { return sending_; }

  // Gives the lower stream back; never waits. The next byte is the first one of the next message
  // that was not received. Of a message that was too large, or of which an interrupted call has
  // taken a part, what is left must be here already and is dropped, or it is ECONNRESET. After a failure other than EBUSY the object is of no more use.
  absl::StatusOr<BytestreamPtr> Detach();

  // Breaks the connection for good; blocked callers get EBADF. Never waits.
  void Abort() noexcept;

 private:
  // What is left of a message whose length is consumed.
  enum class Rest : uint8_t {
    kNone,
    kTooLarge,  // to be skipped: its receiver had no room
    kPartial,   // being received; what an interrupted call has taken of it is set aside
  };

  int Enter(bool busy) const;
  absl::StatusOr<std::optional<size_t>> ReceiveNow(absl::Span<const IoSpan> slices,
                                                   Deadline deadline);
  absl::Status TakeMessage(absl::Span<const uint8_t> buffered, absl::Span<const IoSpan> slices,
                           size_t size, Deadline deadline);
  absl::Status FillPartial(absl::Span<const IoSpan> slices, uint64_t capacity, Deadline deadline);
  absl::Status TakeRest(SliceCursor<IoSpan>* to, Deadline deadline);
  absl::Status TooLarge();
  absl::Status Fail(int error);
  absl::Status Failure() const;

  Runtime* const runtime_;
  BytestreamPtr lower_;
  const Options options_;
  uint64_t rest_size_ = 0;  // of the whole message
  uint64_t rest_left_ = 0;  // bytes still to come
  SetAside aside_;
  Rest rest_ = Rest::kNone;
  int failure_ = 0;  // of the inbound direction, an errno
  bool sending_ = false;
  bool receiving_ = false;
  bool aborted_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_PREFIX_SOCKET_H_
