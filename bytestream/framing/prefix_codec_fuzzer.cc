// Lengths of any size. Input: one byte of options, then the bytes of a length, padded with zeros.
//
// Holds for each input: what is decoded encodes to the same bytes, is within what they can say, and
// the two byte orders are each other's mirror.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/types/span.h"
#include "bytestream/framing/prefix_codec.h"

namespace halfpipe {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void Check(absl::Span<const uint8_t> wire, ByteOrder order) {
  const uint64_t size = DecodePrefix(wire, order);
  Require(size <= PrefixedSizeMax(wire.size()));
  uint8_t again[kPrefixBytesMax];
  EncodePrefix(size, order, absl::MakeSpan(again, wire.size()));
  Require(std::memcmp(again, wire.data(), wire.size()) == 0);
  uint8_t mirror[kPrefixBytesMax];
  std::reverse_copy(wire.begin(), wire.end(), mirror);
  const ByteOrder other =
      order == ByteOrder::kBigEndian ? ByteOrder::kLittleEndian : ByteOrder::kBigEndian;
  Require(DecodePrefix(absl::MakeConstSpan(mirror, wire.size()), other) == size);
}

}  // namespace
}  // namespace halfpipe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t prefix_bytes = 1 + data[0] % halfpipe::kPrefixBytesMax;
  uint8_t wire[halfpipe::kPrefixBytesMax] = {};
  std::memcpy(wire, data + 1, std::min(size - 1, sizeof(wire)));
  const auto span = absl::MakeConstSpan(wire, prefix_bytes);
  halfpipe::Check(span, halfpipe::ByteOrder::kBigEndian);
  halfpipe::Check(span, halfpipe::ByteOrder::kLittleEndian);
  return 0;
}
