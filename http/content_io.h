#ifndef HALFPIPE_HTTP_CONTENT_IO_H_
#define HALFPIPE_HTTP_CONTENT_IO_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "http/core/content.h"

namespace halfpipe::http {

// Reads the content behind a head, which has been consumed, up to a bound (RFC 9112 sections 6, 7.1
// and 8). Trailers are dropped.
//
// Puts into *body what comes, at most `bytes_max` bytes in all, and sets *complete if that is the
// whole content; the stream stands behind it then. OK and not complete: there is more than
// `bytes_max`, or the stream ended too early. EPROTO: the chunked coding is malformed. Else errors of
// Bytestream::Peek(). Whatever the outcome, *body keeps what has come.
absl::Status ReadContent(Bytestream* stream, const ContentFraming& framing, size_t bytes_max,
                         std::string* body, bool* complete, Deadline deadline);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CONTENT_IO_H_
