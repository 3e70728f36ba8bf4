#ifndef HALFPIPE_TOOLS_INTEROP_PEER_H_
#define HALFPIPE_TOOLS_INTEROP_PEER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// A WebSocket implementation that others wrote, behind scripts of ours.
struct Peer {
  std::string name;                 // A word.
  std::vector<std::string> probe;   // A command that succeeds if the peer is installed.
  std::vector<std::string> client;  // The command before a script's arguments.
  std::vector<std::string> server;
  // Options of compression, JSON in the peer's own words, as the scripts take them.
  struct Deflate {
    std::string plain;       // Nothing asked for.
    std::string no_context;  // Without context takeover, both ways.
    std::string windows;     // Of 9 bits for the server's messages, 10 for the client's.
  } deflate;
};

// npm's ws, under node; the package is at HALFPIPE_WS_MODULE, or where node finds it.
Peer NpmWs();
// Debian's python3-websockets.
Peer PythonWebsockets();

constexpr char kPython[] = "/usr/bin/python3";

// Whether `probe` succeeds. If not, and HALFPIPE_REQUIRE_PEERS is 1, the test fails.
bool Installed(absl::string_view name, const std::vector<std::string>& probe);

// `command` and what follows it.
std::vector<std::string> With(std::vector<std::string> command,
                              const std::vector<std::string>& arguments);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_INTEROP_PEER_H_
