#include "websocket/core/masked_text.h"

#include <algorithm>
#include <cstddef>

#include "websocket/core/masking.h"

namespace halfpipe::websocket {
namespace {

constexpr size_t kBlock = 4096;

}  // namespace

bool UnmaskAndValidate(absl::Span<uint8_t> data, MaskKey key, uint64_t offset,
                       Utf8Validator* text) {
  return UnmaskCopyAndValidate(data.data(), data, key, offset, text);
}

bool UnmaskCopyAndValidate(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key,
                           uint64_t offset, Utf8Validator* text) {
  size_t done = 0;
  do {
    const size_t size = std::min(kBlock, src.size() - done);
    MaskCopy(dst + done, src.subspan(done, size), key, offset + done);
    if (!text->Validate(absl::MakeConstSpan(dst + done, size))) return false;
    done += size;
  } while (done < src.size());
  return true;
}

}  // namespace halfpipe::websocket
