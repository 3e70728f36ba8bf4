#ifndef HALFPIPE_HTTP_CORE_HEAD_SERIALIZER_H_
#define HALFPIPE_HTTP_CORE_HEAD_SERIALIZER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::http {

enum class WriteStatus : uint8_t {
  kOk,
  kInvalid,  // A part holds a byte that must not be there: CR, LF and NUL above all.
  kNoSpace,  // It does not fit; size_needed() says what would do.
};

// Writes an HTTP/1.1 head (RFC 9112), line by line, into memory of the caller. Pure, and nothing
// here allocates.
//
//   char buffer[512];
//   HeadSerializer head(absl::MakeSpan(buffer));
//   head.WriteRequestLine("GET", "/chat");
//   head.WriteField("Host", "example.org");
//   if (head.WriteEnd() == WriteStatus::kOk) send(head.written());
//
// What goes in as a part comes out as that part: a value that could end its line, or start another
// field, is refused, so nothing a caller passes can inject a line. The order of the calls is the
// caller's affair; one line alone may be written too.
//
// A call writes all of its line or nothing. Every call returns the state of the whole, which a
// failure fixes: after kInvalid or kNoSpace nothing more is written, so only the last result needs
// to be looked at. kInvalid outranks kNoSpace.
class HeadSerializer {
 public:
  // `out` is borrowed for the life of the serializer; it may be empty, to measure.
  explicit HeadSerializer(absl::Span<char> out) : out_(out) {}

  // `method` is a token, `target` visible ASCII without " # < > (RFC 9112 section 3).
  WriteStatus WriteRequestLine(absl::string_view method, absl::string_view target);

  // `status` is 100..599; `reason` may be empty (RFC 9112 section 4).
  WriteStatus WriteStatusLine(int status, absl::string_view reason);

  // `name` is a token; `value` any bytes but controls, HTAB excepted. White space round the value
  // is not written: the receiver would drop it (RFC 9112 section 5).
  WriteStatus WriteField(absl::string_view name, absl::string_view value);

  // The empty line at the end of a head.
  WriteStatus WriteEnd();

  // What has been written. Points into `out`.
  absl::string_view written() const { return absl::string_view(out_.data(), size_); }

  // Bytes that everything offered so far takes, with what did not fit and without what was invalid.
  size_t size_needed() const { return size_needed_; }

  WriteStatus status() const { return status_; }

 private:
  WriteStatus Refuse();
  // Appends `count` parts, or none of them.
  WriteStatus Append(const absl::string_view* parts, size_t count);

  absl::Span<char> out_;
  size_t size_ = 0;
  size_t size_needed_ = 0;
  WriteStatus status_ = WriteStatus::kOk;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_HEAD_SERIALIZER_H_
