#ifndef HALFPIPE_WEBSOCKET_TESTING_BYTES_H_
#define HALFPIPE_WEBSOCKET_TESTING_BYTES_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::websocket {

// Bytes for tests, from numbers 0..255.
//
// Example:
//   EXPECT_EQ(wire, Bytes({0x81, 0x05}) + "Hello");
inline std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

// The same memory as bytes. Borrowed.
inline absl::Span<const uint8_t> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}
inline absl::Span<uint8_t> AsMutableBytes(std::string& text) {
  return absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), text.size());
}

// The same memory as characters. Borrowed.
inline absl::string_view AsChars(absl::Span<const uint8_t> bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_BYTES_H_
