#ifndef HALFPIPE_BYTESTREAM_FRAMING_FRAMING_TEST_SUPPORT_H_
#define HALFPIPE_BYTESTREAM_FRAMING_FRAMING_TEST_SUPPORT_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/message_socket.h"

namespace halfpipe {

inline absl::Status Send(MessageSocket& socket, absl::string_view text,
                         Deadline deadline = Deadline::Never()) {
  const IoSlice slice(text);
  return socket.SendMessage(absl::MakeConstSpan(&slice, 1), deadline);
}

// What a receive with room for `room` bytes gives: a message in brackets, or "end".
inline absl::StatusOr<std::string> Receive(MessageSocket& socket, size_t room,
                                           Deadline deadline = Deadline::Never()) {
  std::string text(room, '?');
  const IoSpan span(text.data(), text.size());
  const absl::StatusOr<std::optional<size_t>> size =
      socket.ReceiveMessage(absl::MakeConstSpan(&span, 1), deadline);
  if (!size.ok()) return size.status();
  if (!size->has_value()) return std::string("end");
  return "[" + text.substr(0, **size) + "]";
}

// The same for a message that is dropped: its size.
inline absl::StatusOr<std::optional<size_t>> Discard(MessageSocket& socket,
                                                     Deadline deadline = Deadline::Never()) {
  return socket.ReceiveMessage({}, deadline);
}

inline absl::StatusOr<std::optional<size_t>> Skip(MessageSocket& socket, size_t room,
                                                  Deadline deadline = Deadline::Never()) {
  const IoSpan span(nullptr, room);
  return socket.ReceiveMessage(absl::MakeConstSpan(&span, 1), deadline);
}

inline absl::Span<const uint8_t> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_FRAMING_TEST_SUPPORT_H_
