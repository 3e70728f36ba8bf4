#ifndef HALFPIPE_BYTESTREAM_FRAMING_PREFIX_CODEC_H_
#define HALFPIPE_BYTESTREAM_FRAMING_PREFIX_CODEC_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace halfpipe {

enum class ByteOrder : uint8_t { kBigEndian, kLittleEndian };

// The length that stands before each message: an unsigned number of 1 to kPrefixBytesMax bytes.
// Pure.
inline constexpr size_t kPrefixBytesMax = 8;

// The largest number that `prefix_bytes` bytes hold.
constexpr uint64_t PrefixedSizeMax(size_t prefix_bytes) {
  return prefix_bytes >= kPrefixBytesMax ? UINT64_MAX : (uint64_t{1} << (8 * prefix_bytes)) - 1;
}

// Fills all of `out`, 1 to kPrefixBytesMax bytes. `size` is at most PrefixedSizeMax(out.size()).
void EncodePrefix(uint64_t size, ByteOrder order, absl::Span<uint8_t> out);

// Reads all of `in`, 1 to kPrefixBytesMax bytes.
uint64_t DecodePrefix(absl::Span<const uint8_t> in, ByteOrder order);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_PREFIX_CODEC_H_
