#include "http/core/head_parser.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

// "HTTP/" DIGIT "." DIGIT (RFC 9112 section 2.3); case matters.
constexpr size_t kVersionSize = 8;

HeadError ParseVersion(absl::string_view text, int* minor) {
  if (text.size() != kVersionSize || !absl::StartsWith(text, "HTTP/") ||
      !IsInClass(text[5], kDigit) || text[6] != '.' || !IsInClass(text[7], kDigit)) {
    return HeadError::kBadVersion;
  }
  if (text[5] != '1') return HeadError::kVersionNotSupported;
  *minor = text[7] - '0';
  return HeadError::kNone;
}

// The error for text of which not all is in `char_class`. Line ends and controls are told apart
// from the rest, because they are what smuggling is done with.
HeadError CheckBytes(absl::string_view text, uint8_t char_class, HeadError otherwise) {
  const size_t good = SpanOfClass(text, char_class);
  if (good == text.size()) return HeadError::kNone;
  const unsigned char c = static_cast<unsigned char>(text[good]);
  if (c == '\r') return HeadError::kBareCarriageReturn;
  if (c == '\n') return HeadError::kBareLineFeed;
  if (c == 0x7f || (c < 0x20 && c != '\t')) return HeadError::kControlCharacter;
  return otherwise;
}

// What is wrong with a line whose shape is: a control character in it, or else the shape.
HeadError ControlOr(absl::string_view line, HeadError shape) {
  const HeadError control = CheckBytes(line, kFieldValueChar, shape);
  return control == HeadError::kNone ? shape : control;
}

// Why `line`, which is not a token and a colon at its front, is no field line.
HeadError JudgeBadFieldLine(absl::string_view line, size_t name_size) {
  const HeadError control = CheckBytes(line, kFieldValueChar, HeadError::kBadFieldName);
  if (control != HeadError::kNone) return control;
  if (line.find(':') == absl::string_view::npos) return HeadError::kNoColon;
  const absl::string_view rest = TrimOws(line.substr(name_size));
  return rest.front() == ':' ? HeadError::kSpaceBeforeColon : HeadError::kBadFieldName;
}

}  // namespace

HeadError ParseRequestLine(absl::string_view line, RequestLine* out) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == absl::string_view::npos || first == last) {
    return ControlOr(line, HeadError::kMalformedRequestLine);
  }
  RequestLine parsed;
  parsed.method = line.substr(0, first);
  parsed.target = line.substr(first + 1, last - first - 1);
  if (parsed.method.empty() || parsed.target.empty()) {
    return ControlOr(line, HeadError::kMalformedRequestLine);
  }
  HeadError error = CheckBytes(parsed.method, kTokenChar, HeadError::kBadMethod);
  if (error != HeadError::kNone) return error;
  // A space in the target is one space too many between the parts.
  if (parsed.target.find(' ') != absl::string_view::npos) {
    return ControlOr(line, HeadError::kMalformedRequestLine);
  }
  error = CheckBytes(parsed.target, kTargetChar, HeadError::kBadTarget);
  if (error != HeadError::kNone) return error;
  error = ParseVersion(line.substr(last + 1), &parsed.version_minor);
  if (error != HeadError::kNone) return error;
  *out = parsed;
  return HeadError::kNone;
}

HeadError ParseStatusLine(absl::string_view line, StatusLine* out) {
  // HTTP/1.1 SP 101 [SP reason]
  constexpr size_t kCodeBegin = kVersionSize + 1;
  constexpr size_t kCodeEnd = kCodeBegin + 3;
  StatusLine parsed;
  HeadError error = ParseVersion(line.substr(0, kVersionSize), &parsed.version_minor);
  if (error != HeadError::kNone) return error;
  if (line.size() < kCodeEnd || line[kVersionSize] != ' ') {
    return ControlOr(line, HeadError::kMalformedStatusLine);
  }
  const absl::string_view code = line.substr(kCodeBegin, 3);
  if (!IsAllOfClass(code, kDigit)) return HeadError::kBadStatusCode;
  parsed.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  if (!IsValidStatus(parsed.status)) return HeadError::kBadStatusCode;
  if (line.size() > kCodeEnd) {
    if (line[kCodeEnd] != ' ') return ControlOr(line, HeadError::kMalformedStatusLine);
    parsed.reason = line.substr(kCodeEnd + 1);
    error = CheckBytes(parsed.reason, kFieldValueChar, HeadError::kBadReason);
    if (error != HeadError::kNone) return error;
  }
  *out = parsed;
  return HeadError::kNone;
}

HeadError ParseFieldLine(absl::string_view line, Field* out) {
  if (!line.empty() && IsOws(line.front())) return HeadError::kLeadingWhiteSpace;
  const size_t name_size = SpanOfClass(line, kTokenChar);
  if (name_size == line.size() || line[name_size] != ':') return JudgeBadFieldLine(line, name_size);
  if (name_size == 0) return HeadError::kEmptyFieldName;
  const absl::string_view value = line.substr(name_size + 1);
  const HeadError error = CheckBytes(value, kFieldValueChar, HeadError::kBadFieldValue);
  if (error != HeadError::kNone) return error;
  *out = {line.substr(0, name_size), TrimOws(value)};
  return HeadError::kNone;
}

