#ifndef HALFPIPE_WEBSOCKET_CORE_PROTOCOL_ERROR_STATUS_H_
#define HALFPIPE_WEBSOCKET_CORE_PROTOCOL_ERROR_STATUS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "websocket/core/protocol_error.h"

namespace halfpipe::websocket {

// An EPROTO status (bytestream/base/errno_status.h) with the text of `error`, its close code as a
// further payload. Allocates: for the end of a connection, not for its data path.
//
// Example:
//   return ToStatus({1002, "reserved opcode"});
absl::Status ToStatus(const ProtocolError& error);

// The close code that ToStatus() put into `status`, or nothing.
std::optional<uint16_t> CloseCodeOf(const absl::Status& status);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_PROTOCOL_ERROR_STATUS_H_
