#include "http/core/cookie.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

constexpr absl::string_view kCookie = "Cookie";

bool IsCookieOctet(char c) {
  return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

}  // namespace

bool IsValidCookieName(absl::string_view name) { return IsValidToken(name); }

bool IsValidCookieValue(absl::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  for (const char c : value) {
    if (!IsCookieOctet(c)) return false;
  }
  return true;
}

std::optional<std::string> CookieFieldValue(absl::Span<const Cookie> cookies) {
  std::string field;
  for (const Cookie& cookie : cookies) {
    if (!IsValidCookieName(cookie.name) || !IsValidCookieValue(cookie.value)) return std::nullopt;
    absl::StrAppend(&field, field.empty() ? "" : "; ", cookie.name, "=", cookie.value);
  }
  return field;
}

void CookieReader::EnterField() {
  while (field_ != HeaderList::Iterator() && !absl::EqualsIgnoreCase(field_->name, kCookie)) {
    ++field_;
  }
  rest_ = field_ != HeaderList::Iterator() ? field_->value : absl::string_view();
}

std::optional<Cookie> CookieReader::Next() {
  while (field_ != HeaderList::Iterator()) {
    if (rest_.empty()) {
      ++field_;
      EnterField();
      continue;
    }
    size_t end = 0;
    size_t equals = absl::string_view::npos;
    for (; end < rest_.size() && rest_[end] != ';'; ++end) {
      if (rest_[end] == '=' && equals == absl::string_view::npos) equals = end;
    }
    const absl::string_view pair = rest_.substr(0, end);
    const size_t taken = end < rest_.size() ? end + 1 : end;
    rest_.remove_prefix(taken);
    bytes_examined_ += taken;
    if (equals == absl::string_view::npos) continue;
    const Cookie cookie = {TrimOws(pair.substr(0, equals)), TrimOws(pair.substr(equals + 1))};
    if (IsValidCookieName(cookie.name) && IsValidFieldValue(cookie.value)) return cookie;
  }
  return std::nullopt;
}

std::optional<absl::string_view> FindCookie(const HeaderList& fields, absl::string_view name) {
  std::optional<absl::string_view> found;
  CookieReader reader(fields);
  while (const std::optional<Cookie> cookie = reader.Next()) {
    if (cookie->name != name) continue;
    if (found.has_value()) return std::nullopt;
    found = cookie->value;
  }
  return found;
}

}  // namespace halfpipe::http
