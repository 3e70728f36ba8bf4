#ifndef HALFPIPE_WEBSOCKET_CORE_UTF8_SLICES_H_
#define HALFPIPE_WEBSOCKET_CORE_UTF8_SLICES_H_

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "websocket/core/utf8.h"

namespace halfpipe::websocket {

// text->Validate() of all `slices`, one after the other, which may cut characters.
[[nodiscard]] inline bool ValidateSlices(absl::Span<const IoSlice> slices, Utf8Validator* text) {
  for (const IoSlice& slice : slices) {
    if (!text->Validate(absl::MakeConstSpan(slice.data, slice.size))) return false;
  }
  return true;
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_UTF8_SLICES_H_
