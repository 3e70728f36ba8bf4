#ifndef HALFPIPE_WEBSOCKET_UPGRADE_TEST_SUPPORT_H_
#define HALFPIPE_WEBSOCKET_UPGRADE_TEST_SUPPORT_H_

// What tests of the opening handshake say and hear.

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {

// The key of RFC 6455 section 1.3, and what belongs to it.
inline constexpr absl::string_view kNonce = "the sample nonce";
inline constexpr absl::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
inline constexpr absl::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

class FixedEntropy final : public Entropy {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    ASSERT_EQ(out.size(), kNonce.size());
    std::copy(kNonce.begin(), kNonce.end(), out.begin());
  }
};

// What a client with that key asks for /chat?x=1 of example.org, with more fields, each with its
// CRLF.
inline std::string Request(absl::string_view extra = "") {
  return absl::StrCat(
      "GET /chat?x=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: ",
      kKey, "\r\nSec-WebSocket-Version: 13\r\n", extra, "\r\n");
}

// The answer to it.
inline std::string Answer(absl::string_view extra = "") {
  return absl::StrCat(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ",
      kAccept, "\r\n", extra, "\r\n");
}

inline std::string Without(std::string request, absl::string_view line) {
  const size_t at = request.find(std::string(line));
  EXPECT_NE(at, std::string::npos) << line;
  return request.erase(at, line.size());
}

inline std::string Replaced(std::string request, absl::string_view from, absl::string_view to) {
  const size_t at = request.find(std::string(from));
  EXPECT_NE(at, std::string::npos) << from;
  return request.replace(at, from.size(), std::string(to));
}

inline std::string ReadToEnd(Bytestream* stream) {
  std::string text;
  for (;;) {
    auto bytes = stream->Peek(1, Deadline::Never());
    EXPECT_THAT(bytes, IsOk());
    if (!bytes.ok() || bytes->empty()) return text;
    absl::StrAppend(&text, AsChars(*bytes));
    stream->Consume(bytes->size());
  }
}

inline std::string Buffered(Bytestream* stream) {
  auto bytes = stream->Peek(0, Deadline::Never());
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? std::string(AsChars(*bytes)) : "";
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_UPGRADE_TEST_SUPPORT_H_
