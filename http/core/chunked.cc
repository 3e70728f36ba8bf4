#include "http/core/chunked.h"

#include <algorithm>

#include "http/core/grammar.h"
#include "http/core/header_list.h"

namespace halfpipe::http {
namespace {

constexpr size_t kLineEndSize = 2;

// 16 digits, the first of them below 8: sizes below 2^63.
bool ParseSize(absl::string_view digits, uint64_t* size) {
  if (digits.empty() || digits.size() > 16) return false;
  uint64_t value = 0;
  for (const char c : digits) {
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  if (value >> 63 != 0) return false;
  *size = value;
  return true;
}

void SkipOws(absl::string_view* text) {
  while (!text->empty() && IsOws(text->front())) text->remove_prefix(1);
}

bool TakeToken(absl::string_view* text) {
  const size_t size = SpanOfClass(*text, kTokenChar);
  text->remove_prefix(size);
  return size > 0;
}

// quoted-string (RFC 9110 section 5.6.4).
bool TakeQuotedString(absl::string_view* text) {
  for (size_t i = 1; i < text->size(); ++i) {
    const char c = (*text)[i];
    if (!IsInClass(c, kFieldValueChar)) return false;
    if (c == '"') {
      text->remove_prefix(i + 1);
      return true;
    }
    if (c == '\\') {
      ++i;
      if (i < text->size() && !IsInClass((*text)[i], kFieldValueChar)) return false;
    }
  }
  return false;
}

// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) (section 7.1.1).
bool IsValidExtensions(absl::string_view text) {
  while (!text.empty()) {
    SkipOws(&text);
    if (text.empty() || text.front() != ';') return false;
    text.remove_prefix(1);
    SkipOws(&text);
    if (!TakeToken(&text)) return false;
    absl::string_view rest = text;
    SkipOws(&rest);
    if (rest.empty() || rest.front() != '=') continue;
    rest.remove_prefix(1);
    SkipOws(&rest);
    const bool quoted = !rest.empty() && rest.front() == '"';
    if (!(quoted ? TakeQuotedString(&rest) : TakeToken(&rest))) return false;
    text = rest;
  }
  return true;
}

ChunkedStep Skipped(size_t consumed) {
  ChunkedStep step;
  step.status = ChunkedStatus::kSkipped;
  step.consumed = consumed;
  return step;
}

ChunkedStep NeedMore(size_t min_bytes) {
  ChunkedStep step;
  step.min_bytes = min_bytes;
  return step;
}

}  // namespace

ChunkedStep ChunkedReader::Fail(absl::string_view error) {
  phase_ = Phase::kInvalid;
  error_ = error;
  ChunkedStep step;
  step.status = ChunkedStatus::kInvalid;
  step.error = error;
  return step;
}

bool ChunkedReader::TakeLine(absl::string_view buffered, size_t bytes_max,
                             absl::string_view too_long, absl::string_view* line,
                             ChunkedStep* step) {
  const ParseResult scanned = scanner_.Scan(buffered, bytes_max);
  switch (scanned.status) {
    case ParseStatus::kNeedMore:
      *step = NeedMore(scanned.min_bytes);
      return false;
    case ParseStatus::kInvalid:
      *step =
          Fail(scanned.error == HeadError::kLineTooLong ? too_long : HeadErrorText(scanned.error));
      return false;
    case ParseStatus::kDone:
      break;
  }
  *line = buffered.substr(0, scanned.consumed - kLineEndSize);
  return true;
}

ChunkedStep ChunkedReader::ReadSize(absl::string_view buffered) {
  absl::string_view line;
  ChunkedStep step;
  if (!TakeLine(buffered, limits_.size_line_bytes_max, "line of a chunk's size is too long", &line,
                &step)) {
    return step;
  }
  const size_t digits = SpanOfClass(line, kHexDigit);
  if (!ParseSize(line.substr(0, digits), &left_)) {
    return Fail("size of a chunk is not a hexadecimal number below 2^63");
  }
  if (!IsValidExtensions(line.substr(digits))) return Fail("extension of a chunk is malformed");
  phase_ = left_ > 0 ? Phase::kData : Phase::kTrailers;
  return Skipped(line.size() + kLineEndSize);
}

ChunkedStep ChunkedReader::ReadDataEnd(absl::string_view buffered) {
  // One byte at a time is judged too: what is wrong is wrong however it is cut.
  constexpr absl::string_view kEnd = "\r\n";
  const absl::string_view seen = buffered.substr(0, kLineEndSize);
  if (seen != kEnd.substr(0, seen.size())) return Fail("content of a chunk goes on behind its end");
  if (seen.size() < kLineEndSize) return NeedMore(kLineEndSize);
  phase_ = Phase::kSize;
  return Skipped(kLineEndSize);
}

ChunkedStep ChunkedReader::ReadTrailer(absl::string_view buffered) {
  constexpr absl::string_view kTooLong = "trailers are too long";
  const size_t left = limits_.trailer_bytes_max - trailer_bytes_;
  absl::string_view line;
  ChunkedStep step;
  if (!TakeLine(buffered, left > kLineEndSize ? left - kLineEndSize : 0, kTooLong, &line, &step)) {
    return step;
  }
  if (line.empty()) {
    phase_ = Phase::kDone;
    step.status = ChunkedStatus::kDone;
    step.consumed = kLineEndSize;
    return step;
  }
  if (trailer_count_ == limits_.trailer_count_max) return Fail("too many trailers");
  Field ignored;
  const HeadError error = ParseFieldLine(line, &ignored);
  if (error != HeadError::kNone) return Fail(HeadErrorText(error));
  ++trailer_count_;
  trailer_bytes_ += line.size() + kLineEndSize;
  return Skipped(line.size() + kLineEndSize);
}

ChunkedStep ChunkedReader::Read(absl::string_view buffered) {
  ChunkedStep step;
  switch (phase_) {
    case Phase::kSize:
      return ReadSize(buffered);
    case Phase::kData:
      if (buffered.empty()) return NeedMore(1);
      step.status = ChunkedStatus::kData;
      step.consumed = static_cast<size_t>(std::min<uint64_t>(left_, buffered.size()));
      step.data = buffered.substr(0, step.consumed);
      left_ -= step.consumed;
      if (left_ == 0) phase_ = Phase::kDataEnd;
      return step;
    case Phase::kDataEnd:
      return ReadDataEnd(buffered);
    case Phase::kTrailers:
      return ReadTrailer(buffered);
    case Phase::kDone:
      step.status = ChunkedStatus::kDone;
      return step;
    case Phase::kInvalid:
      break;
  }
  return Fail(error_);
}

}  // namespace halfpipe::http
