#include "http/core/content.h"

#include <cstddef>
#include <limits>
#include <optional>

#include "absl/strings/match.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"
#include "http/core/response.h"

namespace halfpipe::http {
namespace {

constexpr absl::string_view kContentLength = "Content-Length";
constexpr absl::string_view kTransferEncoding = "Transfer-Encoding";

// 1*DIGIT; a list of equal numbers, which RFC 9110 section 8.6 would let us take, is refused.
bool ParseLength(absl::string_view text, uint64_t* length) {
  if (text.empty() || !IsAllOfClass(text, kDigit)) return false;
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  uint64_t value = 0;
  for (const char c : text) {
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *length = value;
  return true;
}

// The codings are a list, the last one that was applied at its end.
ContentError JudgeCodings(const HeaderList& fields) {
  size_t codings = 0;
  size_t chunked = 0;
  bool ends_in_chunked = false;
  for (absl::string_view coding : fields.Members(kTransferEncoding)) {
    // Chunked has no parameters (section 7).
    ends_in_chunked = absl::EqualsIgnoreCase(coding, "chunked");
    chunked += ends_in_chunked ? 1 : 0;
    ++codings;
  }
  if (!ends_in_chunked || chunked > 1) return ContentError::kBadCodings;
  return codings > 1 ? ContentError::kUnknownCoding : ContentError::kNone;
}

// `otherwise`: what it is if no field says anything.
ContentError Judge(const HeaderList& fields, int version_minor, ContentKind otherwise,
                   ContentFraming* framing) {
  const bool coded = fields.Has(kTransferEncoding);
  const size_t lengths = fields.Count(kContentLength);
  if (coded && lengths > 0) return ContentError::kLengthAndCoding;
  if (coded) {
    if (version_minor < 1) return ContentError::kCodingInOldVersion;
    const ContentError error = JudgeCodings(fields);
    if (error == ContentError::kNone) *framing = {ContentKind::kChunked, 0};
    return error;
  }
  if (lengths > 1) return ContentError::kSeveralLengths;
  if (lengths == 0) {
    *framing = {otherwise, 0};
    return ContentError::kNone;
  }
  uint64_t length = 0;
  if (!ParseLength(fields.Find(kContentLength).value_or(""), &length)) {
    return ContentError::kBadLength;
  }
  *framing = {length > 0 ? ContentKind::kLength : ContentKind::kNone, length};
  return ContentError::kNone;
}

}  // namespace

absl::string_view ContentErrorText(ContentError error) {
  switch (error) {
    case ContentError::kNone:
      return "no error";
    case ContentError::kBadLength:
      return "Content-Length is not one decimal number";
    case ContentError::kSeveralLengths:
      return "several Content-Length fields";
    case ContentError::kLengthAndCoding:
      return "Content-Length together with Transfer-Encoding";
    case ContentError::kCodingInOldVersion:
      return "Transfer-Encoding in HTTP/1.0";
    case ContentError::kBadCodings:
      return "transfer codings do not end in chunked, or have it twice";
    case ContentError::kUnknownCoding:
      return "transfer coding other than chunked";
  }
  return "unknown error";
}

ContentError JudgeRequestContent(const RequestHead& head, ContentFraming* framing) {
  return Judge(head.fields, head.version_minor, ContentKind::kNone, framing);
}

ContentError JudgeResponseContent(const ResponseHead& head, ContentFraming* framing) {
  if (!StatusHasContent(head.status)) {
    *framing = ContentFraming();
    return ContentError::kNone;
  }
  return Judge(head.fields, head.version_minor, ContentKind::kUntilClose, framing);
}

}  // namespace halfpipe::http
