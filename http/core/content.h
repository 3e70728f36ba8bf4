#ifndef HALFPIPE_HTTP_CORE_CONTENT_H_
#define HALFPIPE_HTTP_CORE_CONTENT_H_

// Where the content behind a head ends (RFC 9112 section 6). Pure; nothing allocates.
//
// There is one reading of each head or none: whatever two recipients could understand differently
// is an error, for that is what requests are smuggled with (RFC 9112 section 11.2).

#include <cstdint>

#include "absl/strings/string_view.h"
#include "http/core/message.h"

namespace halfpipe::http {

enum class ContentKind : uint8_t {
  kNone,
  kLength,      // So many bytes; never 0.
  kChunked,     // See chunked.h.
  kUntilClose,  // Responses only: what comes until the end of the stream.
};

enum class ContentError : uint8_t {
  kNone,
  kBadLength,           // Content-Length is not one decimal number below 2^63.
  kSeveralLengths,      // More than one Content-Length field, alike or not.
  kLengthAndCoding,     // Content-Length and Transfer-Encoding.
  kCodingInOldVersion,  // Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1).
  kBadCodings,          // The transfer codings do not end in chunked, or have it twice.
  kUnknownCoding,       // A transfer coding before chunked.
};

struct ContentFraming {
  ContentKind kind = ContentKind::kNone;
  uint64_t length = 0;  // If kLength.
};

// One line for people. Static storage.
absl::string_view ContentErrorText(ContentError error);

// The status code a server answers a request with that has this error: 400, or 501 for a coding it
// does not know (RFC 9112 section 6.1), if the end of the content could be known all the same
// (section 6.3, rule 4). 0 for kNone. The connection must end then.
constexpr int ContentErrorStatus(ContentError error) {
  switch (error) {
    case ContentError::kNone:
      return 0;
    case ContentError::kUnknownCoding:
      return 501;
    default:
      return 400;
  }
}

// Sets *framing if it returns kNone (RFC 9112 section 6.3). A response is one to GET.
[[nodiscard]] ContentError JudgeRequestContent(const RequestHead& head, ContentFraming* framing);
[[nodiscard]] ContentError JudgeResponseContent(const ResponseHead& head, ContentFraming* framing);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_CONTENT_H_
