#include "tools/interop/peer.h"

#include <cstdlib>
#include <map>
#include <regex>
#include <string>

#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

// What Installed() found, by name. Never destroyed.
std::map<std::string, std::string>& Versions() {
  static auto* const versions = new std::map<std::string, std::string>;
  return *versions;
}

}  // namespace

Peer NpmWs() {
  return {.name = "NpmWs",
          // The package says its version nowhere but in its package.json.
          .version = {"node", "-p",
                      "const name = process.env.HALFPIPE_WS_MODULE || 'ws'; require(name);"
                      "require(name + '/package.json').version"},
          .build = {},
          .client = {"node", "tools/interop/ws_client.js"},
          .server = {"node", "tools/interop/ws_server.js"},
          // Small messages too.
          .deflate = {R"({"threshold": 0})",
                      R"({"threshold": 0, "serverNoContextTakeover": true,
                          "clientNoContextTakeover": true})",
                      R"({"threshold": 0, "serverMaxWindowBits": 9, "clientMaxWindowBits": 10})"}};
}

Peer PythonWebsockets() {
  return {.name = "PythonWebsockets",
          .version = {kPython, "-c", "import websockets; print(websockets.__version__)"},
          .build = {},
          .client = {kPython, "tools/interop/websockets_client.py"},
          .server = {kPython, "tools/interop/websockets_server.py"},
          .deflate = {"{}",
                      R"({"server_no_context_takeover": true,
                          "client_no_context_takeover": true})",
                      R"({"server_max_window_bits": 9, "client_max_window_bits": 10})"}};
}

bool Installed(const std::string& name, const std::vector<std::string>& version) {
  ChildProcess process(version);
  if (process.Finish("") == 0) {
    // The first number with a dot in it; some say it on standard error.
    const std::string said = process.output() + process.errors();
    std::smatch number;
    std::regex_search(said, number, std::regex("[0-9]+([.][0-9]+)+"));
    Versions()[name] = number.str();
    return true;
  }
  const char* const required = getenv("HALFPIPE_REQUIRE_PEERS");
  if (required != nullptr && absl::string_view(required) == "1") {
    ADD_FAILURE() << name << " is required and not installed: " << process.errors();
  }
  RecordAbsence(name);
  return false;
}

std::string VersionOf(const std::string& name) { return Versions()[name]; }

bool Ready(const Peer& peer) {
  static auto* const built = new std::map<std::string, bool>;
  if (!Installed(peer.name, peer.version)) return false;
  if (peer.build.empty() || (*built)[peer.name]) return true;
  ChildProcess compiler(peer.build);
  EXPECT_EQ(compiler.Finish(""), 0) << compiler.errors();
  (*built)[peer.name] = true;
  return true;
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
