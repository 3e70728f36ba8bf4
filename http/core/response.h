#ifndef HALFPIPE_HTTP_CORE_RESPONSE_H_
#define HALFPIPE_HTTP_CORE_RESPONSE_H_

// A whole response of fixed length (RFC 9110, 9112), as a server's handler makes it, and how its
// head is written. Pure. The struct owns its parts; writing allocates nothing.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/head_serializer.h"
#include "http/core/header_list.h"
#include "http/core/message.h"

namespace halfpipe::http {

// A field that outlives the bytes it came in.
struct OwnedField {
  std::string name = {};
  std::string value = {};

  friend bool operator==(const OwnedField& a, const OwnedField& b) {
    return a.name == b.name && a.value == b.value;
  }
};

// Copies of them all, in their order.
std::vector<OwnedField> OwnedFields(const HeaderList& fields);

// Whether there is a field called `name`, without regard to case.
bool HasField(absl::Span<const OwnedField> fields, absl::string_view name);

// The value of the only field called `name`, without regard to case; null if there is none or there
// are several.
const std::string* FindOnly(absl::Span<const OwnedField> fields, absl::string_view name);

struct Response {
  int status = 200;
  // Any but those that say where the message and the connection end, which the writer decides:
  // Connection, Keep-Alive, Content-Length, Transfer-Encoding, Trailer and Upgrade.
  std::vector<OwnedField> fields = {};
  // The content. The same for HEAD as for GET: the writer knows what is sent of it.
  std::string body = {};
  // The connection ends after this response.
  bool close = false;
};

// A response with a Content-Type.
//
// Example:
//   return http::TextResponse(200, "<p>hello</p>", "text/html; charset=utf-8");
Response TextResponse(int status, std::string body,
                      absl::string_view content_type = "text/plain; charset=utf-8");

// The standard reason phrase of a status (RFC 9110 section 15), empty for one that has none here.
// Static storage.
absl::string_view ReasonPhrase(int status);

// Whether a response of that status has content, to another request than HEAD: all but 1xx, 204 and
// 304 (RFC 9112 section 6.3).
constexpr bool StatusHasContent(int status) {
  return status >= 200 && status != 204 && status != 304;
}

enum class ResponseError : uint8_t {
  kNone,
  kBadStatus,   // Not 200..599: what is before the final response is not a response of ours.
  kBadField,    // A name that is no token, or a value with CR, LF, NUL or another control.
  kOwnField,    // A field that is the writer's, see Response::fields.
  kHasContent,  // A body with a status that has none, or 205, which must not have any.
  // Without the field that its status must have: WWW-Authenticate with 401, Proxy-Authenticate with
  // 407, Allow with 405 (RFC 9110 sections 15.5.2, 15.5.6 and 15.5.8).
  kMissingField,
  kNoSpace,  // The head does not fit.
};

// One line for people. Static storage.
absl::string_view ResponseErrorText(ResponseError error);

// What the connection asks of the head.
enum class Persistence : uint8_t {
  kClose,      // Connection: close.
  kKeepAlive,  // Connection: keep-alive, for a client of HTTP/1.0 that asked for it.
  kImplied,    // Nothing: HTTP/1.1 connections go on (RFC 9112 section 9.3).
};

// What the connection is to do behind the answer to `request`, if nothing else is in the way.
Persistence PersistenceOf(const RequestHead& request);

// Writes the head of `response` to the front of `out` and returns in *head a view of it: status
// line with the standard reason, the response's fields, Content-Length where the status has content
// (RFC 9110 section 8.6), Connection, and an empty line. A 426 names websocket in Upgrade (section
// 15.5.22). Date is `date`, see HttpDate; empty for none, and the response's own if it has one.
// What goes out behind it is the body, or nothing if the request was HEAD. On an error *head is
// left alone; `out` may be scribbled over.
[[nodiscard]] ResponseError WriteResponseHead(const Response& response, Persistence persistence,
                                              absl::Span<char> out, absl::string_view* head,
                                              absl::string_view date = {});

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_RESPONSE_H_
