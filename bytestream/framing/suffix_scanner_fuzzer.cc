// Delimiters in bytes from anywhere. Input: one byte with the delimiter's size, one byte that seeds
// the cuts, the delimiter, the bytes.
//
// Holds for each input:
//   - where delimiters end does not depend on how the bytes are cut, and a plain search agrees;
//   - what may be the beginning of a delimiter is one, and the longest;
//   - a message may be sent exactly if the search finds its delimiter nowhere but behind it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/framing/suffix_scanner.h"

namespace halfpipe {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

absl::Span<const uint8_t> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// `seed` 0: all at once; 1: byte by byte; else pieces of varying size.
size_t NextCut(uint32_t* seed, size_t left) {
  if (*seed <= 1) return *seed == 0 ? left : 1;
  *seed = *seed * 1103515245 + 12345;
  return std::min<size_t>(left, 1 + (*seed >> 16) % 9);
}

void CheckMatched(const SuffixScanner& scanner, absl::string_view suffix, absl::string_view seen) {
  size_t longest = std::min(suffix.size() - 1, seen.size());
  while (seen.substr(seen.size() - longest) != suffix.substr(0, longest)) --longest;
  Require(scanner.matched() == longest);
}

std::vector<size_t> Ends(absl::string_view suffix, absl::string_view text, uint32_t seed) {
  SuffixScanner scanner(AsBytes(suffix));
  std::vector<size_t> ends;
  size_t message = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t count = NextCut(&seed, text.size() - at);
    const SuffixScanner::Result result = scanner.Scan(AsBytes(text.substr(at, count)));
    Require(result.scanned > 0 && result.scanned <= count);
    Require(result.found || result.scanned == count);
    at += result.scanned;
    if (result.found) ends.push_back(message = at);
    CheckMatched(scanner, suffix, text.substr(message, at - message));
  }
  return ends;
}

std::vector<size_t> NaiveEnds(absl::string_view suffix, absl::string_view text) {
  std::vector<size_t> ends;
  for (size_t at = 0; at + suffix.size() <= text.size();) {
    if (text.substr(at, suffix.size()) == suffix) {
      ends.push_back(at += suffix.size());
    } else {
      ++at;
    }
  }
  return ends;
}

}  // namespace
}  // namespace halfpipe

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t suffix_size = 1 + std::min<size_t>(data[0] % halfpipe::kSuffixBytesMax, size - 3);
  const absl::string_view suffix = input.substr(2, suffix_size);
  const absl::string_view text = input.substr(2 + suffix_size);
  const std::vector<size_t> ends = halfpipe::NaiveEnds(suffix, text);
  for (const uint32_t seed : {0u, 1u, 2u + data[1]}) {
    halfpipe::Require(halfpipe::Ends(suffix, text, seed) == ends);
  }
  std::string wire(text);
  wire.append(suffix.data(), suffix.size());
  const std::vector<size_t> with_suffix = halfpipe::NaiveEnds(suffix, wire);
  const halfpipe::IoSlice slices[] = {
      halfpipe::IoSlice(text.substr(0, text.size() / 2)),
      halfpipe::IoSlice(text.substr(text.size() / 2)),
  };
  halfpipe::Require(halfpipe::SuffixScanner(halfpipe::AsBytes(suffix)).Delimits(slices) ==
                    (with_suffix.front() == wire.size()));
  return 0;
}
