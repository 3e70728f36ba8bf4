#ifndef HALFPIPE_TOOLS_WSECHO_ECHO_SERVER_H_
#define HALFPIPE_TOOLS_WSECHO_ECHO_SERVER_H_

#include <cstdint>
#include <map>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/listener.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "websocket/options.h"
#include "websocket/stream.h"

namespace halfpipe::tools {

// Sends every message back, with its type, on as many connections as there are descriptors; one
// coroutine each. Answers a plain GET or HEAD of "/" with EchoPage(), of other paths with 404.
//
// Example:
//   EchoServer server(&runtime, listening_fd, EchoServer::Options());
//   accepting.Go([&] { server.Accept(); });
//   ...
//   accepting.CancelAndJoin();
//   server.Stop();
class EchoServer {
 public:
  struct Options {
    // Larger messages are refused with 1009. Bytes.
    uint64_t message_bytes_max = uint64_t{16} << 20;
    // Compression, for peers that offer it.
    websocket::DeflateOptions deflate;
    // For the head of a request, and for a peer to take an answer. A head that does not come to its
    // end by then is answered with 408.
    absl::Duration handshake_time = absl::Seconds(10);
    // From the end of a conversation to that of its connection.
    absl::Duration close_time = absl::Seconds(5);
    // What Stop() gives all connections together for their closing handshakes.
    absl::Duration stop_time = absl::Seconds(1);
    // The pause after accept(2) has found no descriptor or memory.
    absl::Duration accept_pause = absl::Milliseconds(100);
  };

  // Takes over `listener_fd`. `runtime` is borrowed and outlives the object.
  EchoServer(Runtime* runtime, int listener_fd, const Options& options);
  // Breaks the connections that are left.
  ~EchoServer();
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  // Accepts connections until the calling coroutine is cancelled.
  void Accept();

  // Closes the listener, sends 1001 to all peers, waits for their answers for at most stop_time,
  // and breaks what is left. No Accept() is running.
  void Stop();

 private:
  void Serve(int fd);
  void Echo(websocket::Stream* stream);

  Runtime* const runtime_;
  const Options options_;
  Listener listener_;
  uint64_t next_id_ = 0;
  std::map<uint64_t, websocket::Stream*> streams_;  // Those that exist now.
  Bundle connections_;                              // Ends before what it uses.
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_ECHO_SERVER_H_
