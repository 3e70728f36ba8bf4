#ifndef HALFPIPE_HTTP_HEAD_IO_H_
#define HALFPIPE_HTTP_HEAD_IO_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "http/core/head_error.h"
#include "http/core/limits.h"
#include "http/core/message.h"

namespace halfpipe::http {

// Reads the head at the front of a bytestream, in place (RFC 9112). Waits until all of it is
// buffered.
//
// OK and result->error kNone: *head holds views into the stream's read buffer, valid until its next
// inbound function; nothing is consumed, result->size is what to give to Consume() when done.
// OK and another error: the peer sent something that is not a head we accept.
// Not OK: errors of Bytestream::Peek(); EPIPE: the stream ended before the first byte; ECONNRESET:
// inside the head. After ETIMEDOUT and ECANCELED the call may be made again; it parses from the
// front.
//
// CheckHeadLimits(limits) is OK.
struct HeadResult {
  HeadError error = HeadError::kNone;
  size_t size = 0;
};

// EINVAL: a head as long as `limits` allows does not fit a read buffer (Bytestream::kPeekMax).
absl::Status CheckHeadLimits(const Limits& limits);

absl::Status ReadRequestHead(Bytestream* stream, const Limits& limits, RequestHead* head,
                             HeadResult* result, Deadline deadline);
absl::Status ReadResponseHead(Bytestream* stream, const Limits& limits, ResponseHead* head,
                              HeadResult* result, Deadline deadline);

// Writes `text`, a head or a whole message, at once. Errors of Bytestream::Write().
absl::Status WriteText(Bytestream* stream, absl::string_view text, Deadline deadline);

// The most input that EndAfterAnswer() drops.
constexpr size_t kDrainBytesMax = size_t{1} << 20;

// For a server that has written its last answer and is about to close, although input of the client
// may be left unread: a refusal, mostly. TCP resets a connection that is closed with unread input,
// and the reset may overtake the answer at the client (RFC 9112 section 9.6). Ends the outbound
// direction, so that the client reads the answer and its end, and drops what has arrived, up to
// kDrainBytesMax. Never waits; a stream that cannot do it, or another reader's, is left as it is.
void EndAfterAnswer(Bytestream* stream);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_HEAD_IO_H_
