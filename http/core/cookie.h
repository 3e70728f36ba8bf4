#ifndef HALFPIPE_HTTP_CORE_COOKIE_H_
#define HALFPIPE_HTTP_CORE_COOKIE_H_

// The Cookie field, both ways (RFC 6265 sections 4.2 and 5.4). Pure.

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/header_list.h"

namespace halfpipe::http {

// Views. Names compare with regard to case.
struct Cookie {
  absl::string_view name = {};
  absl::string_view value = {};
};

// A token (RFC 6265 section 4.1.1).
[[nodiscard]] bool IsValidCookieName(absl::string_view name);

// Any number of cookie-octets: visible ASCII without `"` `,` `;` and `\`; perhaps in double quotes,
// which belong to the value (RFC 6265 section 4.1.1).
[[nodiscard]] bool IsValidCookieValue(absl::string_view value);

// The value of a Cookie field, "a=1; b=2" (RFC 6265 section 4.2.1); nullopt if a name or a value is
// not valid. Of no cookies, the empty string: no field is sent then.
[[nodiscard]] std::optional<std::string> CookieFieldValue(absl::Span<const Cookie> cookies);

// Walks the cookies of a request, in the order they came, over all its Cookie fields. Each byte is
// looked at once; what bounds the whole are the limits of the head.
//
//   CookieReader reader(head.fields);
//   while (std::optional<Cookie> cookie = reader.Next()) use(cookie->name, cookie->value);
//
// What is not a valid name, "=" and a value without control characters is passed over: browsers send
// what pages have put in, so one strange cookie must not hide the others (RFC 6265 section 5.4 has no
// grammar). A value is handed out as it stands, with its quotes, and may hold spaces, commas or
// quotes that IsValidCookieValue() would refuse.
class CookieReader {
 public:
  explicit CookieReader(const HeaderList& fields) : field_(fields.begin()) { EnterField(); }

  std::optional<Cookie> Next();

  // Bytes of Cookie fields looked at since construction, for tests of linearity.
  size_t bytes_examined() const { return bytes_examined_; }

 private:
  void EnterField();

  HeaderList::Iterator field_;
  absl::string_view rest_;
  size_t bytes_examined_ = 0;
};

// The value of the only cookie called `name`; nullopt if there is none or there are several. Of
// several a server cannot know which is whose: a sibling domain can set one beside its own (RFC 6265
// section 8.6).
[[nodiscard]] std::optional<absl::string_view> FindCookie(const HeaderList& fields,
                                                          absl::string_view name);

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_COOKIE_H_
