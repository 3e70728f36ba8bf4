// Fields from anywhere, as a request's head accepts them.  Holds for each input: the cookies are those
// of a naive reading (split at each semicolon, then at the first equals sign), each byte is looked at
// once, and those that may be written are read back the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "http/core/cookie.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Pair {
  std::string name;
  std::string value;
};

std::vector<Pair> Naive(const halfpipe::http::HeaderList& fields) {
  using namespace halfpipe::http;  // NOLINT
  std::vector<Pair> pairs;
  for (const Field& field : fields) {
    if (!absl::EqualsIgnoreCase(field.name, "cookie")) continue;
    for (const absl::string_view part : absl::StrSplit(field.value, ';')) {
      const std::vector<absl::string_view> halves = absl::StrSplit(part, absl::MaxSplits('=', 1));
      if (halves.size() != 2) continue;
      const absl::string_view name = TrimOws(halves[0]);
      const absl::string_view value = TrimOws(halves[1]);
      if (!IsValidToken(name) || !IsValidFieldValue(value)) continue;
      pairs.push_back({std::string(name), std::string(value)});
    }
  }
  return pairs;
}

std::vector<Pair> Read(const halfpipe::http::HeaderList& fields, size_t size) {
  halfpipe::http::CookieReader reader(fields);
  std::vector<Pair> pairs;
  while (const std::optional<halfpipe::http::Cookie> cookie = reader.Next()) {
    pairs.push_back({std::string(cookie->name), std::string(cookie->value)});
  }
  Require(reader.bytes_examined() <= size);
  return pairs;
}

bool Same(const std::vector<Pair>& a, const std::vector<Pair>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].value != b[i].value) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halfpipe::http;  // NOLINT: the entry point cannot be in the namespace.
  const absl::string_view text = AsText(absl::MakeConstSpan(data, size));
  const HeaderList fields(text);
  const std::vector<Pair> pairs = Read(fields, size);
  Require(Same(pairs, Naive(fields)));

  std::vector<Cookie> writable;
  std::vector<Pair> written;
  for (const Pair& pair : pairs) {
    if (!IsValidCookieValue(pair.value)) continue;
    writable.push_back({pair.name, pair.value});
    written.push_back(pair);
  }
  const std::optional<std::string> value = CookieFieldValue(writable);
  Require(value.has_value() && IsValidFieldValue(*value));
  const std::string section = absl::StrCat("Cookie: ", *value, "\r\n");
  Require(Same(Read(HeaderList(section), section.size()), written));

  // The only one of its name is found, of several none.
  for (const Pair& pair : pairs) {
    size_t count = 0;
    for (const Pair& other : pairs) count += other.name == pair.name ? 1 : 0;
    const std::optional<absl::string_view> found = FindCookie(fields, pair.name);
    Require(found.has_value() == (count == 1));
    Require(!found.has_value() || *found == pair.value);
  }
  return 0;
}
