#ifndef HALFPIPE_WEBSOCKET_CORE_UTF8_H_
#define HALFPIPE_WEBSOCKET_CORE_UTF8_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::websocket {

// Checks UTF-8 (RFC 3629, RFC 6455 section 8.1) that arrives in pieces. One byte of state, nothing
// stored. Overlong forms, surrogates and everything above U+10FFFF are refused, each at the first
// byte after which no well-formed text could follow.
//
// Example:
//   Utf8Validator text;
//   if (!text.Validate(piece) || !text.Validate(next_piece) || !text.Finish()) return BadText();
class Utf8Validator {
 public:
  // Takes the next piece, of any size. False once the text so far cannot be made well-formed any
  // more; then for ever, until Reset().
  [[nodiscard]] bool Validate(absl::Span<const uint8_t> piece);

  // True if the text may end here: nothing was ill-formed and no sequence is incomplete.
  [[nodiscard]] bool Finish() const { return state_ == kAccept; }

  // Starts a new text.
  void Reset() { state_ = kAccept; }

 private:
  // States are bit positions in the words of a table, see utf8.cc.
  static constexpr uint8_t kReject = 0;
  static constexpr uint8_t kAccept = 6;

  uint8_t state_ = kAccept;
};

// True if all of `text` is well-formed UTF-8.
[[nodiscard]] bool IsUtf8(absl::string_view text);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_UTF8_H_
