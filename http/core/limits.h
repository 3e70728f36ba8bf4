#ifndef HALFPIPE_HTTP_CORE_LIMITS_H_
#define HALFPIPE_HTTP_CORE_LIMITS_H_

#include <cstddef>

namespace halfpipe::http {

// How large a head we are willing to read. A head at a limit is accepted, one above it refused.
// All sizes are bytes.
struct Limits {
  // A whole head: start line, field lines, all their CRLFs and the empty line at the end. It must
  // not exceed the read buffer of the connection, because a head is parsed in place; 16 KiB is that
  // buffer's size, and twice what common servers allow.
  size_t head_bytes_max = 16384;

  // The start line without its CRLF. RFC 9112 section 3 recommends at least 8000.
  size_t start_line_bytes_max = 8192;

  // One field line without its CRLF. 8 KiB leaves room for the largest cookies and tokens in use;
  // no larger value could share a head with a long target.
  size_t field_line_bytes_max = 8192;

  // Field lines in one head. Browsers send about 20; every lookup walks all of them, so the number
  // bounds the work a peer can cause with the cheapest of fields.
  size_t field_count_max = 100;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_LIMITS_H_
