#include "bytestream/base/check.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace halfpipe {

void CheckFailed(const char* file, int line, const char* text) {
  char message[512];
  const int size =
      std::snprintf(message, sizeof(message), "%s:%d: check failed: %s\n", file, line, text);
  const size_t written = size < 0 ? 0 : static_cast<size_t>(size);
  if (write(STDERR_FILENO, message, written < sizeof(message) ? written : sizeof(message) - 1) <
      0) {
    // Nothing is left to tell it to.
  }
  std::abort();
}

}  // namespace halfpipe
