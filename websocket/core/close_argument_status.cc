#include "websocket/core/close_argument_status.h"

#include <cerrno>

#include "bytestream/base/errno_status.h"

namespace halfpipe::websocket {

absl::Status ToStatus(CloseArgument argument) {
  switch (argument) {
    case CloseArgument::kOk:
      break;
    case CloseArgument::kReasonTooLong:
      return ErrnoStatus(EMSGSIZE, "a Close's reason has at most 123 bytes");
    case CloseArgument::kBadCode:
      return ErrnoStatus(EINVAL, "not a close code that may be sent");
    case CloseArgument::kReasonWithoutCode:
      return ErrnoStatus(EINVAL, "a reason needs a close code");
    case CloseArgument::kReasonNotUtf8:
      return ErrnoStatus(EINVAL, "a Close's reason must be UTF-8");
  }
  return absl::OkStatus();
}

}  // namespace halfpipe::websocket
