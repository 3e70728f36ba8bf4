#ifndef HALFPIPE_TOOLS_WSCAT_EXIT_STATUS_H_
#define HALFPIPE_TOOLS_WSCAT_EXIT_STATUS_H_

namespace halfpipe::tools {

// How wscat ended, as scripts see it. The numbers are part of its interface: tools/README.md.
enum class ExitStatus {
  kClean = 0,         // Both sent Close; the peer's code was 1000, 1001, none, or an echo of ours.
  kUsage = 1,         // Bad arguments; nothing was done.
  kNoConnection = 2,  // No connection, or no socket to listen on.
  kRefused = 3,       // A connection, but no WebSocket: the opening handshake failed.
  kBroken = 4,        // The peer broke the protocol, a limit or the connection, or was silent.
  kPeerError = 5,     // Both sent Close; the peer's code speaks of an error.
  kLocal = 6,         // Standard input or output failed, or a line was no text.
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_EXIT_STATUS_H_
