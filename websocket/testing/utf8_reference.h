#ifndef HALFPIPE_WEBSOCKET_TESTING_UTF8_REFERENCE_H_
#define HALFPIPE_WEBSOCKET_TESTING_UTF8_REFERENCE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace halfpipe::websocket {

// What a slow and plain reader of UTF-8 makes of a text.
struct Utf8Judgement {
  // The number of bytes after which it is known that the text is ill-formed; SIZE_MAX if it is not.
  size_t bytes_to_tell = SIZE_MAX;
  // The text ends at the end of a character.
  bool complete = true;
};

// The rows of "Well-Formed UTF-8 Byte Sequences", table 3-7 of the Unicode Standard (the ABNF of
// RFC 3629 section 4 says the same), applied byte by byte. For tests and fuzzers, written apart
// from the production validator.
inline Utf8Judgement JudgeUtf8Slowly(absl::Span<const uint8_t> text) {
  struct Row {
    uint8_t first_low, first_high, second_low, second_high;
    int size;
  };
  static constexpr Row kRows[] = {
      {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
      {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
      {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
  };
  size_t i = 0;
  while (i < text.size()) {
    const Row* row = nullptr;
    for (const Row& candidate : kRows) {
      if (text[i] >= candidate.first_low && text[i] <= candidate.first_high) row = &candidate;
    }
    if (row == nullptr) return {i + 1, false};
    for (int k = 1; k < row->size; ++k) {
      if (i + k == text.size()) return {SIZE_MAX, false};
      const uint8_t low = k == 1 ? row->second_low : 0x80;
      const uint8_t high = k == 1 ? row->second_high : 0xBF;
      if (text[i + k] < low || text[i + k] > high) return {i + k + 1, false};
    }
    i += row->size;
  }
  return {};
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_UTF8_REFERENCE_H_