ParseResult LineScanner::Scan(absl::string_view buffered, size_t line_bytes_max) {
  // The line and its CRLF end within the window, or the line is too long. Nothing behind the window
  // is looked at, so the answer does not depend on how much has arrived.
  const bool full = buffered.size() >= 2 && buffered.size() - 2 >= line_bytes_max;
  const size_t window = full ? line_bytes_max + 2 : buffered.size();
  ParseResult result;
  if (scanned_ < window) {
    const char* const from = buffered.data() + scanned_;
    const void* const found = std::memchr(from, '\n', window - scanned_);
    if (found != nullptr) {
      const size_t line_feed =
          static_cast<size_t>(static_cast<const char*>(found) - buffered.data());
      bytes_examined_ += line_feed + 1 - scanned_;
      scanned_ = 0;
      if (line_feed == 0 || buffered[line_feed - 1] != '\r') {
        result.status = ParseStatus::kInvalid;
        result.error = HeadError::kBareLineFeed;
      } else {
        result.status = ParseStatus::kDone;
        result.consumed = line_feed + 1;
      }
      return result;
    }
    bytes_examined_ += window - scanned_;
    scanned_ = window;
  }
  if (full) {
    result.status = ParseStatus::kInvalid;
    result.error = HeadError::kLineTooLong;
  } else {
    result.min_bytes = std::max(buffered.size(), scanned_) + 1;
  }
  return result;
}

namespace head_parser_internal {

void HeadWalker::Reset() { *this = HeadWalker(kind_, limits_); }

ParseResult HeadWalker::Fail(HeadError error) {
  phase_ = Phase::kInvalid;
  error_ = error;
  ParseResult result;
  result.status = ParseStatus::kInvalid;
  result.error = error;
  return result;
}

// The error for a line that has not ended within its limit, of which `seen` is there.
HeadError HeadWalker::TooLong(absl::string_view seen) const {
  if (phase_ == Phase::kFields) return HeadError::kFieldLineTooLong;
  if (kind_ == Kind::kResponse) return HeadError::kStatusLineTooLong;
  // RFC 9112 section 3 has different answers for a long method and a long target.
  const absl::string_view line = seen.substr(0, limits_.start_line_bytes_max);
  return line.find(' ') == absl::string_view::npos ? HeadError::kMethodTooLong
                                                   : HeadError::kTargetTooLong;
}

HeadError HeadWalker::TakeStartLine(absl::string_view line) {
  if (line.empty()) {
    if (kind_ == Kind::kResponse || skipped_empty_line_) return HeadError::kEmptyStartLine;
    skipped_empty_line_ = true;
    return HeadError::kNone;
  }
  HeadError error;
  if (kind_ == Kind::kRequest) {
    RequestLine ignored;
    error = ParseRequestLine(line, &ignored);
  } else {
    StatusLine ignored;
    error = ParseStatusLine(line, &ignored);
  }
  if (error != HeadError::kNone) return error;
  start_begin_ = line_begin_;
  start_size_ = line.size();
  fields_begin_ = line_begin_ + line.size() + 2;
  phase_ = Phase::kFields;
  return HeadError::kNone;
}

HeadError HeadWalker::TakeLine(absl::string_view line) {
  bytes_parsed_ += line.size();
  if (phase_ == Phase::kStartLine) return TakeStartLine(line);
  if (line.empty()) {
    fields_end_ = line_begin_;
    phase_ = Phase::kDone;
    return HeadError::kNone;
  }
  if (field_count_ == limits_.field_count_max) return HeadError::kTooManyFields;
  ++field_count_;
  Field ignored;
  return ParseFieldLine(line, &ignored);
}

ParseResult HeadWalker::Walk(absl::string_view buffered) {
  ParseResult result;
  if (phase_ == Phase::kInvalid) return Fail(error_);
  if (buffered.size() < line_begin_) {
    // Not what was given before: there is nothing to look at until that is back.
    result.min_bytes = line_begin_;
    return result;
  }
  // As with lines, nothing behind the limit is looked at.
  const absl::string_view visible = buffered.substr(0, limits_.head_bytes_max);
  while (phase_ != Phase::kDone) {
    const absl::string_view rest = visible.substr(line_begin_);
    const ParseResult line =
        scanner_.Scan(rest, phase_ == Phase::kStartLine ? limits_.start_line_bytes_max
                                                        : limits_.field_line_bytes_max);
    if (line.status == ParseStatus::kInvalid) {
      return Fail(line.error == HeadError::kLineTooLong ? TooLong(rest) : line.error);
    }
    if (line.status == ParseStatus::kNeedMore) {
      if (visible.size() >= limits_.head_bytes_max) return Fail(HeadError::kHeadTooLong);
      result.min_bytes = line_begin_ + line.min_bytes;
      return result;
    }
    const HeadError error = TakeLine(rest.substr(0, line.consumed - 2));
    if (error != HeadError::kNone) return Fail(error);
    line_begin_ += line.consumed;
  }
  result.status = ParseStatus::kDone;
  result.consumed = line_begin_;
  return result;
}

}  // namespace head_parser_internal

ParseResult RequestHeadParser::Parse(absl::string_view buffered, RequestHead* head) {
  ParseResult result = walker_.Walk(buffered);
  if (result.status != ParseStatus::kDone) return result;
  RequestLine line;
  // It was accepted when it arrived; this time it is for the views.
  result.error = ParseRequestLine(walker_.StartLine(buffered), &line);
  head->method = line.method;
  head->target = line.target;
  head->version_minor = line.version_minor;
  head->fields = HeaderList(walker_.FieldSection(buffered));
  return result;
}

ParseResult ResponseHeadParser::Parse(absl::string_view buffered, ResponseHead* head) {
  ParseResult result = walker_.Walk(buffered);
  if (result.status != ParseStatus::kDone) return result;
  StatusLine line;
  result.error = ParseStatusLine(walker_.StartLine(buffered), &line);
  head->version_minor = line.version_minor;
  head->status = line.status;
  head->reason = line.reason;
  head->fields = HeaderList(walker_.FieldSection(buffered));
  return result;
}

}  // namespace halfpipe::http
