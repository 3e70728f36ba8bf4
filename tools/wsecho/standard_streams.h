#ifndef HALFPIPE_TOOLS_WSECHO_STANDARD_STREAMS_H_
#define HALFPIPE_TOOLS_WSECHO_STANDARD_STREAMS_H_

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// Puts something into the place of each standard stream that is closed (descriptors 0 to 2), that
// can neither be read nor written (EBADF): else the next socket would have its number, and the
// peer would get what is meant for people. To be called first. False, with errno, if it cannot.
bool KeepStandardStreams();

// Writes `text` to standard output, at once. 0 or an errno: what --help says has gone nowhere then.
int PrintOut(absl::string_view text);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_STANDARD_STREAMS_H_
