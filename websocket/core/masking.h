#ifndef HALFPIPE_WEBSOCKET_CORE_MASKING_H_
#define HALFPIPE_WEBSOCKET_CORE_MASKING_H_

#include <cstdint>

#include "absl/types/span.h"
#include "websocket/core/mask_key.h"

namespace halfpipe::websocket {

// Masks or unmasks, which is the same thing (RFC 6455 section 5.3). Pure.
//
// `offset` is the place of the first byte within its frame's payload, so that a payload may be
// treated in any pieces: only offset % 4 matters. Any alignment, any size, 0 included. Uses the
// widest vectors the processor has.
//
// Example, a payload in two pieces:
//   Mask(first, key, 0);
//   Mask(second, key, first.size());
void Mask(absl::Span<uint8_t> data, MaskKey key, uint64_t offset);

// As Mask(), but reads `src` and writes src.size() bytes at `dst`. The two are the same memory or
// do not overlap.
void MaskCopy(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key, uint64_t offset);

namespace masking_internal {

// MaskCopy() without the instructions that only some processors have, for tests and benchmarks.
void MaskCopyBaseline(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key, uint64_t offset);

}  // namespace masking_internal

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_MASKING_H_
