#ifndef HALFPIPE_HTTP_CORE_GRAMMAR_H_
#define HALFPIPE_HTTP_CORE_GRAMMAR_H_

// The character classes HTTP/1.1 is spelt with (RFC 9110 section 5.6, RFC 9112 section 3.2), as one
// table of 256 entries, and the whole-string checks made of them. Pure; nothing allocates.
//
// Case-insensitive comparison is absl::EqualsIgnoreCase, which is ASCII only, as HTTP wants it.

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::http {

// One bit per class; a byte may be in several.
enum CharClass : uint8_t {
  // tchar: what methods, field names and tokens consist of (RFC 9110 section 5.6.2).
  kTokenChar = 1,
  // VCHAR, SP, HTAB and obs-text: field values and reason phrases (RFC 9110 section 5.5). What is
  // left out is every control character but HTAB, so CR, LF and NUL in particular.
  kFieldValueChar = 2,
  // A request-target (RFC 9112 section 3.2): visible ASCII but `"`, `#`, `<` and `>`. That is wider
  // than RFC 3986 by the bytes \ ^ ` { | } and free brackets, because browsers send those in queries
  // as they were typed.
  kTargetChar = 4,
  // pchar, "/" and "?" without "%": paths and queries as RFC 3986 section 3.3 has them.
  kUriChar = 8,
  // unreserved and sub-delims: registered names, without "%" (RFC 3986 section 3.2.2).
  kRegNameChar = 16,
  kDigit = 32,
  kHexDigit = 64,
};

namespace grammar_internal {

constexpr bool Contains(const char* set, unsigned c) {
  for (; *set != '\0'; ++set) {
    if (static_cast<unsigned char>(*set) == c) return true;
  }
  return false;
}

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes = {};
  for (unsigned c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool alnum = digit || alpha;
    const bool visible = c > 0x20 && c < 0x7f;
    unsigned bits = 0;
    if (alnum || Contains("!#$%&'*+-.^_`|~", c)) bits |= kTokenChar;
    if (visible || c == ' ' || c == '\t' || c >= 0x80) bits |= kFieldValueChar;
    if (visible && !Contains("\"#<>", c)) bits |= kTargetChar;
    if (alnum || Contains("-._~!$&'()*+,;=", c)) bits |= kRegNameChar | kUriChar;
    if (Contains(":@/?", c)) bits |= kUriChar;
    if (digit) bits |= kDigit | kHexDigit;
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= kHexDigit;
    classes[c] = static_cast<uint8_t>(bits);
  }
  return classes;
}

inline constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

}  // namespace grammar_internal

// Whether `c` belongs to `char_class` (or to any of several classes or-ed together).
constexpr bool IsInClass(char c, uint8_t char_class) {
  return (grammar_internal::kClasses[static_cast<unsigned char>(c)] & char_class) != 0;
}

// The offset of the first byte of `text` outside `char_class`, or text.size() if all are inside.
constexpr size_t SpanOfClass(absl::string_view text, uint8_t char_class) {
  size_t i = 0;
  while (i < text.size() && IsInClass(text[i], char_class)) ++i;
  return i;
}

constexpr bool IsAllOfClass(absl::string_view text, uint8_t char_class) {
  return SpanOfClass(text, char_class) == text.size();
}

// Whether all of `text` is of `char_class`, which has no "%", or percent-encoded octets, each of
// them complete (RFC 3986 section 2.1).
constexpr bool IsPercentEncoded(absl::string_view text, uint8_t char_class) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3 || !IsInClass(text[i + 1], kHexDigit) ||
          !IsInClass(text[i + 2], kHexDigit)) {
        return false;
      }
      i += 2;
    } else if (!IsInClass(text[i], char_class)) {
      return false;
    }
  }
  return true;
}

// SP or HTAB: optional white space (RFC 9110 section 5.6.3).
constexpr bool IsOws(char c) { return c == ' ' || c == '\t'; }

// `text` without the white space round it. The result points into `text`.
constexpr absl::string_view TrimOws(absl::string_view text) {
  while (!text.empty() && IsOws(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsOws(text.back())) text.remove_suffix(1);
  return text;
}

// A token is not empty (RFC 9110 section 5.6.2). So are methods and field names.
constexpr bool IsValidToken(absl::string_view text) {
  return !text.empty() && IsAllOfClass(text, kTokenChar);
}
constexpr bool IsValidMethod(absl::string_view method) { return IsValidToken(method); }
constexpr bool IsValidFieldName(absl::string_view name) { return IsValidToken(name); }

// A URI's scheme (RFC 3986 section 3.1).
constexpr bool IsValidScheme(absl::string_view text) {
  const auto is_alpha = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !is_alpha(text.front())) return false;
  for (const char c : text) {
    if (!is_alpha(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

// A field value may be empty; white space round it is no part of it and does no harm.
constexpr bool IsValidFieldValue(absl::string_view value) {
  return IsAllOfClass(value, kFieldValueChar);
}

// A reason phrase may be empty.
constexpr bool IsValidReason(absl::string_view reason) {
  return IsAllOfClass(reason, kFieldValueChar);
}

// The bytes of a request-target, in any of its four forms.
constexpr bool IsValidTarget(absl::string_view target) {
  return !target.empty() && IsAllOfClass(target, kTargetChar);
}

// 100..599 (RFC 9110 section 15).
constexpr bool IsValidStatus(int status) { return status >= 100 && status <= 599; }

// The same bytes, read as characters. Borrowed: lives as long as `bytes`.
inline absl::string_view AsText(absl::Span<const uint8_t> bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_GRAMMAR_H_
