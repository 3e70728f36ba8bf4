#include "bytestream/net/host_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace halfpipe {
namespace {

bool IsLabel(absl::string_view label) {
  if (label.empty() || label.size() > kHostLabelBytesMax) return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

// Whether `name` is `top`, which has no dots, or below it.
bool IsWithin(absl::string_view name, absl::string_view top) {
  name = absl::StripSuffix(name, ".");
  if (!absl::EndsWithIgnoreCase(name, top)) return false;
  name.remove_suffix(top.size());
  return name.empty() || name.back() == '.';
}

}  // namespace

bool IsHostName(absl::string_view name) {
  name = absl::StripSuffix(name, ".");
  if (name.size() > kHostNameBytesMax) return false;
  for (;;) {
    const size_t dot = name.find('.');
    if (!IsLabel(name.substr(0, dot))) return false;
    if (dot == absl::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool IsLocalhostName(absl::string_view name) { return IsWithin(name, "localhost"); }

bool IsInvalidName(absl::string_view name) { return IsWithin(name, "invalid"); }

}  // namespace halfpipe
