#include "tools/wscat/line_splitter.h"

namespace halfpipe::tools {

bool LineSplitter::Add(absl::string_view piece) {
  bytes_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  // All lines but the first lie in the piece.
  for (size_t line = bytes_.size(), at = 0; at <= piece.size(); line = 0) {
    const size_t end = piece.find('\n', at);
    const size_t size = (end == absl::string_view::npos ? piece.size() : end) - at;
    if (size > line_bytes_max_ - line) return false;
    if (end == absl::string_view::npos) break;
    at = end + 1;
  }
  bytes_.append(piece.data(), piece.size());
  return true;
}

std::optional<absl::string_view> LineSplitter::Next() {
  const size_t end = bytes_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = bytes_.size();
    return std::nullopt;
  }
  const absl::string_view line = absl::string_view(bytes_).substr(begin_, end - begin_);
  begin_ = scanned_ = end + 1;
  return line;
}

std::optional<absl::string_view> LineSplitter::Last() {
  if (begin_ == bytes_.size()) return std::nullopt;
  return absl::string_view(bytes_).substr(begin_);
}

}  // namespace halfpipe::tools
