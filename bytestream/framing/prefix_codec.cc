#include "bytestream/framing/prefix_codec.h"

namespace halfpipe {

void EncodePrefix(uint64_t size, ByteOrder order, absl::Span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t place = order == ByteOrder::kLittleEndian ? i : out.size() - 1 - i;
    out[place] = static_cast<uint8_t>(size);
    size >>= 8;
  }
}

uint64_t DecodePrefix(absl::Span<const uint8_t> in, ByteOrder order) {
  uint64_t size = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t place = order == ByteOrder::kBigEndian ? i : in.size() - 1 - i;
    size = size << 8 | in[place];
  }
  return size;
}

}  // namespace halfpipe
