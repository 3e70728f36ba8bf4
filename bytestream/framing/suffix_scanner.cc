#include "bytestream/framing/suffix_scanner.h"

#include <cstring>

#include "bytestream/base/check.h"

namespace halfpipe {

SuffixScanner::SuffixScanner(absl::Span<const uint8_t> suffix)
    : size_(static_cast<uint8_t>(suffix.size())) {
  HALFPIPE_CHECK(!suffix.empty() && suffix.size() <= kSuffixBytesMax);
  std::memcpy(suffix_, suffix.data(), suffix.size());
  fallback_[0] = 0;
  for (size_t i = 1; i < size_; ++i) {
    fallback_[i] = static_cast<uint8_t>(Step(*this, fallback_[i - 1], suffix_[i]));
  }
}

// How much is matched after `byte`, `matched` (less than the size) having been before.
size_t SuffixScanner::Step(const SuffixScanner& scanner, size_t matched, uint8_t byte) {
  while (matched > 0 && scanner.suffix_[matched] != byte) {
    matched = scanner.fallback_[matched - 1];
  }
  return scanner.suffix_[matched] == byte ? matched + 1 : matched;
}

SuffixScanner::Result SuffixScanner::Scan(absl::Span<const uint8_t> bytes) {
  size_t matched = matched_;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (matched == 0) {
      // Most bytes are not the first one of a delimiter.
      const void* const first = std::memchr(bytes.data() + i, suffix_[0], bytes.size() - i);
      if (first == nullptr) break;
      i = static_cast<size_t>(static_cast<const uint8_t*>(first) - bytes.data());
    }
    matched = Step(*this, matched, bytes[i]);
    if (matched == size_) {
      matched_ = 0;
      return {true, i + 1};
    }
  }
  matched_ = static_cast<uint8_t>(matched);
  return {false, bytes.size()};
}

bool SuffixScanner::Delimits(absl::Span<const IoSlice> message) const {
  SuffixScanner scanner(*this);
  scanner.Reset();
  for (const IoSlice& slice : message) {
    if (slice.size > 0 && scanner.Scan(absl::MakeConstSpan(slice.data, slice.size)).found) {
      return false;
    }
  }
  return scanner.Scan(suffix()).scanned == size_;
}

}  // namespace halfpipe
