#ifndef HALFPIPE_HTTP_HEAD_EXCHANGE_H_
#define HALFPIPE_HTTP_HEAD_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "http/core/head_error.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"

namespace halfpipe::http {

// One HTTP/1.1 head each way over a bytestream, line by line (RFC 9112): what the C calls in http.h
// are made of. Whoever wants a head as a whole uses head_io.h.
//
// The directions are independent, and either may carry a request or a response. In each a head goes
// through the same phases:
//
//   phase       | sending                              | receiving
//   start line  | SendRequestLine or SendStatusLine    | PeekRequestLine or PeekStatusLine
//   fields      | SendField, any number; then SendEnd  | PeekField, any number
//   end         | nothing more: EPIPE                  | PeekField: nullopt; else EPIPE
//
// A call of another phase is EINVAL, and nothing happens. No function reads or writes a byte beyond
// the end of the head. Each line leaves at once.
//
// A Peek function waits until a line has arrived and returns views of it, valid until the next
// receiving function; the line stays where it is, so that it is found again, until TakeLine().
//
// Errors of the waiting functions:
//   EINVAL      wrong phase, or a part that may not be sent: above all CR, LF and NUL
//   EPROTO      (receiving) the peer's line is malformed, above a limit, or of HTTP/1.0; for good
//   EPIPE       (receiving) the stream ended before the head, or the head has ended;
//               (sending) our head has ended, or the stream's outbound direction
//   ECONNRESET  the stream broke, or ended inside the head
//   ETIMEDOUT, ECANCELED  nothing was sent, nothing received is lost: call again
//   EBUSY       another coroutine is in that direction, or in Detach()
//   EBADF       Abort() was called
//   ENOMEM      (receiving) no memory for the receive buffer; nothing is lost: call again
//
// Callers may be blocked when Abort() is called; the object outlives them.
//
// Example:
//   HeadExchange exchange(&runtime, std::move(stream));
//   absl::StatusOr<RequestLine> line = exchange.PeekRequestLine(deadline);
//   if (line.ok()) {
//     Use(line->method, line->target);
//     exchange.TakeLine();
//   }
class HeadExchange {
 public:
  // `runtime` is borrowed. limits.head_bytes_max is at most Bytestream::kPeekMax.
  HeadExchange(Runtime* runtime, BytestreamPtr stream, const Limits& limits = Limits());
  HeadExchange(const HeadExchange&) = delete;
  HeadExchange& operator=(const HeadExchange&) = delete;

  absl::Status SendRequestLine(absl::string_view method, absl::string_view target,
                               Deadline deadline);
  // `status` is 100..599, `reason` may be empty.
  absl::Status SendStatusLine(int status, absl::string_view reason, Deadline deadline);
  // White space round the value is not sent.
  absl::Status SendField(absl::string_view name, absl::string_view value, Deadline deadline);
  // The empty line.
  absl::Status SendEnd(Deadline deadline);

  absl::StatusOr<RequestLine> PeekRequestLine(Deadline deadline);
  absl::StatusOr<StatusLine> PeekStatusLine(Deadline deadline);
  // nullopt: the head has ended.
  absl::StatusOr<std::optional<Field>> PeekField(Deadline deadline);
  // Drops the line that the last Peek function returned; to be called once, before anything that
  // waits.
  void TakeLine();

  // Sends the end of our head and skips the rest of the peer's, each only if that head has begun,
  // and gives the stream back; the object is of no further use. After an error it still has the
  // stream, and what was sent and skipped is done.
  absl::StatusOr<BytestreamPtr> Detach(Deadline deadline);

  // Breaks the connection for good; blocked callers get EBADF. Never waits.
  void Abort() noexcept;

  // Gives the stream away as it is. Nobody is using the object.
  BytestreamPtr ReleaseStream() { return std::move(stream_); }

 private:
  enum class Phase : uint8_t { kStartLine, kFields, kEnd };
  class DirectionScope;

  int EnterDirection(bool busy) const;
  absl::Status EnterSend(Phase phase) const;
  absl::Status EnterReceive() const;
  absl::Status SendLine(absl::Span<const IoSlice> parts, Phase next, Deadline deadline);
  absl::StatusOr<absl::string_view> PeekLine(size_t line_bytes_max, Deadline deadline);
  absl::StatusOr<std::optional<Field>> PeekFieldUnguarded(Deadline deadline);
  absl::Status Refuse(HeadError error);
  absl::Status TakeFieldsToEnd(Deadline deadline);

  Runtime* const runtime_;
  BytestreamPtr stream_;
  const Limits limits_;
  LineScanner scanner_;
  size_t line_size_ = 0;  // of the line that was peeked, CRLF included
  size_t head_size_ = 0;  // bytes of the peer's head consumed
  size_t field_count_ = 0;
  HeadError error_ = HeadError::kNone;  // of the peer's head
  Phase sent_ = Phase::kStartLine;
  Phase received_ = Phase::kStartLine;
  bool skipped_empty_line_ = false;
  bool sending_ = false;
  bool receiving_ = false;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_HEAD_EXCHANGE_H_
