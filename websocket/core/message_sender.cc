#include "websocket/core/message_sender.h"

#include "bytestream/base/check.h"
#include "websocket/core/masking.h"

namespace halfpipe::websocket {

void MessageSender::Begin(Opcode opcode, uint8_t rsv) {
  HALFPIPE_CHECK(!in_message_);
  HALFPIPE_CHECK(StartsMessage(opcode));
  in_message_ = true;
  next_opcode_ = opcode;
  next_rsv_ = rsv;
}

size_t MessageSender::NextFrame(uint64_t payload_size, bool fin, MaskKey key,
                                absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(in_message_);
  HALFPIPE_CHECK(payload_size <= kMaxFramePayload);
  FrameHeader header;
  header.opcode = next_opcode_;
  header.fin = fin;
  header.rsv = next_rsv_;
  header.masked = masks();
  header.mask_key = key;
  header.payload_size = payload_size;
  next_opcode_ = Opcode::kContinuation;
  next_rsv_ = 0;
  in_message_ = !fin;
  return SerializeFrameHeader(header, out);
}

size_t MessageSender::ControlFrame(Opcode opcode, absl::Span<const uint8_t> payload, MaskKey key,
                                   absl::Span<uint8_t> out) const {
  HALFPIPE_CHECK(IsControl(opcode));
  HALFPIPE_CHECK(payload.size() <= kMaxControlPayload);
  FrameHeader header;
  header.opcode = opcode;
  header.masked = masks();
  // Masking with zeroes is a copy.
  if (masks()) header.mask_key = key;
  header.payload_size = payload.size();
  const size_t header_size = SerializeFrameHeader(header, out);
  HALFPIPE_CHECK(out.size() >= header_size + payload.size());
  MaskCopy(out.data() + header_size, payload, header.mask_key, 0);
  return header_size + payload.size();
}

}  // namespace halfpipe::websocket
