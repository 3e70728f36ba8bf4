#include "tools/wscat/escape.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "websocket/core/utf8.h"

namespace halfpipe::tools {
namespace {

// How long the sequence is that this byte begins, if it begins a good one.
size_t SequenceSize(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

// The code point of a well-formed sequence.
uint32_t CodePoint(absl::string_view sequence) {
  uint32_t point = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() > 1) point &= 0x7fu >> sequence.size();
  for (const char c : sequence.substr(1)) point = point << 6 | (static_cast<uint8_t>(c) & 0x3fu);
  return point;
}

bool IsShown(uint32_t point) {
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return false;
  return !(point >= 0x2028 && point <= 0x202e) && !(point >= 0x2066 && point <= 0x2069);
}

void AppendEscaped(absl::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default:
        absl::StrAppendFormat(out, "\\x%02x", static_cast<uint8_t>(c));
    }
  }
}

}  // namespace

std::string EscapeForTerminal(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    absl::string_view sequence = bytes.substr(0, SequenceSize(static_cast<uint8_t>(bytes[0])));
    const bool good = websocket::IsUtf8(sequence);
    if (!good) sequence = bytes.substr(0, 1);
    if (good && sequence == "\\") {
      out.append("\\\\");
    } else if (good && IsShown(CodePoint(sequence))) {
      out.append(sequence.data(), sequence.size());
    } else {
      AppendEscaped(sequence, &out);
    }
    bytes.remove_prefix(sequence.size());
  }
  return out;
}

}  // namespace halfpipe::tools
