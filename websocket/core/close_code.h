#ifndef HALFPIPE_WEBSOCKET_CORE_CLOSE_CODE_H_
#define HALFPIPE_WEBSOCKET_CORE_CLOSE_CODE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "websocket/core/protocol_error.h"

namespace halfpipe::websocket {

// The codes that this library gives a meaning to (RFC 6455 section 7.4.1).
inline constexpr uint16_t kCloseNormal = 1000;
inline constexpr uint16_t kCloseGoingAway = 1001;
inline constexpr uint16_t kCloseProtocolError = 1002;
inline constexpr uint16_t kCloseUnsupportedData = 1003;
inline constexpr uint16_t kCloseNoStatus = 1005;    // Local only: the Close carried no code.
inline constexpr uint16_t kCloseAbnormal = 1006;    // Local only: there was no Close.
inline constexpr uint16_t kCloseBadPayload = 1007;  // Text that is not UTF-8.
inline constexpr uint16_t kClosePolicyViolation = 1008;
inline constexpr uint16_t kCloseTooBig = 1009;
inline constexpr uint16_t kCloseInternalError = 1011;

// Bytes in the payload of a control frame, and in a Close's reason: the code takes two.
inline constexpr size_t kMaxControlPayload = 125;
inline constexpr size_t kMaxCloseReason = 123;

// True for codes that may stand in a Close frame: 1000..1003, 1007..1014, 3000..4999. The same set
// holds for what we send and for what a peer may send us.
constexpr bool IsWireCloseCode(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

// What a Close frame said.
struct ClosePayload {
  uint16_t code = kCloseNoStatus;  // 1005 where the payload was empty.
  absl::string_view reason;        // UTF-8, at most 123 bytes, a view into what was parsed.
};

// Reads the unmasked payload of a Close frame, 0..125 bytes (RFC 6455 section 5.5.1). True and
// *close is set, or false and *error is: 1002 for a single byte or a code that is not for the wire,
// 1007 for a reason that is not UTF-8. The other one is left alone.
[[nodiscard]] bool ParseClosePayload(absl::Span<const uint8_t> payload, ClosePayload* close,
                                     ProtocolError* error);

// Why a Close cannot be sent.
enum class CloseArgument : uint8_t {
  kOk,
  kBadCode,            // Neither 0 nor for the wire.
  kReasonWithoutCode,  // A reason needs a code in front of it.
  kReasonTooLong,      // Over 123 bytes.
  kReasonNotUtf8,
};

// Judges what a caller wants to send. `code` 0 means a Close without a payload. A too long reason
// is told before an ill-formed one, a bad code before everything else.
CloseArgument CheckCloseArguments(int code, absl::string_view reason);

// Writes the payload of a Close frame, not masked, to `out` (at least 2 + reason.size() bytes, or
// none for code 0) and returns its size, 0..125. Only for what CheckCloseArguments() calls kOk.
size_t SerializeClosePayload(uint16_t code, absl::string_view reason, absl::Span<uint8_t> out);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CORE_CLOSE_CODE_H_
