#ifndef HALFPIPE_TOOLS_WSECHO_ECHO_SERVICE_H_
#define HALFPIPE_TOOLS_WSECHO_ECHO_SERVICE_H_

#include "websocket/options.h"
#include "websocket/server.h"

namespace halfpipe::tools {

// What wsecho serves: every message is sent back, with its type, at every path. A peer that does not
// take what is sent back within the server's connection.send_time is told 1008. A plain GET or HEAD
// of "/" is answered with EchoPage(), of other paths with 404. `connection` are the options of each
// connection. Before server->Start().
//
// Example:
//   websocket::Server server(&runtime, websocket::ServerOptions());
//   AddEcho(&server, websocket::Options());
void AddEcho(websocket::Server* server, const websocket::Options& connection);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_ECHO_SERVICE_H_
