#include "websocket/core/close_code.h"

#include <cstring>

#include "bytestream/base/check.h"
#include "websocket/core/utf8.h"

namespace halfpipe::websocket {

bool ParseClosePayload(absl::Span<const uint8_t> payload, ClosePayload* close,
                       ProtocolError* error) {
  if (payload.empty()) {
    *close = ClosePayload();
    return true;
  }
  if (payload.size() == 1) {
    *error = {kCloseProtocolError, "close frame with a payload of one byte"};
    return false;
  }
  const uint16_t code = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
  if (!IsWireCloseCode(code)) {
    *error = {kCloseProtocolError, "close code that may not be sent"};
    return false;
  }
  const absl::string_view reason(reinterpret_cast<const char*>(payload.data()) + 2,
                                 payload.size() - 2);
  if (!IsUtf8(reason)) {
    *error = {kCloseBadPayload, "close reason is not UTF-8"};
    return false;
  }
  *close = {code, reason};
  return true;
}

CloseArgument CheckCloseArguments(int code, absl::string_view reason) {
  if (code != 0 && (code < 0 || !IsWireCloseCode(static_cast<unsigned>(code)))) {
    return CloseArgument::kBadCode;
  }
  if (code == 0 && !reason.empty()) return CloseArgument::kReasonWithoutCode;
  if (reason.size() > kMaxCloseReason) return CloseArgument::kReasonTooLong;
  if (!IsUtf8(reason)) return CloseArgument::kReasonNotUtf8;
  return CloseArgument::kOk;
}

size_t SerializeClosePayload(uint16_t code, absl::string_view reason, absl::Span<uint8_t> out) {
  HALFPIPE_CHECK(reason.size() <= kMaxCloseReason);
  if (code == 0) return 0;
  HALFPIPE_CHECK(out.size() >= 2 + reason.size());
  out[0] = static_cast<uint8_t>(code >> 8);
  out[1] = static_cast<uint8_t>(code);
  if (!reason.empty()) std::memcpy(out.data() + 2, reason.data(), reason.size());
  return 2 + reason.size();
}

}  // namespace halfpipe::websocket
