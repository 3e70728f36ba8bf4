#ifndef HALFPIPE_TOOLS_INTEROP_PEER_H_
#define HALFPIPE_TOOLS_INTEROP_PEER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// A WebSocket implementation that others wrote, behind programs of ours. README.md says what the
// programs do.
struct Peer {
  std::string name;                  // A word.
  std::vector<std::string> version;  // A command that prints it, if the peer is installed.
  std::string install;               // What installs it, for those who miss it.
  std::vector<std::string> build;    // A command that compiles our program; empty for a script.
  std::vector<std::string> client;   // The command before a program's arguments.
  std::vector<std::string> server;   // Empty if the peer is a client only.
  // Options of compression in the peer's own words, as our programs take them. Empty: the peer
  // can't be told that.
  struct Deflate {
    std::string plain;       // Nothing asked for.
    std::string no_context;  // Without context takeover, both ways.
    std::string windows;     // Of 9 bits for the server's messages, 10 for the client's.
  };
  Deflate client_deflate;
  Deflate server_deflate;
  // Whether a server that compresses still knows empty messages and pings.
  bool whole_with_deflate = true;
  // Whether a server does as its client's first offer asks; else it may take a later one.
  bool takes_first_offer = true;
};

// npm's ws, under node; the package is at HALFPIPE_WS_MODULE, or where node finds it.
Peer NpmWs();
// Debian's python3-websockets.
Peer PythonWebsockets();
// Debian's libwebsockets and WebSocket++, with a program that is compiled into TEST_TMPDIR.
Peer Libwebsockets();
Peer Websocketpp();

constexpr char kPython[] = "/usr/bin/python3";

// Whether `version` succeeds, which prints the peer's; it is run once for each name. If not, and
// HALFPIPE_REQUIRE_PEERS is 1, the test fails, and says what is missing and that `install`, a
// command, brings it.
bool Installed(const std::string& name, const std::vector<std::string>& version,
               const std::string& install);

// The first number with a dot in what `version` printed when Installed() ran it.
std::string VersionOf(const std::string& name);

// As Installed(), and the peer's program is compiled, once for each name. If that fails, so does
// each test that asks.
bool Ready(const Peer& peer);

// `command` and what follows it.
std::vector<std::string> With(std::vector<std::string> command,
                              const std::vector<std::string>& arguments);

// The rest of the line behind `words`, which it has to begin with.
std::string After(absl::string_view words, absl::string_view line);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_INTEROP_PEER_H_
