#ifndef HALFPIPE_TOOLS_WSECHO_PAGE_H_
#define HALFPIPE_TOOLS_WSECHO_PAGE_H_

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// The page that wsecho serves: HTML that needs nothing else. It opens a WebSocket to where it came
// from, sends what is typed as text or as bytes, and lists what is sent and received. Static.
//
// What tests of it rely on: the elements #state (its text is "open" or begins with "closed"),
// #text, #bytes (hexadecimal), #send-text, #send-bytes, #close, and #log, whose children have the
// texts "sent text: ...", "received text: ...", "sent bytes: 00 ff", "received bytes: 00 ff".
absl::string_view EchoPage();

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_PAGE_H_
