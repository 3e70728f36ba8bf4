#ifndef HALFPIPE_HTTP_CORE_HEAD_ERROR_H_
#define HALFPIPE_HTTP_CORE_HEAD_ERROR_H_

// Why a head was refused. A driver turns this into an absl::Status, once, and a server into the
// status code of its answer.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace halfpipe::http {

enum class HeadError : uint8_t {
  kNone,
  // Lines (RFC 9112 section 2.2).
  kBareLineFeed,
  kBareCarriageReturn,
  kControlCharacter,
  kLineTooLong,
  // Request line (RFC 9112 section 3).
  kMalformedRequestLine,
  kBadMethod,
  kMethodTooLong,
  kBadTarget,
  kTargetTooLong,
  // Status line (RFC 9112 section 4).
  kMalformedStatusLine,
  kStatusLineTooLong,
  kBadStatusCode,
  kBadReason,
  // Either start line (RFC 9112 section 2.3).
  kBadVersion,
  kVersionNotSupported,
  kEmptyStartLine,
  // Field lines (RFC 9112 section 5).
  kLeadingWhiteSpace,
  kNoColon,
  kEmptyFieldName,
  kSpaceBeforeColon,
  kBadFieldName,
  kBadFieldValue,
  kFieldLineTooLong,
  // The whole head.
  kHeadTooLong,
  kTooManyFields,
};

// One line for people. Static storage.
constexpr absl::string_view HeadErrorText(HeadError error) {
  switch (error) {
    case HeadError::kNone:
      return "no error";
    case HeadError::kBareLineFeed:
      return "line feed without a carriage return before it";
    case HeadError::kBareCarriageReturn:
      return "carriage return without a line feed after it";
    case HeadError::kControlCharacter:
      return "control character in the head";
    case HeadError::kLineTooLong:
      return "line is longer than its limit";
    case HeadError::kMalformedRequestLine:
      return "request line is not method, target and version, one space apart";
    case HeadError::kBadMethod:
      return "method is not a token";
    case HeadError::kMethodTooLong:
      return "method is longer than start_line_bytes_max";
    case HeadError::kBadTarget:
      return "request-target has a byte that may not be in it";
    case HeadError::kTargetTooLong:
      return "request line is longer than start_line_bytes_max";
    case HeadError::kMalformedStatusLine:
      return "status line is not version, status code and reason, one space apart";
    case HeadError::kStatusLineTooLong:
      return "status line is longer than start_line_bytes_max";
    case HeadError::kBadStatusCode:
      return "status code is not three digits from 100 to 599";
    case HeadError::kBadReason:
      return "reason phrase has a byte that may not be in it";
    case HeadError::kBadVersion:
      return "version is not HTTP/ digit . digit";
    case HeadError::kVersionNotSupported:
      return "major version of HTTP is not 1";
    case HeadError::kEmptyStartLine:
      return "empty line in place of the start line";
    case HeadError::kLeadingWhiteSpace:
      return "field line starts with white space";
    case HeadError::kNoColon:
      return "field line has no colon";
    case HeadError::kEmptyFieldName:
      return "field line has no name";
    case HeadError::kSpaceBeforeColon:
      return "white space between field name and colon";
    case HeadError::kBadFieldName:
      return "field name is not a token";
    case HeadError::kBadFieldValue:
      return "field value has a byte that may not be in it";
    case HeadError::kFieldLineTooLong:
      return "field line is longer than field_line_bytes_max";
    case HeadError::kHeadTooLong:
      return "head is longer than head_bytes_max";
    case HeadError::kTooManyFields:
      return "head has more fields than field_count_max";
  }
  return "unknown error";
}

// The status code a server answers a request with that has this error: 400, 414, 431, 501 or 505
// (RFC 9112 section 3, RFC 9110 section 15.5.15, RFC 6585 section 5). 0 for kNone.
constexpr int HeadErrorStatus(HeadError error) {
  switch (error) {
    case HeadError::kNone:
      return 0;
    case HeadError::kTargetTooLong:
      return 414;
    case HeadError::kFieldLineTooLong:
    case HeadError::kHeadTooLong:
    case HeadError::kTooManyFields:
      return 431;
    case HeadError::kMethodTooLong:
      return 501;
    case HeadError::kVersionNotSupported:
      return 505;
    default:
      return 400;
  }
}

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_HEAD_ERROR_H_
