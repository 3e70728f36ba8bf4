#ifndef HALFPIPE_HTTP_CORE_HEAD_PARSER_H_
#define HALFPIPE_HTTP_CORE_HEAD_PARSER_H_

// Reads HTTP/1.x heads (RFC 9112) in place, at two levels: single lines, for those who take a head
// line by line, and whole heads. Pure, and nothing here allocates.
//
// Strict throughout, because request smuggling lives in leniency:
//   - a line ends in CRLF; LF alone and CR alone are refused (RFC 9112 section 2.2 would let us
//     take LF alone);
//   - NUL and other control characters are refused everywhere, HTAB in values excepted;
//   - one space, not white space, between the parts of a start line;
//   - no white space before a field line (obs-fold) or between name and colon, no empty name;
//   - a major version other than 1 is refused; HTTP/1.0 is parsed and reported.
// Two leniencies, neither of which moves the end of a head: one empty line before a request line is
// skipped (RFC 9112 section 2.2), and a status line may lack the space before an empty reason
// (section 4 wants it sent, but servers that leave it out are in use).

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "http/core/head_error.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"

namespace halfpipe::http {

enum class ParseStatus : uint8_t { kDone, kNeedMore, kInvalid };

struct ParseResult {
  ParseStatus status = ParseStatus::kNeedMore;
  size_t consumed = 0;   // kDone: how many of the bytes given belong to what was parsed.
  size_t min_bytes = 0;  // kNeedMore: call again when at least this many are buffered in all.
  HeadError error = HeadError::kNone;  // kInvalid.
};

// ---- Lines -------------------------------------------------------------------------------------

struct RequestLine {
  absl::string_view method;
  absl::string_view target;
  int version_minor = 1;
};

struct StatusLine {
  int version_minor = 1;
  int status = 0;
  absl::string_view reason;
};

// Each parses one line, given without its CRLF, into views of that line (RFC 9112 sections 3, 4
// and 5). Returns kNone and sets *out, or says what is wrong and leaves *out alone. Of a
// request-target only the bytes are checked; its form is for whoever knows the method.
[[nodiscard]] HeadError ParseRequestLine(absl::string_view line, RequestLine* out);
[[nodiscard]] HeadError ParseStatusLine(absl::string_view line, StatusLine* out);
[[nodiscard]] HeadError ParseFieldLine(absl::string_view line, Field* out);

// Finds where lines end, looking at no byte twice however the bytes arrive.
//
//   LineScanner scanner;
//   for (;;) {
//     ParseResult r = scanner.Scan(buffered, limits.field_line_bytes_max);
//     if (r.status == ParseStatus::kDone) {
//       line = buffered.substr(0, r.consumed - 2); ...; consume r.consumed bytes
//     }
//   }
class LineScanner {
 public:
  // `buffered` begins where the current line does and, from one call to the next for the same line,
  // only grows; it may move. `line_bytes_max` is without the CRLF.
  //   kDone     consumed counts the CRLF; the next call is about the next line.
  //   kNeedMore min_bytes is buffered.size() + 1, at most line_bytes_max + 2.
  //   kInvalid  kBareLineFeed or kLineTooLong; the scanner is of no further use.
  // A CR inside the line is left for the line's parser to refuse.
  [[nodiscard]] ParseResult Scan(absl::string_view buffered, size_t line_bytes_max);

  // Bytes looked at since construction, for tests of linearity.
  size_t bytes_examined() const { return bytes_examined_; }

 private:
  size_t scanned_ = 0;  // The current line's bytes known to hold no LF.
  size_t bytes_examined_ = 0;
};

// ---- Heads -------------------------------------------------------------------------------------

namespace head_parser_internal {

// What both head parsers share: walks the lines of a head, checks each one when it is complete,
// and remembers positions as offsets, so that the buffer may move between calls.
class HeadWalker {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };

  HeadWalker(Kind kind, const Limits& limits) : limits_(limits), kind_(kind) {}

  ParseResult Walk(absl::string_view buffered);
  void Reset();

  absl::string_view StartLine(absl::string_view buffered) const {
    return buffered.substr(start_begin_, start_size_);
  }
  absl::string_view FieldSection(absl::string_view buffered) const {
    return buffered.substr(fields_begin_, fields_end_ - fields_begin_);
  }
  size_t bytes_examined() const { return scanner_.bytes_examined() + bytes_parsed_; }

 private:
  enum class Phase : uint8_t { kStartLine, kFields, kDone, kInvalid };

  ParseResult Fail(HeadError error);
  HeadError TooLong(absl::string_view seen) const;
  HeadError TakeLine(absl::string_view line);
  HeadError TakeStartLine(absl::string_view line);

  Limits limits_;
  LineScanner scanner_;
  size_t line_begin_ = 0;  // Of the line being looked for; at the end, the size of the head.
  size_t start_begin_ = 0;
  size_t start_size_ = 0;
  size_t fields_begin_ = 0;
  size_t fields_end_ = 0;
  size_t field_count_ = 0;
  size_t bytes_parsed_ = 0;
  Kind kind_;
  Phase phase_ = Phase::kStartLine;
  HeadError error_ = HeadError::kNone;
  bool skipped_empty_line_ = false;
};

}  // namespace head_parser_internal

// Reads one request head off the front of a connection's read buffer.
//
//   RequestHeadParser parser(limits);
//   size_t min_bytes = 1;
//   for (;;) {
//     buffered = AsText(<at least min_bytes buffered bytes, from the first of the head on>);
//     ParseResult r = parser.Parse(buffered, &head);
//     if (r.status == ParseStatus::kDone) break;        // Use head, then consume r.consumed bytes.
//     if (r.status == ParseStatus::kInvalid) return r.error;
//     min_bytes = r.min_bytes;
//   }
//
// Each call gets everything from the head's first byte on: the bytes of the call before, possibly
// elsewhere in memory, and more. What follows the head may be there too and is not looked at. Total
// work is linear in the size of the head however it is cut, and what is found does not depend on
// the cuts. Nothing is kept but offsets: 112 bytes.
//   kDone     *head is set, to views into this call's `buffered`; consumed is the head's size, with
//             the empty line at its end. Called again, it says the same and renews the views.
//   kNeedMore nothing is written; min_bytes is at most head_bytes_max.
//   kInvalid  final: every further call says the same. HeadErrorStatus(error) is the answer's code.
//             A fault is reported when its line is complete or too long, the first one first.
class RequestHeadParser {
 public:
  explicit RequestHeadParser(const Limits& limits = Limits())
      : walker_(head_parser_internal::HeadWalker::Kind::kRequest, limits) {}

  [[nodiscard]] ParseResult Parse(absl::string_view buffered, RequestHead* head);

  // Makes ready for another head.
  void Reset() { walker_.Reset(); }

  // Bytes looked at since construction, for tests of linearity.
  size_t bytes_examined() const { return walker_.bytes_examined(); }

 private:
  head_parser_internal::HeadWalker walker_;
};

// Reads one response head; as RequestHeadParser, but an empty line before it is refused.
class ResponseHeadParser {
 public:
  explicit ResponseHeadParser(const Limits& limits = Limits())
      : walker_(head_parser_internal::HeadWalker::Kind::kResponse, limits) {}

  [[nodiscard]] ParseResult Parse(absl::string_view buffered, ResponseHead* head);
  void Reset() { walker_.Reset(); }
  size_t bytes_examined() const { return walker_.bytes_examined(); }

 private:
  head_parser_internal::HeadWalker walker_;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_HEAD_PARSER_H_
