#ifndef HALFPIPE_WEBSOCKET_CORE_MESSAGE_RECEIVER_H_
#define HALFPIPE_WEBSOCKET_CORE_MESSAGE_RECEIVER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "websocket/core/close_code.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/opcode.h"
#include "websocket/core/protocol_error.h"
#include "websocket/core/role.h"
#include "websocket/core/utf8.h"

namespace halfpipe::websocket {

// What a MessageReceiver wants or tells. Which fields count depends on `kind`; the rest are zero.
struct ReceiveEvent {
  enum class Kind : uint8_t {
    kNeedHeader,   // Call OnHeader() with at least `min_bytes` (2..14) bytes.
    kNeedPayload,  // Call OnPayload() or OnPayloadCopy() with 1..`frame_bytes_left` bytes.
    kNeedControl,  // Call OnControl() with 1..`min_bytes` bytes (at most 125).
    kMessageEnd,   // A message is complete: `opcode`, `message_bytes`.
    kSendPong,     // A ping came: answer it with `payload`.
    kPong,         // A pong came, asked for or not, with `payload`. No answer is due.
    kPeerClosed,   // The peer's Close came: `close_code` (1005 if it had none) and `reason`.
    kFail,         // The peer broke a rule: `error`. Send Close(error.close_code).
  };

  Kind kind = Kind::kNeedHeader;

  // kNeedPayload, kMessageEnd: kText or kBinary, also for continuation frames.
  // kNeedControl: kClose, kPing or kPong.
  Opcode opcode = Opcode::kContinuation;

  // kNeedPayload: the frame is the first of its message, the last of it; both for a message that is
  // not fragmented.
  bool first_frame = false;
  bool last_frame = false;

  // kNeedPayload, kMessageEnd: the reserved bits of the message's first frame.
  uint8_t rsv = 0;

  uint16_t close_code = 0;        // kPeerClosed.
  size_t min_bytes = 0;           // kNeedHeader, kNeedControl.
  uint64_t frame_bytes_left = 0;  // kNeedPayload: not yet taken of this frame; never 0.

  // kNeedPayload: payload bytes of this message taken so far, in all its frames: the place of the
  // next byte in the message. kMessageEnd: the size of the whole.
  uint64_t message_bytes = 0;

  absl::Span<const uint8_t> payload;  // kSendPong, kPong: 0..125 bytes, unmasked.
  ProtocolError error;                // kFail.

