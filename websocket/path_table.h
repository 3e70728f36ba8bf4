#ifndef HALFPIPE_WEBSOCKET_PATH_TABLE_H_
#define HALFPIPE_WEBSOCKET_PATH_TABLE_H_

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace halfpipe::websocket {

// What belongs to the path of a request. Paths are compared byte by byte as they stand on the wire:
// nothing is decoded and no dots are resolved, so what two texts mean is never guessed (RFC 9110
// section 4.2.3 leaves it to the origin server). Pure.
template <typename T>
class PathTable {
 public:
  // For the path `path` alone.
  void AddExact(absl::string_view path, T value) {
    exact_.emplace_back(std::string(path), std::move(value));
  }

  // For every path that begins with `prefix`.
  void AddPrefix(absl::string_view prefix, T value) {
    prefixes_.emplace_back(std::string(prefix), std::move(value));
    std::stable_sort(prefixes_.begin(), prefixes_.end(),
                     [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  }

  // What belongs to `resource`, a path and perhaps a query: an exact path outranks prefixes, a
  // longer prefix a shorter one, what was added first the same again. Null: nothing.
  const T* Find(absl::string_view resource) const {
    const absl::string_view path = resource.substr(0, resource.find('?'));
    for (const auto& [exact, value] : exact_) {
      if (path == exact) return &value;
    }
    for (const auto& [prefix, value] : prefixes_) {
      if (absl::StartsWith(path, prefix)) return &value;
    }
    return nullptr;
  }

  // The path or prefix of the first entry that `ok(path, value)` is false of; nothing if there is none.
  template <typename F>
  std::optional<absl::string_view> FirstNot(F ok) const {
    for (const auto* entries : {&exact_, &prefixes_}) {
      for (const auto& [path, value] : *entries) {
        if (!ok(absl::string_view(path), value)) return absl::string_view(path);
      }
    }
    return std::nullopt;
  }

 private:
  std::vector<std::pair<std::string, T>> exact_;
  std::vector<std::pair<std::string, T>> prefixes_;  // the longest first
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_PATH_TABLE_H_
