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
// limits.head_bytes_max is at most Bytestream::kPeekMax.
struct HeadResult {
  HeadError error = HeadError::kNone;
  size_t size = 0;
};

absl::Status ReadRequestHead(Bytestream* stream, const Limits& limits, RequestHead* head,
                             HeadResult* result, Deadline deadline);
absl::Status ReadResponseHead(Bytestream* stream, const Limits& limits, ResponseHead* head,
                              HeadResult* result, Deadline deadline);

// Writes `text`, a head or a whole message, at once. Errors of Bytestream::Write().
absl::Status WriteText(Bytestream* stream, absl::string_view text, Deadline deadline);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_HEAD_IO_H_
