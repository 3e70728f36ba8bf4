#ifndef HALFPIPE_TOOLS_WSCAT_ESCAPE_H_
#define HALFPIPE_TOOLS_WSCAT_ESCAPE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// What a terminal may be shown of bytes that somebody else chose: one line of text that moves no
// cursor, sets no title and answers no query. Pure.
//
// Kept: well-formed UTF-8 that is none of the following. Written as "\n", "\r", "\t" or "\xNN", one
// for each byte: control characters (U+0000..U+001F, U+007F..U+009F), line and paragraph separators
// and what changes the direction of writing (U+2028..U+202E, U+2066..U+2069), and bytes that are
// not UTF-8. A backslash is written as two, so that no two inputs look the same.
std::string EscapeForTerminal(absl::string_view bytes);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_ESCAPE_H_