  // kPeerClosed: UTF-8, 0..123 bytes.
  absl::string_view reason() const {
    return absl::string_view(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
};

// The receive half of a WebSocket connection (RFC 6455 sections 5.4 to 5.6, 7.4 and 8.1): which
// bytes come next, what they mean and which of them are refused. Pure, pull style: the driver asks
// Next() and supplies what it names from wherever the bytes are. The machine never owns the payload
// of a message; that of a control frame is kept inside (125 bytes). No allocation.
//
//   state          on                        goes to
//   header         OnHeader, not enough      header (with a larger min_bytes)
//                  OnHeader, data frame      payload; or as after its last byte if it is empty
//                  OnHeader, control frame   control; or as after its last byte if it is empty
//                  OnHeader, breach          failed
//   payload        OnPayload, bytes left     payload
//                  OnPayload, last byte      header, or message end if FIN
//                  ill-formed UTF-8          failed (1007), as soon as it cannot be mended
//   control        OnControl, last byte      ping, pong, peer closed; failed if the Close is bad
//   message end    Next returned kMessageEnd header
//   ping           Next returned kSendPong   header
//   pong           Next returned kPong       header
//   peer closed    anything                  peer closed: what follows is not ours to read
//   failed         anything                  failed
//
// Next() and acknowledgement. kNeedHeader, kNeedPayload, kNeedControl, kPeerClosed and kFail are
// returned again and again until the machine is fed, or for ever; asking changes nothing.
// kMessageEnd, kSendPong and kPong are each returned once: the call that returns one acknowledges
// it, and the call after that tells what follows. The On... functions may only be called when
// Next() has just returned the kind that names them.
//
// Views: `payload` of kSendPong and kPong is valid until the next OnControl(); `reason()` of
// kPeerClosed as long as the receiver.
//
// Interruption. All progress is inside: a driver may stop at any point, for any time, and go on
// with Next(). To skip a message, feed its payload from scratch memory; it is checked all the same.
//
// Example:
//   MessageReceiver receiver({.role = Role::kServer, .message_bytes_max = 1 << 20});
//   for (;;) {
//     const ReceiveEvent event = receiver.Next();
//     switch (event.kind) {
//       case ReceiveEvent::Kind::kNeedHeader:
//         Consume(receiver.OnHeader(Peek(event.min_bytes)));
//         break;
//       ...
class MessageReceiver {
 public:
  struct Options {
    Role role = Role::kServer;  // Ours.
    // The largest message, over all its frames, and the largest data frame. What a header announces
    // beyond these fails with 1009 before any of its payload is asked for.
    uint64_t message_bytes_max = kMaxFramePayload;
    uint64_t frame_bytes_max = kMaxFramePayload;
    // Reserved bits that the first frame of a message may carry (an agreed extension). The payload
    // of a message that carries one is encoded: its UTF-8 is not checked here.
    uint8_t rsv_allowed = 0;
    // The largest payload of such a message, over all its frames, in place of message_bytes_max:
    // what it says is longer or shorter, and is for the driver to bound.
    uint64_t encoded_bytes_max = kMaxFramePayload;
    // The most frames of one message, empty ones counted; one more fails with 1008. 0: no bound.
    uint64_t fragments_max = 0;
  };

  explicit MessageReceiver(const Options& options);

  // Changes the bounds of messages from the next one on. Not inside one.
  void SetMessageBytesMax(uint64_t message_bytes_max, uint64_t encoded_bytes_max);

  // What comes next; see above. Never blocks, never fails.
  ReceiveEvent Next();

  // After kNeedHeader. `in` begins with a frame and may go on with anything. Returns the size of
  // the header, which the driver consumes; or 0: nothing was taken, ask Next().
  size_t OnHeader(absl::Span<const uint8_t> in);

  // After kNeedPayload: the next `data.size()` bytes of the payload, which are unmasked and, in
  // a text message, checked in one pass. Takes all of them. If the text is refused, part of `data`
  // may still be masked.
  void OnPayload(absl::Span<uint8_t> data);

  // As OnPayload(), but leaves `src` alone and writes the plain bytes to `dst`, src.size() of them,
  // with the copy in the same pass. No overlap.
  void OnPayloadCopy(uint8_t* dst, absl::Span<const uint8_t> src);

  // After kNeedControl: the next bytes of a control frame's payload. Takes all of them.
  void OnControl(absl::Span<const uint8_t> in);

  // True from the header of a message's first frame until kMessageEnd is acknowledged.
  bool in_message() const { return in_message_; }

  // True while the next byte begins a message, as far as is known here: neither in a message nor in
  // a frame, and not at the end.
  bool at_message_boundary() const {
    return state_ == State::kHeader && header_bytes_min_ == 2 && !in_message_;
  }

  // kText or kBinary, of the current message.
  Opcode message_opcode() const { return message_opcode_; }

  // Bytes of the current message's payload taken so far; 0 between messages.
  uint64_t message_offset() const { return in_message_ ? message_bytes_ : 0; }

  bool peer_closed() const { return state_ == State::kPeerClosed; }
  bool failed() const { return state_ == State::kFailed; }

 private:
  enum class State : uint8_t {
    kHeader,
    kPayload,
    kControl,
    kMessageEnd,
    kPing,
    kPong,
    kPeerClosed,
    kFailed,
  };

  void Fail(ProtocolError error);
  bool BeginFrame(const FrameHeader& header);
  bool BeginDataFrame(const FrameHeader& header);
  void AdvancePayload(uint64_t size, bool well_formed);
  void EndDataFrame();
  void EndControlFrame();
  bool IsCheckedText() const { return message_opcode_ == Opcode::kText && message_rsv_ == 0; }

  uint64_t message_bytes_max_;
  const uint64_t frame_bytes_max_;
  uint64_t encoded_bytes_max_;
  const uint64_t fragments_max_;
  uint64_t fragments_ = 0;         // Of the current message, begun.
  uint64_t message_bytes_ = 0;     // Taken, of the current message.
  uint64_t frame_bytes_left_ = 0;  // Of the current data frame.
  uint64_t frame_offset_ = 0;      // Of the next payload byte in the current frame; for the mask.
  ProtocolError error_;
  MaskKey mask_key_{};
  uint16_t close_code_ = 0;
  const Role role_;
  const uint8_t rsv_allowed_;
  State state_ = State::kHeader;
  uint8_t header_bytes_min_ = 2;
  bool in_message_ = false;
  bool first_frame_ = false;
  bool last_frame_ = false;
  bool masked_ = false;
  Opcode message_opcode_ = Opcode::kText;
  uint8_t message_rsv_ = 0;
  Opcode control_opcode_ = Opcode::kPing;
  uint8_t control_size_ = 0;   // Announced.
  uint8_t control_taken_ = 0;  // Of these.
  Utf8Validator text_;
  uint8_t control_[kMaxControlPayload];
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_MESSAGE_RECEIVER_H_
