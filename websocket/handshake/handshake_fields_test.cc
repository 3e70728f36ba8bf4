#include "websocket/handshake/handshake_fields.h"

#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

TEST(HandshakeFieldsTest, WholeNamesWithoutRegardToCase) {
  for (const char* own :
       {"Upgrade", "uPGRADE", "Connection", "content-length", "TRANSFER-ENCODING", "te",
        "Keep-Alive", "trailer", "Expect", "Sec-WebSocket-Key", "sec-websocket-anything"}) {
    EXPECT_TRUE(IsHandshakeField(own)) << own;
  }
  for (const char* other : {"", "Upgrad", "Upgrades", "Content-Type", "TEX", "Expectations",
                            "Sec-WebSocket", "X-Sec-WebSocket-Key", "Origin", "Cookie", "Date"}) {
    EXPECT_FALSE(IsHandshakeField(other)) << other;
  }
}

}  // namespace
}  // namespace halfpipe::websocket
