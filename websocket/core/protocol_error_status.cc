#include "websocket/core/protocol_error_status.h"

#include <cerrno>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe::websocket {
namespace {

constexpr char kCloseCodeUrl[] = "halfpipe/close_code";

}  // namespace

absl::Status ToStatus(const ProtocolError& error) {
  absl::Status status = ErrnoStatus(EPROTO, error.what);
  status.SetPayload(kCloseCodeUrl, absl::Cord(absl::StrCat(error.close_code)));
  return status;
}

std::optional<uint16_t> CloseCodeOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kCloseCodeUrl);
  uint32_t code = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &code)) return std::nullopt;
  return static_cast<uint16_t>(code);
}

}  // namespace halfpipe::websocket
