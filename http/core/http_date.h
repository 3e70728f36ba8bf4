#ifndef HALFPIPE_HTTP_CORE_HTTP_DATE_H_
#define HALFPIPE_HTTP_CORE_HTTP_DATE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace halfpipe::http {

// A moment as Date fields say it: IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section
// 5.6.7). Pure; allocates nothing. Which moment it is, the caller knows (wall_clock.h).
//
// Example:
//   const HttpDate date(UnixSeconds());
//   writer.WriteField("Date", date.text());
class HttpDate {
 public:
  // None: the text is empty.
  HttpDate() = default;
  // Seconds since the beginning of 1970, leap seconds not counted. The format has years of four
  // digits: what is before the year 0 or behind 9999 is taken for its beginning or end.
  explicit HttpDate(int64_t unix_seconds);

  // A view of this object.
  absl::string_view text() const { return absl::string_view(text_.data(), size_); }

 private:
  static constexpr size_t kSize = 29;

  std::array<char, kSize> text_ = {};
  size_t size_ = 0;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_HTTP_DATE_H_
