#include "websocket/core/protocol_error_status.h"

#include <cerrno>
#include <optional>

#include "absl/status/status.h"
#include "bytestream/base/errno_status.h"
#include "gtest/gtest.h"
#include "websocket/core/protocol_error.h"

namespace halfpipe::websocket {
namespace {

TEST(ProtocolErrorStatusTest, KeepsErrnoTextAndCloseCode) {
  const absl::Status status = ToStatus({1009, "message exceeds message_bytes_max"});
  EXPECT_EQ(StatusErrno(status), EPROTO);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(status.message(), "message exceeds message_bytes_max");
  EXPECT_EQ(CloseCodeOf(status), std::optional<uint16_t>(1009));
}

TEST(ProtocolErrorStatusTest, OtherStatusesHaveNoCloseCode) {
  EXPECT_EQ(CloseCodeOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(CloseCodeOf(ErrnoStatus(EPROTO, "something else")), std::nullopt);
}

}  // namespace
}  // namespace halfpipe::websocket
