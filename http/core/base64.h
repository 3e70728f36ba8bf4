#ifndef HALFPIPE_HTTP_CORE_BASE64_H_
#define HALFPIPE_HTTP_CORE_BASE64_H_

// Base64 with the standard alphabet and padding (RFC 4648 section 4), to and from memory of the
// caller. Pure. Not Abseil's functions, because those return std::string, which allocates, and
// decode leniently; the tests check that both agree on everything that is well formed.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::http {

// Characters that `size` bytes take when encoded.
constexpr size_t Base64EncodedSize(size_t size) { return (size + 2) / 3 * 4; }

// Encodes all of `in` to the front of `out` and returns what it wrote there, without a NUL after
// it; nullopt, with nothing written, if `out` is smaller than Base64EncodedSize(in.size()).
[[nodiscard]] std::optional<absl::string_view> Base64Encode(absl::Span<const uint8_t> in,
                                                            absl::Span<char> out);

// Decodes all of `in` to the front of `out` and returns the number of bytes. Strict: the length is
// a multiple of 4, padding is there, no other characters (no white space, not the URL alphabet),
// and the bits that padding leaves over are 0, so that each value has exactly one spelling (RFC
// 4648 section 3.5). nullopt if `in` is not so or `out` is too small; `out` may be scribbled over
// then.
[[nodiscard]] std::optional<size_t> Base64Decode(absl::string_view in, absl::Span<uint8_t> out);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_BASE64_H_
