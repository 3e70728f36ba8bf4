#ifndef HALFPIPE_HTTP_CORE_MESSAGE_H_
#define HALFPIPE_HTTP_CORE_MESSAGE_H_

// Heads of HTTP/1.x messages: the start line and the fields. All views point into the bytes that
// were parsed, or into whatever the maker of the head chose, and live as long as those.

#include "absl/strings/string_view.h"
#include "http/core/header_list.h"

namespace halfpipe::http {

struct RequestHead {
  absl::string_view method;  // Case-sensitive.
  absl::string_view target;  // As received: any of the four forms (RFC 9112 section 3.2).
  int version_minor = 1;     // 0..9; the major version is 1.
  HeaderList fields;
};

struct ResponseHead {
  int version_minor = 1;     // 0..9; the major version is 1.
  int status = 0;            // 100..599.
  absl::string_view reason;  // May be empty; means nothing to a program.
  HeaderList fields;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_MESSAGE_H_
