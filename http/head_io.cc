#include "http/head_io.h"

#include <algorithm>
#include <cerrno>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "http/core/head_parser.h"

namespace halfpipe::http {
namespace {

template <typename Parser, typename Head>
absl::Status ReadHead(Bytestream* stream, const Limits& limits, Head* head, HeadResult* result,
                      Deadline deadline) {
  HALFPIPE_CHECK(CheckHeadLimits(limits).ok());
  Parser parser(limits);
  size_t min_bytes = 1;
  for (;;) {
    absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(min_bytes, deadline);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return ErrnoStatus(EPIPE, "the stream ended before a head");
    const absl::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    const ParseResult parsed = parser.Parse(text, head);
    if (parsed.status != ParseStatus::kNeedMore) {
      *result = HeadResult{parsed.error, parsed.consumed};
      return absl::OkStatus();
    }
    if (bytes->size() < min_bytes) return ErrnoStatus(ECONNRESET, "the stream ended inside a head");
    // What a head at its limit still lacks is found out by the parser, not by waiting for more than
    // the buffer holds.
    min_bytes = std::min(parsed.min_bytes, Bytestream::kPeekMax);
  }
}

}  // namespace

absl::Status CheckHeadLimits(const Limits& limits) {
  if (limits.head_bytes_max <= Bytestream::kPeekMax) return absl::OkStatus();
  return ErrnoStatus(EINVAL, "head_bytes_max exceeds a read buffer");
}

absl::Status ReadRequestHead(Bytestream* stream, const Limits& limits, RequestHead* head,
                             HeadResult* result, Deadline deadline) {
  return ReadHead<RequestHeadParser>(stream, limits, head, result, deadline);
}

absl::Status ReadResponseHead(Bytestream* stream, const Limits& limits, ResponseHead* head,
                              HeadResult* result, Deadline deadline) {
  return ReadHead<ResponseHeadParser>(stream, limits, head, result, deadline);
}

absl::Status WriteText(Bytestream* stream, absl::string_view text, Deadline deadline) {
  const IoSlice slice(text);
  return stream->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline);
}

void EndAfterAnswer(Bytestream* stream) {
  const Deadline now = Deadline::Immediately();
  static_cast<void>(stream->Done(now));
  for (size_t dropped = 0; dropped < kDrainBytesMax;) {
    const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(1, now);
    if (!bytes.ok() || bytes->empty()) return;
    dropped += bytes->size();
    stream->Consume(bytes->size());
  }
}

}  // namespace halfpipe::http
