#ifndef HALFPIPE_WEBSOCKET_CORE_CLOSE_ARGUMENT_STATUS_H_
#define HALFPIPE_WEBSOCKET_CORE_CLOSE_ARGUMENT_STATUS_H_

#include "absl/status/status.h"
#include "websocket/core/close_code.h"

namespace halfpipe::websocket {

// What CheckCloseArguments() has found, for the caller who wanted to send that: EMSGSIZE for a reason
// that is too long, EINVAL for everything else that is wrong, with a text that says what.
//
// Example:
//   absl::Status status = ToStatus(CheckCloseArguments(code, reason));
absl::Status ToStatus(CloseArgument argument);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_CLOSE_ARGUMENT_STATUS_H_
