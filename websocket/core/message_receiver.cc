#include "websocket/core/message_receiver.h"

#include <algorithm>

#include "bytestream/base/check.h"
#include "websocket/core/masked_text.h"
#include "websocket/core/masking.h"

namespace halfpipe::websocket {

MessageReceiver::MessageReceiver(const Options& options)
    : message_bytes_max_(options.message_bytes_max),
      frame_bytes_max_(options.frame_bytes_max),
      encoded_bytes_max_(options.encoded_bytes_max),
      fragments_max_(options.fragments_max),
      role_(options.role),
      rsv_allowed_(options.rsv_allowed) {}

void MessageReceiver::SetMessageBytesMax(uint64_t message_bytes_max, uint64_t encoded_bytes_max) {
  HALFPIPE_CHECK(!in_message_);
  message_bytes_max_ = message_bytes_max;
  encoded_bytes_max_ = encoded_bytes_max;
}

ReceiveEvent MessageReceiver::Next() {
  ReceiveEvent event;
  switch (state_) {
    case State::kHeader:
      event.kind = ReceiveEvent::Kind::kNeedHeader;
      event.min_bytes = header_bytes_min_;
      break;
    case State::kPayload:
      event.kind = ReceiveEvent::Kind::kNeedPayload;
      event.opcode = message_opcode_;
      event.rsv = message_rsv_;
      event.first_frame = first_frame_;
      event.last_frame = last_frame_;
      event.frame_bytes_left = frame_bytes_left_;
      event.message_bytes = message_bytes_;
      break;
    case State::kControl:
      event.kind = ReceiveEvent::Kind::kNeedControl;
      event.opcode = control_opcode_;
      event.min_bytes = size_t{control_size_} - control_taken_;
      break;
    case State::kMessageEnd:
      event.kind = ReceiveEvent::Kind::kMessageEnd;
      event.opcode = message_opcode_;
      event.rsv = message_rsv_;
      event.message_bytes = message_bytes_;
      in_message_ = false;
      state_ = State::kHeader;
      break;
    case State::kPing:
    case State::kPong:
      event.kind =
          state_ == State::kPing ? ReceiveEvent::Kind::kSendPong : ReceiveEvent::Kind::kPong;
      event.payload = absl::MakeConstSpan(control_, control_size_);
      state_ = State::kHeader;
      break;
    case State::kPeerClosed:
      event.kind = ReceiveEvent::Kind::kPeerClosed;
      event.close_code = close_code_;
      if (control_size_ > 2) event.payload = absl::MakeConstSpan(control_ + 2, control_size_ - 2u);
      break;
    case State::kFailed:
      event.kind = ReceiveEvent::Kind::kFail;
      event.error = error_;
      break;
  }
  return event;
}

size_t MessageReceiver::OnHeader(absl::Span<const uint8_t> in) {
  HALFPIPE_CHECK(state_ == State::kHeader);
  FrameHeader header;
  size_t consumed = 0;
  size_t needed = 0;
  ProtocolError error;
  switch (
      ParseFrameHeader(in, FrameRules(role_, rsv_allowed_), &header, &consumed, &needed, &error)) {
    case DecodeStatus::kNeedMore:
      header_bytes_min_ = static_cast<uint8_t>(needed);
      return 0;
    case DecodeStatus::kInvalid:
      Fail(error);
      return 0;
    case DecodeStatus::kDone:
      break;
  }
  header_bytes_min_ = 2;
  return BeginFrame(header) ? consumed : 0;
}

void MessageReceiver::OnPayload(absl::Span<uint8_t> data) {
  HALFPIPE_CHECK(state_ == State::kPayload);
  HALFPIPE_CHECK(data.size() <= frame_bytes_left_);
  bool well_formed = true;
  if (IsCheckedText()) {
    well_formed =
        masked_ ? UnmaskAndValidate(data, mask_key_, frame_offset_, &text_) : text_.Validate(data);
  } else if (masked_) {
    Mask(data, mask_key_, frame_offset_);
  }
  AdvancePayload(data.size(), well_formed);
}

void MessageReceiver::OnPayloadCopy(uint8_t* dst, absl::Span<const uint8_t> src) {
  HALFPIPE_CHECK(state_ == State::kPayload);
  HALFPIPE_CHECK(src.size() <= frame_bytes_left_);
  // The key of a frame that is not masked is all zero: the same loop is then a plain copy.
  bool well_formed = true;
  if (IsCheckedText()) {
    well_formed = UnmaskCopyAndValidate(dst, src, mask_key_, frame_offset_, &text_);
  } else {
    MaskCopy(dst, src, mask_key_, frame_offset_);
  }
  AdvancePayload(src.size(), well_formed);
}

void MessageReceiver::OnControl(absl::Span<const uint8_t> in) {
  HALFPIPE_CHECK(state_ == State::kControl);
  HALFPIPE_CHECK(in.size() <= size_t{control_size_} - control_taken_);
  MaskCopy(control_ + control_taken_, in, mask_key_, control_taken_);
  control_taken_ = static_cast<uint8_t>(control_taken_ + in.size());
  if (control_taken_ == control_size_) EndControlFrame();
}

void MessageReceiver::Fail(ProtocolError error) {
  error_ = error;
  state_ = State::kFailed;
}

// True if the frame is accepted; else the machine has failed.
bool MessageReceiver::BeginFrame(const FrameHeader& header) {
  if (!IsControl(header.opcode)) return BeginDataFrame(header);
  // Extensions so far give reserved bits a meaning on data frames alone (RFC 7692 section 6).
  if (header.rsv != 0) {
    Fail({kCloseProtocolError, "reserved bit set in a control frame"});
    return false;
  }
  control_opcode_ = header.opcode;
  control_size_ = static_cast<uint8_t>(header.payload_size);
  control_taken_ = 0;
  mask_key_ = header.mask_key;
  state_ = State::kControl;
  if (control_size_ == 0) EndControlFrame();
  return true;
}

bool MessageReceiver::BeginDataFrame(const FrameHeader& header) {
  const bool continuation = header.opcode == Opcode::kContinuation;
  if (continuation && !in_message_) {
    Fail({kCloseProtocolError, "continuation without a message"});
    return false;
  }
  if (!continuation && in_message_) {
    Fail({kCloseProtocolError, "new message inside a fragmented one"});
    return false;
  }
  if (continuation && header.rsv != 0) {
    Fail({kCloseProtocolError, "reserved bit set in a continuation"});
    return false;
  }
  // Not 1009: nothing is too big, it is cut too small.
  if (continuation && fragments_max_ != 0 && fragments_ >= fragments_max_) {
    Fail({kClosePolicyViolation, "message exceeds fragments_per_message_max"});
    return false;
  }
  if (header.payload_size > frame_bytes_max_) {
    Fail({kCloseTooBig, "frame exceeds frame_bytes_max"});
    return false;
  }
  // Written so that no sum can wrap: what is taken never exceeds the limit.
  const uint64_t taken = in_message_ ? message_bytes_ : 0;
  const uint8_t rsv = in_message_ ? message_rsv_ : header.rsv;
  if (header.payload_size > (rsv != 0 ? encoded_bytes_max_ : message_bytes_max_) - taken) {
    Fail({kCloseTooBig, "message exceeds message_bytes_max"});
    return false;
  }

  if (!continuation) {
    in_message_ = true;
    message_opcode_ = header.opcode;
    message_rsv_ = header.rsv;
    message_bytes_ = 0;
    fragments_ = 0;
    text_.Reset();
  }
  ++fragments_;
  first_frame_ = !continuation;
  last_frame_ = header.fin;
  masked_ = header.masked;
  mask_key_ = header.mask_key;
  frame_bytes_left_ = header.payload_size;
  frame_offset_ = 0;
  state_ = State::kPayload;
  if (frame_bytes_left_ == 0) EndDataFrame();
  return state_ != State::kFailed;
}

void MessageReceiver::AdvancePayload(uint64_t size, bool well_formed) {
  frame_bytes_left_ -= size;
  frame_offset_ += size;
  message_bytes_ += size;
  if (!well_formed) return Fail({kCloseBadPayload, "text is not UTF-8"});
  if (frame_bytes_left_ == 0) EndDataFrame();
}

void MessageReceiver::EndDataFrame() {
  if (!last_frame_) {
    state_ = State::kHeader;
    return;
  }
  if (IsCheckedText() && !text_.Finish()) {
    return Fail({kCloseBadPayload, "text ends inside a UTF-8 sequence"});
  }
  state_ = State::kMessageEnd;
}

void MessageReceiver::EndControlFrame() {
  if (control_opcode_ == Opcode::kPing) {
    state_ = State::kPing;
  } else if (control_opcode_ == Opcode::kPong) {
    state_ = State::kPong;
  } else {
    ClosePayload close;
    ProtocolError error;
    if (!ParseClosePayload(absl::MakeConstSpan(control_, control_size_), &close, &error)) {
      return Fail(error);
    }
    close_code_ = close.code;
    state_ = State::kPeerClosed;
  }
}

}  // namespace halfpipe::websocket
