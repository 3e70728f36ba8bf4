#include "bytestream/testing/unique_name.h"

#include <sys/random.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "bytestream/base/check.h"

namespace halfpipe {

std::string UniqueName(absl::string_view prefix) {
  uint64_t number = 0;
  HALFPIPE_CHECK(getrandom(&number, sizeof(number), 0) == ssize_t{sizeof(number)});
  return absl::StrCat(prefix, absl::Hex(number, absl::kZeroPad16));
}

}  // namespace halfpipe
