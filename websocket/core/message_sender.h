#ifndef HALFPIPE_WEBSOCKET_CORE_MESSAGE_SENDER_H_
#define HALFPIPE_WEBSOCKET_CORE_MESSAGE_SENDER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "websocket/core/close_code.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/opcode.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {

// The largest control frame: a short header, a masking key, 125 bytes.
inline constexpr size_t kMaxControlFrameSize = 2 + 4 + kMaxControlPayload;

// Chooses the headers of what we send: opcode, FIN, length form, masking key (RFC 6455 sections 5.2
// to 5.4). Pure; writes headers only, the payload stays with the driver, which masks it with
// Mask() or MaskCopy() if masks(). Masking keys are passed in: fresh and unpredictable for each
// frame (section 5.3); a server's are not looked at.
//
// A message is Begin() and then NextFrame() until one with `fin`. Control frames may be made at any
// time; they go between frames, never inside one.
//
// Example, a message in one frame:
//   uint8_t header[kMaxFrameHeaderSize];
//   sender.Begin(Opcode::kText);
//   size_t size = sender.NextFrame(text.size(), /*fin=*/true, key, absl::MakeSpan(header));
class MessageSender {
 public:
  explicit MessageSender(Role role) : role_(role) {}

  // True if what we send is masked.
  bool masks() const { return role_ == Role::kClient; }

  // True between Begin() and the frame with `fin`.
  bool in_message() const { return in_message_; }

  // Starts a message of `opcode` kText or kBinary. Not inside another one. Its first frame carries
  // the reserved bits `rsv`, for an agreed extension.
  void Begin(Opcode opcode, uint8_t rsv = 0);

  // Writes the header of the message's next frame to `out`, at least kMaxFrameHeaderSize bytes, and
  // returns its size, 2..14. `payload_size` is at most kMaxFramePayload; 0 is a frame too.
  size_t NextFrame(uint64_t payload_size, bool fin, MaskKey key, absl::Span<uint8_t> out);

  // Writes a whole control frame, masked where that is due, to `out`, at least kMaxControlFrameSize
  // bytes, and returns its size. `payload` has 0..125 bytes and does not overlap `out`.
  size_t ControlFrame(Opcode opcode, absl::Span<const uint8_t> payload, MaskKey key,
                      absl::Span<uint8_t> out) const;

 private:
  Role role_;
  bool in_message_ = false;
  Opcode next_opcode_ = Opcode::kContinuation;
  uint8_t next_rsv_ = 0;
};

// The payload size of the next frame of a message of which `message_bytes_left` are to be sent:
// all that is left, or `fragment_bytes_max` (at least 1) where that is less. It is the last frame
// if it takes all that is left.
constexpr uint64_t FragmentSize(uint64_t message_bytes_left, uint64_t fragment_bytes_max) {
  return message_bytes_left < fragment_bytes_max ? message_bytes_left : fragment_bytes_max;
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_MESSAGE_SENDER_H_
