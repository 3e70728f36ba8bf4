#include "tools/interop/results_table.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace halfpipe::tools {
namespace {

constexpr char kEnd[] = "<!-- end -->";
constexpr size_t kColumns = 7;

// Where the table of `test` is in `readme`: from behind the line that begins it to the line that
// ends it.
std::optional<std::pair<size_t, size_t>> PlaceOf(absl::string_view readme, absl::string_view test) {
  const std::string begin = absl::StrCat("<!-- results of ", test, " -->\n");
  const size_t at = readme.find(begin);
  if (at == absl::string_view::npos) return std::nullopt;
  const size_t first = at + begin.size();
  const size_t end = readme.find(kEnd, first);
  if (end == absl::string_view::npos) return std::nullopt;
  return std::make_pair(first, end);
}

std::string Row(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

}  // namespace

ResultKey KeyOf(const Result& result) {
  return {result.peer, result.role, result.ours, result.compression, result.what};
}

std::string FormatResults(const std::vector<Result>& results) {
  std::string table = Row({"peer", "version", "is", "ours", "compression", "what", "result"});
  absl::StrAppend(&table, "|---|---|---|---|---|---|---|\n");
  for (const Result& r : results) {
    table += Row({r.peer, r.version, r.role, r.ours, r.compression, r.what, r.outcome});
  }
  return table;
}

std::set<ResultKey> KeysIn(absl::string_view readme, absl::string_view test) {
  std::set<ResultKey> keys;
  const auto place = PlaceOf(readme, test);
  if (!place.has_value()) return keys;
  size_t rows = 0;
  for (absl::string_view line :
       absl::StrSplit(readme.substr(place->first, place->second - place->first), '\n')) {
    // Two lines head the table.
    if (!absl::ConsumePrefix(&line, "|") || ++rows <= 2) continue;
    absl::ConsumeSuffix(&line, "|");
    const std::vector<absl::string_view> split = absl::StrSplit(line, '|');
    std::vector<std::string> cells;
    for (absl::string_view cell : split) cells.emplace_back(absl::StripAsciiWhitespace(cell));
    // A row that somebody broke becomes a key that no run has.
    if (cells.size() == kColumns) cells = {cells[0], cells[2], cells[3], cells[4], cells[5]};
    keys.insert(cells);
  }
  return keys;
}

std::string WithTable(absl::string_view readme, absl::string_view test, absl::string_view table) {
  const auto place = PlaceOf(readme, test);
  if (!place.has_value()) return std::string(readme);
  // Markdown wants an empty line around a table.
  return absl::StrCat(readme.substr(0, place->first), "\n", table, "\n",
                      readme.substr(place->second));
}

}  // namespace halfpipe::tools
