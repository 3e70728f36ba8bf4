#ifndef HALFPIPE_WEBSOCKET_TESTING_TCP_PAIRS_H_
#define HALFPIPE_WEBSOCKET_TESTING_TCP_PAIRS_H_

#include <utility>

#include "bytestream/bytestream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe::websocket {

// Makes pairs of bytestreams that are connected by TCP, over the loopback address.
class TcpPairs {
 public:
  // `runtime` is borrowed and outlives the object.
  explicit TcpPairs(Runtime* runtime);

  // The connecting end and the accepting one. Waits.
  std::pair<BytestreamPtr, BytestreamPtr> Make();

 private:
  Runtime* const runtime_;
  IpAddress address_;
  Listener listener_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_TCP_PAIRS_H_
