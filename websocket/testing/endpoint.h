#ifndef HALFPIPE_WEBSOCKET_TESTING_ENDPOINT_H_
#define HALFPIPE_WEBSOCKET_TESTING_ENDPOINT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"
#include "websocket/options.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket {

// A whole endpoint, from the first byte of the opening handshake to the end of the connection: for
// fuzzers and for tables of bytes in and bytes out. By default against a peer that has said
// everything already (ReplayBytestream), so that nothing waits.

// What an endpoint does once it speaks WebSocket: sends every message back. By what receive it
// gets them, and how much memory it has for one.
struct EchoOptions {
  enum class Receive : uint8_t { kView, kFill, kParts };

  Receive receive = Receive::kView;
  bool plain = true;  // A server answers plain requests.
  size_t fill_bytes = 1000;
  Options stream = {};  // The role, compression and entropy are the handshake's.
};

struct EndpointRun {
  int upgrade_errno = 0;  // Of the handshake; 0 if it succeeded.
  int stream_errno = 0;   // How receiving ended; 0 for the peer's Close.
  int close_code = 0;     // Of the peer's Close.
  std::string written;    // All that was sent, heads and frames.
  // "text ..." and "binary ...", as they came; those left out that did not fit.
  std::vector<std::string> messages;
  bool deflate = false;           // Agreed on.
  size_t blocks_peak = 0;         // Of the runtime's pool, at every moment the endpoint could look.
  size_t deflate_bytes_peak = 0;  // What zlib held.
  ServerUpgradeResult server;
  ClientUpgradeResult client;
};

// A server: any good request is welcome, plain ones get an empty 200.
EndpointRun RunServer(Runtime* runtime, const ServerUpgradeOptions& options,
                      const EchoOptions& echo, std::vector<std::string> pieces);

// A client; it sends the text "first" as soon as it may.
EndpointRun RunClient(Runtime* runtime, const ClientUpgradeOptions& options,
                      const EchoOptions& echo, std::vector<std::string> pieces);

// The same on any stream, up to its end of stream; `written` is left empty. These wait.
EndpointRun RunServerOn(Runtime* runtime, const ServerUpgradeOptions& options,
                        const EchoOptions& echo, BytestreamPtr lower);
EndpointRun RunClientOn(Runtime* runtime, const ClientUpgradeOptions& options,
                        const EchoOptions& echo, BytestreamPtr lower);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_ENDPOINT_H_
