#ifndef HALFPIPE_WEBSOCKET_CORE_MASKED_TEXT_H_
#define HALFPIPE_WEBSOCKET_CORE_MASKED_TEXT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "websocket/core/mask_key.h"
#include "websocket/core/utf8.h"

namespace halfpipe::websocket {

// Unmasks and checks UTF-8 while the bytes are in the first-level cache: blocks of 4 KiB, each
// unmasked and then checked, so that memory is walked once. Parameters as for Mask() and
// MaskCopy(). Returns what text->Validate() says; where that is false, what lies behind the block
// with the fault has not been touched.
//
// Example:
//   if (!UnmaskAndValidate(piece, key, offset, &text)) return BadText();
[[nodiscard]] bool UnmaskAndValidate(absl::Span<uint8_t> data, MaskKey key, uint64_t offset,
                                     Utf8Validator* text);
[[nodiscard]] bool UnmaskCopyAndValidate(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key,
                                         uint64_t offset, Utf8Validator* text);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_MASKED_TEXT_H_
