#include "websocket/testing/wire_builder.h"

#include <cstddef>

namespace halfpipe::websocket {
namespace {

WireBuilder::LengthForm ShortestForm(uint64_t size) {
  if (size > 65535) return WireBuilder::LengthForm::k64;
  return size > 125 ? WireBuilder::LengthForm::k16 : WireBuilder::LengthForm::k7;
}

}  // namespace

WireBuilder& WireBuilder::Key(MaskKey key) {
  key_ = key;
  return *this;
}

WireBuilder& WireBuilder::Text(absl::string_view payload, Fin fin) {
  return Frame({.first_byte = static_cast<uint8_t>(fin ? 0x81 : 0x01), .payload = payload});
}

WireBuilder& WireBuilder::Binary(absl::string_view payload, Fin fin) {
  return Frame({.first_byte = static_cast<uint8_t>(fin ? 0x82 : 0x02), .payload = payload});
}

WireBuilder& WireBuilder::Continuation(absl::string_view payload, Fin fin) {
  return Frame({.first_byte = static_cast<uint8_t>(fin ? 0x80 : 0x00), .payload = payload});
}

WireBuilder& WireBuilder::Ping(absl::string_view payload) {
  return Frame({.first_byte = 0x89, .payload = payload});
}

WireBuilder& WireBuilder::Pong(absl::string_view payload) {
  return Frame({.first_byte = 0x8A, .payload = payload});
}

WireBuilder& WireBuilder::Close() { return CloseWithPayload(""); }

WireBuilder& WireBuilder::Close(uint16_t code, absl::string_view reason) {
  std::string payload;
  payload.push_back(static_cast<char>(code / 256));
  payload.push_back(static_cast<char>(code % 256));
  payload.append(reason.data(), reason.size());
  return CloseWithPayload(payload);
}

WireBuilder& WireBuilder::CloseWithPayload(absl::string_view payload) {
  return Frame({.first_byte = 0x88, .payload = payload});
}

WireBuilder& WireBuilder::Frame(const RawFrame& frame) {
  const uint64_t size =
      frame.announced_size == UINT64_MAX ? frame.payload.size() : frame.announced_size;
  const LengthForm form =
      frame.length_form == LengthForm::kShortest ? ShortestForm(size) : frame.length_form;
  const bool masked = (sender_ == Role::kClient) != frame.flip_mask;
  const int mask_bit = masked ? 128 : 0;

  wire_.push_back(static_cast<char>(frame.first_byte));
  int length_bytes = 0;
  if (form == LengthForm::k7) {
    wire_.push_back(static_cast<char>(mask_bit + static_cast<int>(size)));
  } else {
    length_bytes = form == LengthForm::k16 ? 2 : 8;
    wire_.push_back(static_cast<char>(mask_bit + (form == LengthForm::k16 ? 126 : 127)));
  }
  for (int shift = 8 * length_bytes - 8; shift >= 0; shift -= 8) {
    wire_.push_back(static_cast<char>(size >> shift & 255));
  }
  if (masked) wire_.append(reinterpret_cast<const char*>(key_.data()), key_.size());
  for (size_t i = 0; i < frame.payload.size(); ++i) {
    wire_.push_back(static_cast<char>(frame.payload[i] ^ (masked ? key_[i % 4] : 0)));
  }
  return *this;
}

WireBuilder& WireBuilder::Header(uint8_t first_byte, uint64_t announced_size) {
  return Frame({.first_byte = first_byte, .announced_size = announced_size});
}

WireBuilder& WireBuilder::Raw(absl::string_view bytes) {
  wire_.append(bytes.data(), bytes.size());
  return *this;
}

}  // namespace halfpipe::websocket
