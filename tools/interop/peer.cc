#include "tools/interop/peer.h"

#include <cstdlib>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

// What a command came to.
struct Outcome {
  bool success = false;
  std::string output;
  std::string errors;
};

// Runs `command`, or says again what it came to for that name.
const Outcome& RunOnce(std::map<std::string, Outcome>* outcomes, const std::string& name,
                       const std::vector<std::string>& command) {
  const auto [at, inserted] = outcomes->try_emplace(name);
  if (inserted) {
    ChildProcess process(command);
    at->second.success = process.Finish("") == 0;
    at->second.output = process.output();
    at->second.errors = process.errors();
  }
  return at->second;
}

// What Installed() found, by name. Never destroyed.
std::map<std::string, std::string>& Versions() {
  static auto* const versions = new std::map<std::string, std::string>;
  return *versions;
}

// A command that prints the lines with `pattern` of what the preprocessor makes of the headers and
// a last line, if there are any.
std::vector<std::string> HeaderLine(const std::vector<std::string>& headers,
                                    const std::string& line, const std::string& pattern) {
  std::string text;
  for (const std::string& header : headers) absl::StrAppend(&text, "#include <", header, ">\n");
  return {"sh", "-c", "printf '%s' \"$0\" | c++ -E -P -x c++ - | grep -E \"$1\"",
          text + line + "\n", pattern};
}

// As native_script.h has them.
const Peer::Deflate kNativeDeflate = {"plain", "no-context", "windows"};

// A peer whose program is compiled from `source`.cc, with what follows it on the command line.
Peer NativePeer(const std::string& name, const std::string& source,
                const std::vector<std::string>& flags) {
  const char* const directory = getenv("TEST_TMPDIR");
  const std::string program = absl::StrCat(directory, "/", source);
  const std::vector<std::string> compiler = {
      "c++", "-std=c++17", "-O0",   "-w",
      "-I.", "-o",         program, absl::StrCat("tools/interop/", source, ".cc")};
  Peer peer;
  peer.name = name;
  peer.build = With(compiler, flags);
  peer.client = {program};
  peer.server = {program, "server"};
  return peer;
}

}  // namespace

Peer NpmWs() {
  // Small messages too.
  const Peer::Deflate deflate = {
      R"({"threshold": 0})",
      R"({"threshold": 0, "serverNoContextTakeover": true, "clientNoContextTakeover": true})",
      R"({"threshold": 0, "serverMaxWindowBits": 9, "clientMaxWindowBits": 10})"};
  return {.name = "NpmWs",
          // The package says its version nowhere but in its package.json.
          .version = {"node", "-p",
                      "const name = process.env.HALFPIPE_WS_MODULE || 'ws'; require(name);"
                      "require(name + '/package.json').version"},
          .install = "apt-get install nodejs node-ws",
          .build = {},
          .client = {"node", "tools/interop/ws_client.js"},
          .server = {"node", "tools/interop/ws_server.js"},
          .client_deflate = deflate,
          .server_deflate = deflate};
}

Peer PythonWebsockets() {
  const Peer::Deflate deflate = {
      "{}", R"({"server_no_context_takeover": true, "client_no_context_takeover": true})",
      R"({"server_max_window_bits": 9, "client_max_window_bits": 10})"};
  return {.name = "PythonWebsockets",
          .version = {kPython, "-c", "import websockets; print(websockets.__version__)"},
          .install = "apt-get install python3-websockets",
          .build = {},
          .client = {kPython, "tools/interop/websockets_client.py"},
          .server = {kPython, "tools/interop/websockets_server.py"},
          .client_deflate = deflate,
          .server_deflate = deflate};
}

Peer Libwebsockets() {
  Peer peer = NativePeer("Libwebsockets", "libwebsockets_peer", {"-lwebsockets"});
  peer.version = HeaderLine({"libwebsockets.h"}, "this_is LWS_LIBRARY_VERSION", "^this_is");
  peer.install = "apt-get install libwebsockets-dev";
  peer.client_deflate = kNativeDeflate;
  // It asks for nothing, and knows no limit to its window.
  peer.server_deflate = {kNativeDeflate.plain, "", ""};
  peer.takes_first_offer = false;
  peer.whole_with_deflate = false;
  return peer;
}

Peer Websocketpp() {
  Peer peer = NativePeer("Websocketpp", "websocketpp_peer",
                         {"-DASIO_STANDALONE", "-D_WEBSOCKETPP_CPP11_STL_", "-lz", "-pthread"});
  peer.version = HeaderLine({"asio.hpp", "websocketpp/version.hpp"}, "", "WebSocket\\+\\+/");
  peer.install = "apt-get install libwebsocketpp-dev libasio-dev";
  // Its offer is always the same.
  peer.client_deflate = {kNativeDeflate.plain, "", ""};
  peer.server_deflate = kNativeDeflate;
  return peer;
}

bool Installed(const std::string& name, const std::vector<std::string>& version,
               const std::string& install) {
  static auto* const outcomes = new std::map<std::string, Outcome>;
  const Outcome& outcome = RunOnce(outcomes, name, version);
  if (outcome.success) {
    // The first number with a dot in it; some say it on standard error.
    const std::string said = outcome.output + outcome.errors;
    std::smatch number;
    std::regex_search(said, number, std::regex("[0-9]+([.][0-9]+)+"));
    Versions()[name] = number.str();
    return true;
  }
  const char* const required = getenv("HALFPIPE_REQUIRE_PEERS");
  if (required != nullptr && absl::string_view(required) == "1") {
    ADD_FAILURE() << name << " is missing, and HALFPIPE_REQUIRE_PEERS=1 requires it.\n"
                  << "What brings all peers: HALFPIPE_WITH_PEERS=1 tools/bazelw --setup-only\n"
                  << "What brings this one: " << install << "\n"
                  << "What was tried: " << absl::StrJoin(version, " ") << "\n"
                  << outcome.errors;
  }
  RecordAbsence(name);
  return false;
}

std::string VersionOf(const std::string& name) { return Versions()[name]; }

bool Ready(const Peer& peer) {
  static auto* const outcomes = new std::map<std::string, Outcome>;
  if (!Installed(peer.name, peer.version, peer.install)) return false;
  if (peer.build.empty()) return true;
  const Outcome& outcome = RunOnce(outcomes, peer.name, peer.build);
  if (!outcome.success) {
    ADD_FAILURE() << "the program of " << peer.name << " was not compiled: " << outcome.errors;
  }
  return outcome.success;
}

std::vector<std::string> With(std::vector<std::string> command,
                              const std::vector<std::string>& arguments) {
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::string After(absl::string_view words, absl::string_view line) {
  absl::string_view rest = line;
  EXPECT_TRUE(absl::ConsumePrefix(&rest, words)) << line;
  return std::string(rest);
}

}  // namespace halfpipe::tools
