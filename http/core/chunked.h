#ifndef HALFPIPE_HTTP_CORE_CHUNKED_H_
#define HALFPIPE_HTTP_CORE_CHUNKED_H_

// The chunked transfer coding, read in place (RFC 9112 section 7.1). Pure; nothing allocates.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "http/core/head_parser.h"

namespace halfpipe::http {

// What a sender may spend on anything but content. At a limit is accepted, above it is not.
struct ChunkedLimits {
  // A chunk's size and its extensions, without CRLF. 16 digits are enough for any size, and nobody
  // is known to need extensions.
  size_t size_line_bytes_max = 256;
  // All lines behind the last chunk, with their CRLFs, and how many.
  size_t trailer_bytes_max = 4096;
  size_t trailer_count_max = 32;
};

enum class ChunkedStatus : uint8_t {
  kData,      // `data` is content.
  kSkipped,   // What was consumed is none; go on.
  kDone,      // The end, trailers included.
  kNeedMore,  // Nothing consumed: call again when `min_bytes` are buffered.
  kInvalid,   // Final. `error` is one line for people, in static storage.
};

struct ChunkedStep {
  ChunkedStatus status = ChunkedStatus::kNeedMore;
  size_t consumed = 0;          // kData, kSkipped, kDone: to be dropped from the buffer's front.
  absl::string_view data = {};  // kData: not empty, within the first `consumed` bytes.
  size_t min_bytes = 0;
  absl::string_view error = {};
};

// Takes one piece of the coding after another off the front of a read buffer.
//
//   ChunkedReader reader;
//   size_t min_bytes = 1;
//   for (;;) {
//     ChunkedStep step = reader.Read(<everything buffered, at least min_bytes>);
//     if (step.status == ChunkedStatus::kData) body.append(step.data.data(), step.data.size());
//     ... kDone, kInvalid: end; kNeedMore: min_bytes = step.min_bytes ...
//     <drop step.consumed bytes>
//   }
//
// Strict: lines end in CRLF, sizes are 1..16 hexadecimal digits below 2^63 with nothing before them,
// extensions and trailers are well formed; both are dropped. Each call takes one line, or the content
// that is there; a line is looked at once however it is cut, and what is found does not depend on
// the cuts.
class ChunkedReader {
 public:
  explicit ChunkedReader(const ChunkedLimits& limits = ChunkedLimits()) : limits_(limits) {}

  // `buffered` begins behind what was consumed before. After kNeedMore it is the same and more.
  [[nodiscard]] ChunkedStep Read(absl::string_view buffered);

  // Bytes of lines looked at since construction, for tests of linearity.
  size_t bytes_examined() const { return scanner_.bytes_examined(); }

 private:
  enum class Phase : uint8_t { kSize, kData, kDataEnd, kTrailers, kDone, kInvalid };

  ChunkedStep Fail(absl::string_view error);
  // A whole line, without its CRLF, in *line; else a step to return.
  bool TakeLine(absl::string_view buffered, size_t bytes_max, absl::string_view too_long,
                absl::string_view* line, ChunkedStep* step);
  ChunkedStep ReadSize(absl::string_view buffered);
  ChunkedStep ReadDataEnd(absl::string_view buffered);
  ChunkedStep ReadTrailer(absl::string_view buffered);

  ChunkedLimits limits_;
  LineScanner scanner_;
  uint64_t left_ = 0;  // Of the chunk's content.
  size_t trailer_bytes_ = 0;
  size_t trailer_count_ = 0;
  absl::string_view error_;
  Phase phase_ = Phase::kSize;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_CHUNKED_H_
