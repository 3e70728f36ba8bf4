// Fields and lists of them. The first byte of the input says how long the name to look for is, then
// comes that name; the rest is a field section, of any bytes.
//
// Holds for each input: fields, members, counts and tokens are those that a plain reader finds,
// which copies everything into strings; and every view lies inside the section.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "http/core/header_list.h"

namespace {

using namespace halfpipe::http;  // NOLINT

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string Trim(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.erase(0, 1);
  return text;
}

// The members of one value, character by character.
std::vector<std::string> MembersOf(const std::string& value) {
  enum { kOutside, kQuoted, kEscaped } state = kOutside;
  std::vector<std::string> members = {""};
  for (const char c : value) {
    if (state == kOutside && c == ',') {
      members.push_back("");
      continue;
    }
    members.back().push_back(c);
    if (state == kEscaped) {
      state = kQuoted;
    } else if (c == '"') {
      state = state == kQuoted ? kOutside : kQuoted;
    } else if (c == '\\' && state == kQuoted) {
      state = kEscaped;
    }
  }
  std::vector<std::string> whole;
  for (const std::string& member : members) {
    if (!Trim(member).empty()) whole.push_back(Trim(member));
  }
  return whole;
}

std::vector<std::pair<std::string, std::string>> FieldsOf(const std::string& section) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (size_t at = 0; at < section.size();) {
    size_t end = section.find('\n', at);
    if (end == std::string::npos) end = section.size();
    std::string line = section.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t colon = line.find(':');
    const bool has_value = colon != std::string::npos;
    fields.emplace_back(line.substr(0, colon), has_value ? Trim(line.substr(colon + 1)) : "");
    at = end + 1;
  }
  return fields;
}

void RequireInside(absl::string_view view, absl::string_view section) {
  if (view.empty()) return;
  Require(view.data() >= section.data());
  Require(view.data() + view.size() <= section.data() + section.size());
}

void CheckLookups(const HeaderList& list, const std::string& name,
                  const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<std::string> values;
  std::vector<std::string> members;
  for (const auto& [field_name, value] : fields) {
    if (absl::AsciiStrToLower(field_name) != absl::AsciiStrToLower(name)) continue;
    values.push_back(value);
    for (const std::string& member : MembersOf(value)) members.push_back(member);
  }
  Require(list.Count(name) == values.size());
  Require(list.Has(name) == !values.empty());
  const std::optional<absl::string_view> first = list.Find(name);
  const std::optional<absl::string_view> only = list.FindOnly(name);
  Require(first.has_value() == !values.empty());
  Require(only.has_value() == (values.size() == 1));
  if (first.has_value()) Require(*first == values.front());
  if (only.has_value()) Require(*only == values.front());
  std::vector<std::string> found;
  for (absl::string_view member : list.Members(name)) {
    RequireInside(member, list.section());
    Require(list.HasToken(name, absl::AsciiStrToUpper(member)));
    found.emplace_back(member);
  }
  Require(found == members);
  Require(!list.HasToken(name, "no such member"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t name_size = data[0] % 16 < rest.size() ? data[0] % 16 : rest.size();
  const std::string name = rest.substr(0, name_size);
  const std::string section = rest.substr(name_size);

  const HeaderList list(section);
  const auto fields = FieldsOf(section);
  size_t count = 0;
  for (const Field& field : list) {
    RequireInside(field.name, section);
    RequireInside(field.value, section);
    Require(count < fields.size());
    Require(field.name == fields[count].first && field.value == fields[count].second);
    ++count;
  }
  Require(count == fields.size());
  CheckLookups(list, name, fields);
  if (!fields.empty()) CheckLookups(list, fields[0].first, fields);

  std::vector<std::string> members;
  absl::string_view left = section;
  for (;;) {
    const absl::string_view member = NextListMember(&left);
    if (member.empty()) break;
    RequireInside(member, section);
    members.emplace_back(member);
  }
  Require(left.empty());
  Require(members == MembersOf(section));
  return 0;
}
