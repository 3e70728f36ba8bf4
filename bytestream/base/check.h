#ifndef HALFPIPE_BYTESTREAM_BASE_CHECK_H_
#define HALFPIPE_BYTESTREAM_BASE_CHECK_H_

#include "absl/base/optimization.h"

namespace halfpipe {

// Writes "file:line: check failed: text" to standard error and aborts. Allocates nothing, takes no
// lock, so that it may be called from any state.
[[noreturn]] void CheckFailed(const char* file, int line, const char* text);

}  // namespace halfpipe

// Ends the process with the file, line and text of `condition` when it does not hold. For our own
// broken invariants only: what a peer or a caller of a public function may do wrong is a value.
// Active in every build.
#define HALFPIPE_CHECK(condition)                      \
  (ABSL_PREDICT_TRUE(condition) ? static_cast<void>(0) \
                                : ::halfpipe::CheckFailed(__FILE__, __LINE__, #condition))

#endif  // HALFPIPE_BYTESTREAM_BASE_CHECK_H_
