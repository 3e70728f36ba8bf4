#include "websocket/testing/wire_reader.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "websocket/testing/bytes.h"
#include "websocket/testing/utf8_reference.h"

namespace halfpipe::websocket {
namespace {

bool IsWellFormed(absl::string_view text) {
  const Utf8Judgement judgement = JudgeUtf8Slowly(AsBytes(text));
  return judgement.bytes_to_tell == SIZE_MAX && judgement.complete;
}

// Takes one frame off the front of *wire. Returns the breach, or null.
const char* TakeFrame(absl::string_view* wire, Role sender, WireFrame* frame) {
  const auto byte = [wire](size_t i) { return static_cast<uint8_t>((*wire)[i]); };
  if (wire->size() < 2) return "the stream ends inside a frame header";
  frame->first_byte = byte(0);
  const bool masked = byte(1) >= 128;
  if (masked != (sender == Role::kClient))
    return masked ? "a server masks" : "a client does not mask";
  uint64_t size = byte(1) % 128;
  size_t at = 2;
  if (size >= 126) {
    const size_t length_bytes = size == 126 ? 2 : 8;
    const uint64_t least = size == 126 ? 126 : 65536;
    if (wire->size() < at + length_bytes) return "the stream ends inside a length";
    size = 0;
    for (size_t i = 0; i < length_bytes; ++i) size = size * 256 + byte(at++);
    if (size < least) return "a length is not in its shortest form";
    if (size >> 63 != 0) return "a length has its top bit set";
  }
  if (masked) {
    if (wire->size() < at + 4) return "the stream ends inside a masking key";
    for (size_t i = 0; i < 4; ++i) frame->mask_key[i] = byte(at++);
  }
  if (wire->size() - at < size) return "the stream ends inside a payload";
  frame->payload = std::string(wire->substr(at, static_cast<size_t>(size)));
  for (size_t i = 0; i < frame->payload.size(); ++i) {
    frame->payload[i] = static_cast<char>(frame->payload[i] ^ frame->mask_key[i % 4]);
  }
  wire->remove_prefix(at + static_cast<size_t>(size));
  return nullptr;
}

const char* JudgeClose(absl::string_view payload) {
  if (payload.empty()) return nullptr;
  if (payload.size() == 1) return "a Close of one byte";
  const int code = static_cast<uint8_t>(payload[0]) * 256 + static_cast<uint8_t>(payload[1]);
  const bool defined = code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
  if (!defined && (code < 3000 || code > 4999)) return "a close code that may not be sent";
  return IsWellFormed(payload.substr(2)) ? nullptr : "the reason of a Close is not UTF-8";
}

class Judge {
 public:
  explicit Judge(bool deflate) : deflate_(deflate) {}

  // The breach of a frame behind those before, or null.
  const char* Take(const WireFrame& frame) {
    const int opcode = frame.first_byte % 16;
    const bool fin = frame.first_byte >= 128;
    const int rsv = frame.first_byte / 16 % 8;
    // Section 5.5.1 forbids data there; section 5.5.2 has pings answered until the peer's Close.
    if (closed_ && opcode < 8) return "a data frame behind the Close";
    if (closed_ && opcode == 8) return "a second Close";
    if (opcode >= 8) {
      if (opcode > 10) return "a reserved opcode";
      if (!fin) return "a fragmented control frame";
      if (rsv != 0) return "a reserved bit in a control frame";
      if (frame.payload.size() > 125) return "a control frame over 125 bytes";
      if (opcode != 8) return nullptr;
      closed_ = true;
      return JudgeClose(frame.payload);
    }
    if (opcode > 2) return "a reserved opcode";
    if (opcode == 0 && !in_message_) return "a continuation without a message";
    if (opcode != 0 && in_message_) return "a new message inside another one";
    if (rsv != 0 && (rsv != 4 || !deflate_ || opcode == 0)) return "a reserved bit";
    if (opcode != 0) {
      is_plain_text_ = opcode == 1 && rsv == 0;
      text_.clear();
    }
    in_message_ = !fin;
    if (!is_plain_text_) return nullptr;
    text_ += frame.payload;
    return !fin || IsWellFormed(text_) ? nullptr : "a text that is not UTF-8";
  }

 private:
  const bool deflate_;
  bool closed_ = false;
  bool in_message_ = false;
  bool is_plain_text_ = false;
  std::string text_;
};

}  // namespace

WireContent ReadWire(absl::string_view wire, Role sender, bool deflate) {
  WireContent content;
  Judge judge(deflate);
  while (!wire.empty()) {
    WireFrame frame;
    const char* breach = TakeFrame(&wire, sender, &frame);
    if (breach == nullptr) breach = judge.Take(frame);
    if (breach != nullptr) {
      content.breach = breach;
      break;
    }
    content.frames.push_back(std::move(frame));
  }
  return content;
}

}  // namespace halfpipe::websocket
