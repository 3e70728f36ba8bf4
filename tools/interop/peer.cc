#include "tools/interop/peer.h"

#include <cstdlib>

#include "gtest/gtest.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {

Peer NpmWs() {
  return {.name = "NpmWs",
          .probe = {"node", "-e", "require(process.env.HALFPIPE_WS_MODULE || 'ws')"},
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
          .probe = {kPython, "-c", "import websockets"},
          .client = {kPython, "tools/interop/websockets_client.py"},
          .server = {kPython, "tools/interop/websockets_server.py"},
          .deflate = {"{}",
                      R"({"server_no_context_takeover": true,
                          "client_no_context_takeover": true})",
                      R"({"server_max_window_bits": 9, "client_max_window_bits": 10})"}};
}

bool Installed(absl::string_view name, const std::vector<std::string>& probe) {
  ChildProcess process(probe);
  if (process.Finish("") == 0) return true;
  const char* const required = getenv("HALFPIPE_REQUIRE_PEERS");
  if (required != nullptr && absl::string_view(required) == "1") {
    ADD_FAILURE() << name << " is required and not installed: " << process.errors();
  }
  return false;
}

std::vector<std::string> With(std::vector<std::string> command,
                              const std::vector<std::string>& arguments) {
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace halfpipe::tools
