#ifndef HALFPIPE_BYTESTREAM_TESTING_UNIQUE_NAME_H_
#define HALFPIPE_BYTESTREAM_TESTING_UNIQUE_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe {

// `prefix` and 16 random digits: for what all processes of a machine share, such as the names of
// abstract Unix sockets. The number of a process would not do, each sandbox counts its own.
std::string UniqueName(absl::string_view prefix);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_UNIQUE_NAME_H_
