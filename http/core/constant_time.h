#ifndef HALFPIPE_HTTP_CORE_CONSTANT_TIME_H_
#define HALFPIPE_HTTP_CORE_CONSTANT_TIME_H_

// Comparison of secrets. Pure; nothing allocates.

#include <cstddef>

#include "absl/strings/string_view.h"

namespace halfpipe::http {

namespace constant_time_internal {

// Looks at every byte of both, whatever it has seen before. `Bytes` has operator[]; tests count with
// one of their own.
template <typename Bytes>
[[nodiscard]] bool AllEqual(const Bytes& a, const Bytes& b, size_t size) {
  // Volatile, so that no compiler leaves the loop early because the outcome is known.
  volatile unsigned difference = 0;
  for (size_t i = 0; i < size; ++i) {
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^
                                                    static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

}  // namespace constant_time_internal

// Whether both are the same. The time it takes depends on the sizes alone, so that a peer that
// guesses does not learn how much of its guess is right. Unequal sizes return at once: the size of a
// secret is not kept secret.
//
// Example:
//   const std::optional<absl::string_view> token = http::BearerToken(head.fields);
//   if (!token.has_value() || !http::SecretsEqual(*token, expected)) ...
[[nodiscard]] inline bool SecretsEqual(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && constant_time_internal::AllEqual(a, b, a.size());
}

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_CONSTANT_TIME_H_
