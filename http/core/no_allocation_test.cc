// Heads are read, judged and written without a single allocation.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/base64.h"
#include "http/core/basic_auth.h"
#include "http/core/chunked.h"
#include "http/core/content.h"
#include "http/core/cookie.h"
#include "http/core/head_error.h"
#include "http/core/head_parser.h"
#include "http/core/head_serializer.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "http/core/upgrade.h"
#include "http/core/url.h"

namespace {

size_t allocation_count = 0;

}  // namespace

// Every other form of new and delete ends up in these.
void* operator new(size_t size) {
  ++allocation_count;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace halfpipe::http {
namespace {

constexpr absl::string_view kRequest =
    "\r\nGET http://h:1/chat?a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c, websocket\r\n"
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n\r\n";
constexpr absl::string_view kResponse =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

TEST(NoAllocationTest, TheCounterCounts) {
  const size_t before = allocation_count;
  int* volatile number = new int(1);
  delete number;
  EXPECT_GT(allocation_count, before);
}

TEST(NoAllocationTest, ReadAndJudgeARequestByteByByte) {
  const size_t before = allocation_count;
  RequestHeadParser parser;
  RequestHead head;
  ParseResult result;
  for (size_t size = 0; size <= kRequest.size(); ++size) {
    result = parser.Parse(kRequest.substr(0, size), &head);
  }
  RequestAddress address;
  const UpgradeError judged = JudgeUpgradeRequest(head, "websocket", &address);
  size_t members = 0;
  for (absl::string_view member : head.fields.Members("sec-websocket-protocol")) {
    members += member.size();
  }
  uint8_t key[16];
  const auto key_size =
      Base64Decode(head.fields.FindOnly("Sec-WebSocket-Key").value_or(""), absl::MakeSpan(key));
  const size_t after = allocation_count;

  EXPECT_EQ(after, before);
  EXPECT_EQ(result.status, ParseStatus::kDone);
  EXPECT_EQ(judged, UpgradeError::kNone);
  EXPECT_EQ(members, 3u);
  EXPECT_EQ(key_size, size_t{16});
}

TEST(NoAllocationTest, WriteReadAndJudgeAResponse) {
  const size_t before = allocation_count;
  char buffer[200];
  HeadSerializer out(absl::MakeSpan(buffer));
  out.WriteStatusLine(101, "Switching Protocols");
  out.WriteField("Upgrade", "websocket");
  out.WriteField("Connection", "Upgrade");
  const WriteStatus written = out.WriteEnd();
  ResponseHeadParser parser;
  ResponseHead head;
  const ParseResult result = parser.Parse(out.written(), &head);
  const UpgradeError judged = JudgeUpgradeResponse(head, "websocket");
  const uint8_t digest[20] = {};
  char encoded[28];
  const auto text = Base64Encode(digest, absl::MakeSpan(encoded));
  const size_t after = allocation_count;

  EXPECT_EQ(after, before);
  EXPECT_EQ(written, WriteStatus::kOk);
  EXPECT_EQ(out.written(), kResponse);
  EXPECT_EQ(result.status, ParseStatus::kDone);
  EXPECT_EQ(judged, UpgradeError::kNone);
  EXPECT_TRUE(text.has_value());
}

TEST(NoAllocationTest, RefuseAndParseAUrl) {
  const size_t before = allocation_count;
  RequestHeadParser parser;
  RequestHead head;
  const ParseResult refused = parser.Parse("GET / HTTP/1.1\r\n a\r\n", &head);
  const int status = HeadErrorStatus(refused.error);
  Url url;
  const UrlError error = ParseUrl("wss://[2001:db8::1]:8443/a?b", &url);
  const size_t after = allocation_count;

  EXPECT_EQ(after, before);
  EXPECT_EQ(status, 400);
  EXPECT_EQ(error, UrlError::kNone);
}

TEST(NoAllocationTest, CookiesTokensAndContent) {
  const HeaderList fields(
      "Cookie: a=1; b=2; c=3\r\nAuthorization: Bearer token\r\nContent-Length: 5\r\n");
  RequestHead head;
  head.fields = fields;
  const size_t before = allocation_count;
  const bool found = FindCookie(fields, "b") == "2" && !FindCookie(fields, "d").has_value();
  const bool token = BearerToken(fields) == "token";
  ContentFraming framing;
  const ContentError content = JudgeRequestContent(head, &framing);
  ChunkedReader reader;
  absl::string_view coded = "5;x=\"y\"\r\nhello\r\n0\r\nT: 1\r\n\r\n";
  ChunkedStep step;
  while (step.status != ChunkedStatus::kDone && step.status != ChunkedStatus::kInvalid) {
    step = reader.Read(coded);
    coded.remove_prefix(step.consumed);
  }
  EXPECT_EQ(allocation_count, before);
  EXPECT_TRUE(found);
  EXPECT_TRUE(token);
  EXPECT_EQ(content, ContentError::kNone);
  EXPECT_EQ(framing.length, 5u);
  EXPECT_EQ(step.status, ChunkedStatus::kDone);
}

TEST(NoAllocationTest, HeadOfAResponse) {
  const Response response = TextResponse(200, std::string(100, 'x'));
  char buffer[512];
  absl::string_view head;
  const size_t before = allocation_count;
  const ResponseError error =
      WriteResponseHead(response, Persistence::kClose, absl::MakeSpan(buffer), &head);
  EXPECT_EQ(allocation_count, before);
  EXPECT_EQ(error, ResponseError::kNone);
}

}  // namespace
}  // namespace halfpipe::http
