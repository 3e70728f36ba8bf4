#ifndef HALFPIPE_TOOLS_WSECHO_OPTIONS_H_
#define HALFPIPE_TOOLS_WSECHO_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/wsecho/endpoint.h"
#include "websocket/options.h"
#include "websocket/server_options.h"

namespace halfpipe::tools {

// What the arguments of wsecho say.
struct EchoOptions {
  bool help = false;
  Endpoint listen;
  // Files; both or none. With them TLS is served.
  std::string tls_certificate;
  std::string tls_key;
  websocket::ServerOptions server;
  // What peers are given to answer our Close at the end.
  absl::Duration drain_time;
  // Of each connection.
  websocket::Options connection;

  bool tls() const { return !tls_certificate.empty(); }
};

// The arguments without the program's name. EINVAL: a line for people. Pure.
absl::StatusOr<EchoOptions> ParseEchoOptions(const std::vector<std::string>& arguments);

// What --help prints.
std::string EchoHelpText();

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_OPTIONS_H_
