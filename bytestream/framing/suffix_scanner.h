#ifndef HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_SCANNER_H_
#define HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_SCANNER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"

namespace halfpipe {

// The longest delimiter.
inline constexpr size_t kSuffixBytesMax = 32;

// Finds where a delimiter first ends in bytes that come piece by piece, looking at none twice
// (Knuth, Morris, Pratt). Pure, no memory but its own.
//
// Example:
//   SuffixScanner scanner(suffix);
//   const SuffixScanner::Result result = scanner.Scan(bytes);
//   if (result.found) message ends `suffix.size()` bytes before bytes[result.scanned];
class SuffixScanner {
 public:
  // `suffix` has 1 to kSuffixBytesMax bytes and is copied.
  explicit SuffixScanner(absl::Span<const uint8_t> suffix);

  struct Result {
    bool found = false;
    size_t scanned = 0;  // found: up to and with the last byte of the delimiter; else all
  };

  // Looks at the next bytes. After `found` the scanner begins anew.
  Result Scan(absl::Span<const uint8_t> bytes);

  // How many of the bytes scanned last may be the beginning of a delimiter: 0..size()-1.
  size_t matched() const { return matched_; }

  void Reset() { matched_ = 0; }

  absl::Span<const uint8_t> suffix() const { return absl::MakeConstSpan(suffix_, size_); }
  size_t size() const { return size_; }

  // True if whoever receives `message` with the delimiter behind it takes exactly `message` for the
  // message: the delimiter is not in it, nor does one begin in it and end in the real one.
  bool Delimits(absl::Span<const IoSlice> message) const;

 private:
  static size_t Step(const SuffixScanner& scanner, size_t matched, uint8_t byte);

  uint8_t suffix_[kSuffixBytesMax];
  uint8_t fallback_[kSuffixBytesMax];  // [i]: the longest beginning that ends the first i + 1 bytes
  uint8_t size_;
  uint8_t matched_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_SUFFIX_SCANNER_H_
