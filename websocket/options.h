#ifndef HALFPIPE_WEBSOCKET_OPTIONS_H_
#define HALFPIPE_WEBSOCKET_OPTIONS_H_

#include <cstdint>

#include "bytestream/base/entropy.h"
#include "websocket/core/frame_header.h"
#include "websocket/core/role.h"

namespace halfpipe::websocket {

// Every limit and policy of a connection, with its default and the reason for it. Sizes are bytes.
struct Options {
  // Ours. A client masks what it sends, a server wants everything masked (RFC 6455 section 5.1).
  Role role = Role::kServer;

  // The largest message that is received, over all its fragments. A larger one is refused with 1009
  // as soon as a header announces it. 16 MiB holds what people send by hand and bounds what a peer
  // can make ReceiveView() keep.
  uint64_t message_bytes_max = uint64_t{16} << 20;

  // The largest frame that is received; the message bound is what counts, so none by default.
  uint64_t frame_bytes_max = kMaxFramePayload;

  // A longer message is sent as several frames of this size, so that pongs can go between (RFC 6455
  // section 5.4). At least 1.
  uint64_t send_frame_bytes_max = uint64_t{1} << 20;

  // Answer the peer's Close at once, as RFC 6455 section 5.5.1 asks. If false our outbound half
  // stays open until Done(), Detach() or the end of the object: a true half-close.
  bool answer_close = true;

  // Small replies may leave together while further messages are already buffered: those sent by the
  // coroutine that receives. They leave at the latest when it has to wait.
  bool gather = true;

  // The type that SendMessage() sends and ReceiveMessage() accepts.
  bool text_messages = false;

  // Where masking keys come from; outlives the connection.
  Entropy* entropy = &Entropy::System();
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_OPTIONS_H_
