#include "http/content_io.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/errno_status.h"
#include "http/core/chunked.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

// Up to `length` bytes, or up to the end of the stream.
absl::Status ReadPlain(Bytestream* stream, uint64_t length, bool until_close, size_t bytes_max,
                       std::string* body, bool* complete, Deadline deadline) {
  for (uint64_t left = length; left > 0;) {
    const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(1, deadline);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) {
      *complete = until_close;
      return absl::OkStatus();
    }
    const size_t room = bytes_max - body->size();
    if (room == 0) return absl::OkStatus();
    const size_t taken =
        static_cast<size_t>(std::min<uint64_t>(std::min(bytes->size(), room), left));
    body->append(AsText(*bytes).data(), taken);
    stream->Consume(taken);
    left -= taken;
  }
  *complete = true;
  return absl::OkStatus();
}

absl::Status ReadChunked(Bytestream* stream, size_t bytes_max, std::string* body, bool* complete,
                         Deadline deadline) {
  ChunkedReader reader;
  size_t min_bytes = 1;
  for (;;) {
    const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(min_bytes, deadline);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < min_bytes) return absl::OkStatus();
    const ChunkedStep step = reader.Read(AsText(*bytes));
    min_bytes = 1;
    switch (step.status) {
      case ChunkedStatus::kNeedMore:
        min_bytes = step.min_bytes;
        break;
      case ChunkedStatus::kData: {
        const size_t room = bytes_max - body->size();
        body->append(step.data.data(), std::min(step.data.size(), room));
        if (step.data.size() > room) return absl::OkStatus();
        break;
      }
      case ChunkedStatus::kSkipped:
        break;
      case ChunkedStatus::kDone:
        *complete = true;
        break;
      case ChunkedStatus::kInvalid:
        return ErrnoStatus(EPROTO, step.error);
    }
    stream->Consume(step.consumed);
    if (*complete) return absl::OkStatus();
  }
}

}  // namespace

absl::Status ReadContent(Bytestream* stream, const ContentFraming& framing, size_t bytes_max,
                         std::string* body, bool* complete, Deadline deadline) {
  *complete = false;
  body->clear();
  switch (framing.kind) {
    case ContentKind::kNone:
      *complete = true;
      return absl::OkStatus();
    case ContentKind::kLength:
      return ReadPlain(stream, framing.length, /*until_close=*/false, bytes_max, body, complete,
                       deadline);
    case ContentKind::kUntilClose:
      return ReadPlain(stream, std::numeric_limits<uint64_t>::max(), /*until_close=*/true,
                       bytes_max, body, complete, deadline);
    case ContentKind::kChunked:
      return ReadChunked(stream, bytes_max, body, complete, deadline);
  }
  return absl::OkStatus();
}

}  // namespace halfpipe::http
