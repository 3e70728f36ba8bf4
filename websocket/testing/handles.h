#ifndef HALFPIPE_WEBSOCKET_TESTING_HANDLES_H_
#define HALFPIPE_WEBSOCKET_TESTING_HANDLES_H_

#include <cstddef>
#include <ostream>
#include <utility>

#include "bytestream/bytestream.h"

namespace halfpipe::websocket {

enum class Transport { kPair, kUnix, kTcp };

inline void PrintTo(Transport transport, std::ostream* out) {
  *out << (transport == Transport::kPair ? "Pair" : transport == Transport::kUnix ? "Unix" : "Tcp");
}

// The handles of two connected bytestreams of this thread's runtime, for tests of the C calls. The
// buffers in between are small: a few kilobytes. Ends the process if the system gives none.
std::pair<int, int> ConnectedHandles(Transport transport);

// A handle of any bytestream.
int HandleOf(BytestreamPtr stream);

// Blocks until `bytes` that were sent to `s`, of a TCP connection, have arrived, all of which fit
// into its receive buffer: on a busy machine that may be later than the send has returned. Between
// other handles it does nothing, as bytes arrive at once. Ends the process if they do not come.
void AwaitArrival(int s, size_t bytes);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_HANDLES_H_
