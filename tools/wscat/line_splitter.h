#ifndef HALFPIPE_TOOLS_WSCAT_LINE_SPLITTER_H_
#define HALFPIPE_TOOLS_WSCAT_LINE_SPLITTER_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// Cuts bytes that arrive in pieces into lines. Pure.
//
// Example:
//   while (Read(&piece)) {
//     if (!lines.Add(piece)) return TooLong();
//     while (std::optional<absl::string_view> line = lines.Next()) Use(*line);
//   }
//   if (std::optional<absl::string_view> line = lines.Last()) Use(*line);
class LineSplitter {
 public:
  // The most bytes that a line may have.
  explicit LineSplitter(size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // Takes the next piece. False if the line that is being put together has become too long: there
  // is no more use of the object then. Only after Next() has returned nothing.
  [[nodiscard]] bool Add(absl::string_view piece);

  // The next complete line, without its "\n"; nothing if there is none yet. Valid until Add().
  std::optional<absl::string_view> Next();

  // What stands behind the last "\n", at the end of the input; nothing if that is empty. Valid
  // until Add().
  std::optional<absl::string_view> Last();

 private:
  const size_t line_bytes_max_;
  std::string bytes_;
  size_t begin_ = 0;    // Of the line that comes next.
  size_t scanned_ = 0;  // Up to here there is no "\n" from begin_ on.
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_LINE_SPLITTER_H_
