#include "websocket/core/masking.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace halfpipe::websocket {
namespace {

#if defined(__x86_64__)
#define HALFPIPE_AVX2 __attribute__((target("avx2")))
#endif
#define HALFPIPE_INLINE inline __attribute__((always_inline))

// The key twice over, starting with the byte that belongs to `offset`. Turned within a register:
// putting bytes together in memory would stall the load of the whole.
uint64_t Pattern(MaskKey key, uint64_t offset) {
  uint32_t word;
  std::memcpy(&word, key.data(), sizeof word);
  const int turn = static_cast<int>(offset & 3) * 8;
  word = std::endian::native == std::endian::little ? std::rotr(word, turn) : std::rotl(word, turn);
  return word * uint64_t{0x0000000100000001};
}

template <typename T>
HALFPIPE_INLINE void XorOne(uint8_t* dst, const uint8_t* src, const T& pattern) {
  T value;
  std::memcpy(&value, src, sizeof value);
  value ^= pattern;
  std::memcpy(dst, &value, sizeof value);
}

// Vector types, wrapped because a template argument loses its attributes.
struct Vector16 {
  typedef uint64_t Type __attribute__((vector_size(16)));
};
struct Vector32 {
  typedef uint64_t Type __attribute__((vector_size(32)));
};

// Inlined, so that it becomes AVX2 code in one caller and the platform's baseline in the other.
template <typename Vector>
HALFPIPE_INLINE void XorBulk(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
  using Wide = typename Vector::Type;
  const Wide wide = Wide{} + pattern;
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
  if (i == size) return;
  uint8_t bytes[sizeof pattern];
  std::memcpy(bytes, &pattern, sizeof bytes);
  for (size_t k = 0; i < size; ++i, ++k) dst[i] = src[i] ^ bytes[k];
}

void XorBaseline(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
  XorBulk<Vector16>(dst, src, size, pattern);
}

#if defined(HALFPIPE_AVX2)
HALFPIPE_AVX2 void XorAvx2(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
  XorBulk<Vector32>(dst, src, size, pattern);
}

// Before dynamic initialization this is false, which is slower and right.
const bool has_avx2 = __builtin_cpu_supports("avx2");
#endif

void Xor(uint8_t* dst, const uint8_t* src, size_t size, uint64_t pattern) {
#if defined(HALFPIPE_AVX2)
  if (has_avx2 && size >= 32) return XorAvx2(dst, src, size, pattern);
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
