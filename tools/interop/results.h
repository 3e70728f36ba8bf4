#ifndef HALFPIPE_TOOLS_INTEROP_RESULTS_H_
#define HALFPIPE_TOOLS_INTEROP_RESULTS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/interop/results_table.h"

namespace halfpipe::tools {

// The rows that the running test adds to its table in README.md. When all its tests have passed,
// the table there has to have the same rows, versions and outcomes aside; the rows of peers that
// are not installed may be there without having been run. Under write_tables.sh the table is
// written instead.

// Adds a row, unless the test has failed. "passed" becomes the outcome's first word.
void RecordResult(Result result);

// Tells that there are no results with this peer here.
void RecordAbsence(absl::string_view peer);

// The cases that a peer's program says it has done: the words behind "did " in its lines, each once,
// with commas.
std::string CasesIn(absl::string_view output);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_INTEROP_RESULTS_H_
