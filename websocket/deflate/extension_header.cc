#include "websocket/deflate/extension_header.h"

#include <algorithm>
#include <cstring>

namespace halfpipe::websocket {
namespace {

bool IsTokenChar(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

bool IsWhiteSpace(char c) { return c == ' ' || c == '\t'; }

}  // namespace

bool IsExtensionToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

ExtensionReader::ExtensionReader(absl::Span<const absl::string_view> values) : lines_(values) {
  size_t bytes = 0;
  for (absl::string_view value : values) bytes += value.size();
  if (values.size() > kMaxExtensionFields) {
    Fail("too many Sec-WebSocket-Extensions fields");
  } else if (bytes > kMaxExtensionBytes) {
    Fail("Sec-WebSocket-Extensions is too long");
  }
}

ExtensionReader::Item ExtensionReader::Fail(const char* what) {
  what_ = what;
  ended_ = true;
  return Item::kMalformed;
}

ExtensionReader::Item ExtensionReader::Next() {
  if (ended_) return *what_ != '\0' ? Item::kMalformed : Item::kEnd;
  name_ = value_ = absl::string_view();
  SkipWhiteSpace();
  if (in_extension_ && !rest_.empty()) {
    if (rest_.front() == ';') return TakeParam();
    if (rest_.front() != ',') return Fail("Sec-WebSocket-Extensions has a stray character");
  }
  in_extension_ = false;
  for (;;) {
    SkipWhiteSpace();
    if (rest_.empty()) {
      if (!NextLine()) break;
    } else if (rest_.front() == ',') {
      rest_.remove_prefix(1);
    } else {
      return TakeExtension();
    }
  }
  if (extension_count_ == 0) return Fail("Sec-WebSocket-Extensions is empty");
  ended_ = true;
  return Item::kEnd;
}

bool ExtensionReader::NextLine() {
  if (lines_.empty()) return false;
  rest_ = lines_.front();
  lines_.remove_prefix(1);
  return true;
}

void ExtensionReader::SkipWhiteSpace() {
  while (!rest_.empty() && IsWhiteSpace(rest_.front())) rest_.remove_prefix(1);
}

bool ExtensionReader::TakeToken(absl::string_view* token) {
  const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsTokenChar);
  *token = rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
  rest_.remove_prefix(token->size());
  return !token->empty();
}

// Takes a quoted string, its first quote included, and leaves in value_ what it says.
bool ExtensionReader::TakeQuoted() {
  rest_.remove_prefix(1);
  bool escaped = false;
  size_t size = 0;
  while (size < rest_.size() && rest_[size] != '"') {
    if (rest_[size] == '\\') {
      escaped = true;
      ++size;
    }
    ++size;
  }
  if (size >= rest_.size()) return false;
  value_ = rest_.substr(0, size);
  rest_.remove_prefix(size + 1);
  if (escaped) {
    unescaped_.clear();
    for (size_t i = 0; i < value_.size(); ++i) {
      if (value_[i] == '\\') ++i;
      unescaped_.push_back(value_[i]);
    }
    value_ = unescaped_;
  }
  return IsExtensionToken(value_);
}

ExtensionReader::Item ExtensionReader::TakeExtension() {
  if (!TakeToken(&name_)) return Fail("Sec-WebSocket-Extensions has a name that is no token");
  if (++extension_count_ > kMaxExtensions) {
    return Fail("Sec-WebSocket-Extensions has too many members");
  }
  in_extension_ = true;
  param_count_ = 0;
  return Item::kExtension;
}

ExtensionReader::Item ExtensionReader::TakeParam() {
  rest_.remove_prefix(1);
  SkipWhiteSpace();
  if (!TakeToken(&name_)) return Fail("Sec-WebSocket-Extensions has a parameter without a name");
  if (++param_count_ > kMaxExtensionParams) {
    return Fail("Sec-WebSocket-Extensions has too many parameters");
  }
  SkipWhiteSpace();
  if (rest_.empty() || rest_.front() != '=') return Item::kParam;
  rest_.remove_prefix(1);
  SkipWhiteSpace();
  const bool quoted = !rest_.empty() && rest_.front() == '"';
  if (quoted ? !TakeQuoted() : !TakeToken(&value_)) {
    return Fail("Sec-WebSocket-Extensions has a value that is no token");
  }
  return Item::kParam;
}

}  // namespace halfpipe::websocket
