#include "websocket/testing/conformance/handshake_case.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace halfpipe::websocket::conformance {
namespace {

std::string BytesOf(const Head& head, absl::string_view start_line,
                    const std::vector<std::string>& fields) {
  if (!head.raw.empty()) return head.raw + head.behind;
  std::string bytes = absl::StrCat(head.start_line.empty() ? start_line : head.start_line, "\r\n");
  for (const std::string& field : fields) {
    const std::string name = field.substr(0, field.find(':'));
    if (std::count(head.without.begin(), head.without.end(), name) > 0) continue;
    absl::StrAppend(&bytes, field, "\r\n");
  }
  for (const std::string& field : head.with) absl::StrAppend(&bytes, field, "\r\n");
  return absl::StrCat(bytes, "\r\n", head.behind);
}

}  // namespace

std::string RequestBytes(const Head& head) {
  return BytesOf(head, "GET /chat HTTP/1.1",
                 {"Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"});
}

std::string AnswerBytes(const Head& head) {
  return BytesOf(head, "HTTP/1.1 101 Switching Protocols",
                 {"Upgrade: websocket", "Connection: Upgrade",
                  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="});
}

}  // namespace halfpipe::websocket::conformance
