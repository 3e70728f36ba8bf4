#ifndef HALFPIPE_WEBSOCKET_TESTING_PLAY_H_
#define HALFPIPE_WEBSOCKET_TESTING_PLAY_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe::websocket {

// Makes two connected bytestreams.
using Connect = std::function<std::pair<BytestreamPtr, BytestreamPtr>()>;

// Runs `endpoint` at one end of what `connect` makes. At the other one is a peer of two coroutines:
// one writes `pieces`, yielding after each, and ends the stream; the other reads to the end.
// Returns what it has read, which is all the endpoint has sent if that waits for the peer's end of
// stream before it closes: else TCP may take it away.
std::string PlayAgainst(Runtime* runtime, const Connect& connect,
                        const std::vector<std::string>& pieces,
                        absl::FunctionRef<void(BytestreamPtr)> endpoint);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_PLAY_H_
