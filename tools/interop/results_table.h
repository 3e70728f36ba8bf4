#ifndef HALFPIPE_TOOLS_INTEROP_RESULTS_TABLE_H_
#define HALFPIPE_TOOLS_INTEROP_RESULTS_TABLE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// What one of our programs did with one peer: a row of the tables in README.md. No cell has a "|"
// or a line feed.
struct Result {
  std::string peer;         // As Peer::name.
  std::string version;      // The peer's, as it says itself.
  std::string role;         // The peer's: "client", "server", "proxy".
  std::string ours;         // "wsecho", and its flags that matter.
  std::string compression;  // "no", or who asked for what.
  std::string what;         // The cases, with commas.
  std::string outcome;      // "passed", and what was agreed on.
};

// A row without what may differ on another machine: the version, and the outcome, which says
// "passed" in every table that was written.
using ResultKey = std::vector<std::string>;

ResultKey KeyOf(const Result& result);

// The rows as a Markdown table, in their order.
std::string FormatResults(const std::vector<Result>& results);

// The keys of the rows of the table of `test` in `readme`: what is between the lines
// "<!-- results of TEST -->" and "<!-- end -->". Empty if there is none.
std::set<ResultKey> KeysIn(absl::string_view readme, absl::string_view test);

// `readme` with `table` as the table of `test`. As it is if there is no place for it.
std::string WithTable(absl::string_view readme, absl::string_view test, absl::string_view table);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_INTEROP_RESULTS_TABLE_H_
