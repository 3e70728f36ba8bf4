#include "http/core/header_list.h"

#include "absl/strings/match.h"
#include "http/core/grammar.h"

namespace halfpipe::http {

absl::string_view NextListMember(absl::string_view* rest, size_t* bytes_examined) {
  while (!rest->empty()) {
    bool quoted = false;
    size_t end = 0;
    for (; end < rest->size(); ++end) {
      const char c = (*rest)[end];
      if (c == '"') {
        quoted = !quoted;
      } else if (quoted && c == '\\') {
        // A quoted pair: what follows is taken as it is, a quote included.
        if (end + 1 < rest->size()) ++end;
      } else if (!quoted && c == ',') {
        break;
      }
    }
    const absl::string_view member = TrimOws(rest->substr(0, end));
    const size_t taken = end < rest->size() ? end + 1 : end;
    rest->remove_prefix(taken);
    // What is no member was looked at once more, to be trimmed.
    if (bytes_examined != nullptr) *bytes_examined += taken + (end - member.size());
    if (!member.empty()) return member;
  }
  return absl::string_view();
}

void HeaderList::Iterator::Take() {
  if (rest_.empty()) {
    at_ = nullptr;
    return;
  }
  at_ = rest_.data();
  const size_t line_feed = rest_.find('\n');
  absl::string_view line = rest_.substr(0, line_feed);
  rest_.remove_prefix(line_feed == absl::string_view::npos ? rest_.size() : line_feed + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const size_t colon = line.find(':');
  field_.name = line.substr(0, colon);
  field_.value = colon == absl::string_view::npos ? absl::string_view() : line.substr(colon + 1);
  field_.value = TrimOws(field_.value);
}

void HeaderList::MemberRange::Iterator::EnterField() {
  // From here to the first field of the name that has a member.
  for (; field_ != HeaderList::Iterator(); ++field_) {
    if (!absl::EqualsIgnoreCase(field_->name, name_)) continue;
    rest_ = field_->value;
    member_ = NextListMember(&rest_);
    if (!member_.empty()) return;
  }
  member_ = absl::string_view();
}

void HeaderList::MemberRange::Iterator::Take() {
  member_ = NextListMember(&rest_);
  if (!member_.empty()) return;
  ++field_;
  EnterField();
}

std::optional<absl::string_view> HeaderList::Find(absl::string_view name) const {
  for (const Field& field : *this) {
    if (absl::EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::optional<absl::string_view> HeaderList::FindOnly(absl::string_view name) const {
  std::optional<absl::string_view> found;
  for (const Field& field : *this) {
    if (!absl::EqualsIgnoreCase(field.name, name)) continue;
    if (found.has_value()) return std::nullopt;
    found = field.value;
  }
  return found;
}

size_t HeaderList::Count(absl::string_view name) const {
  size_t count = 0;
  for (const Field& field : *this) {
    if (absl::EqualsIgnoreCase(field.name, name)) ++count;
  }
  return count;
}

bool HeaderList::HasToken(absl::string_view name, absl::string_view token) const {
  for (absl::string_view member : Members(name)) {
    if (absl::EqualsIgnoreCase(member, token)) return true;
  }
  return false;
}

}  // namespace halfpipe::http
