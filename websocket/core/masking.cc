#include "websocket/core/masking.h"

#include <cstddef>
#include <cstring>

namespace halfpipe::websocket {
namespace {

#if defined(__x86_64__)
#define HALFPIPE_AVX2 __attribute__((target("avx2")))
#endif
#define HALFPIPE_INLINE inline __attribute__((always_inline))

// The key twice over, starting with the byte that belongs to `offset`. Built in memory order, so
// that it is right on either byte order.
uint64_t Pattern(MaskKey key, uint64_t offset) {
  uint8_t bytes[8];
  for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = key[(offset + i) & 3];
  uint64_t pattern;
  std::memcpy(&pattern, bytes, sizeof pattern);
  return pattern;
}

template <typename T>
HALFPIPE_INLINE void XorOne(uint8_t* dst, const uint8_t* src, const T& pattern) {
  T value;
  std::memcpy(&value, src, sizeof value);
  value ^= pattern;
  std::memcpy(dst, &value, sizeof value);
}

// The vectors are as wide as the function this is inlined into allows: its body becomes AVX2 code
// in one caller and the platform's baseline in the other.
HALFPIPE_INLINE void XorBulk(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
  typedef uint64_t Wide __attribute__((vector_size(32)));
  const Wide wide = {pattern, pattern, pattern, pattern};
  size_t i = 0;
  // One vector at a time: an array of four would go through memory under gcc.
  for (; size - i >= 4 * sizeof(Wide); i += 4 * sizeof(Wide)) {
    XorOne(dst + i, src + i, wide);
    XorOne(dst + i + sizeof(Wide), src + i + sizeof(Wide), wide);
    XorOne(dst + i + 2 * sizeof(Wide), src + i + 2 * sizeof(Wide), wide);
    XorOne(dst + i + 3 * sizeof(Wide), src + i + 3 * sizeof(Wide), wide);
  }
  for (; size - i >= sizeof(Wide); i += sizeof(Wide)) XorOne(dst + i, src + i, wide);
  for (; size - i >= sizeof pattern; i += sizeof pattern) XorOne(dst + i, src + i, pattern);
  for (size_t rest = 0; i < size; ++i, ++rest) {
    dst[i] = src[i] ^ reinterpret_cast<const uint8_t*>(&pattern)[rest];
  }
}

void XorBaseline(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
  XorBulk(dst, src, size, pattern);
}

#if defined(HALFPIPE_AVX2)
HALFPIPE_AVX2 void XorAvx2(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
  XorBulk(dst, src, size, pattern);
}

// Before dynamic initialization this is false, which is slower and right.
const bool has_avx2 = __builtin_cpu_supports("avx2");
#endif

void Xor(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
#if defined(HALFPIPE_AVX2)
  if (has_avx2 && size >= 64) return XorAvx2(dst, src, size, pattern);
#endif
  XorBaseline(dst, src, size, pattern);
}

}  // namespace

void Mask(absl::Span<uint8_t> data, MaskKey key, uint64_t offset) {
  Xor(data.data(), data.data(), data.size(), Pattern(key, offset));
}

void MaskCopy(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key, uint64_t offset) {
  Xor(dst, src.data(), src.size(), Pattern(key, offset));
}

namespace masking_internal {

void MaskCopyBaseline(uint8_t* dst, absl::Span<const uint8_t> src, MaskKey key, uint64_t offset) {
  XorBaseline(dst, src.data(), src.size(), Pattern(key, offset));
}

}  // namespace masking_internal

}  // namespace halfpipe::websocket
