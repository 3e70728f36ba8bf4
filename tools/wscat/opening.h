#ifndef HALFPIPE_TOOLS_WSCAT_OPENING_H_
#define HALFPIPE_TOOLS_WSCAT_OPENING_H_

#include <memory>
#include <string>

#include "bytestream/runtime/runtime.h"
#include "tools/wscat/exit_status.h"
#include "tools/wscat/options.h"
#include "websocket/stream.h"

namespace halfpipe::tools {

// A connection that speaks WebSocket; or none, what to exit with, and what to say.
struct Opened {
  std::unique_ptr<websocket::Stream> stream;
  std::string subprotocol;  // What was agreed on; empty for none.
  ExitStatus failed = ExitStatus::kClean;
  // One line for people; empty if it was cancelled.
  std::string why;
  // Of a refusal, its content: what the server's people have to say.
  std::string refusal;
};

// As a client of options.url, within 10 seconds for all of it. Waits; a cancellation ends it.
Opened OpenClient(Runtime* runtime, const Options& options);

// As a server at options.listen, for the first peer that comes. Says on standard error where it
// listens. Waits without end for the peer, and then 20 seconds for the opening handshake; a
// cancellation ends it.
Opened OpenServer(Runtime* runtime, const Options& options);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_OPENING_H_
