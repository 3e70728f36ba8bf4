#include "websocket/handshake/server_handshake.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/handshake/client_handshake.h"

namespace halfpipe::websocket {
namespace {

const char kRequest[] =
    "GET /chat HTTP/1.1\r\n"
    "Host: server.example.com\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "\r\n";

// The request with `line` (without its CRLF) put in place of the one that is there; an empty `line`
// takes it out.
std::string With(absl::string_view there, absl::string_view line) {
  std::string request = kRequest;
  const std::string old_line = absl::StrCat(there, "\r\n");
  const size_t place = request.find(old_line);
  EXPECT_NE(place, std::string::npos) << old_line;
  return request.replace(place, old_line.size(),
                         line.empty() ? std::string() : absl::StrCat(line, "\r\n"));
}

// The request with further lines.
std::string Plus(absl::string_view lines) {
  return absl::StrReplaceAll(kRequest, {{"\r\n\r\n", absl::StrCat("\r\n", lines, "\r\n\r\n")}});
}

struct Judged {
  int status = 0;
  std::string what, resource, host, key, subprotocol;
};

Judged Judge(const std::string& text, absl::Span<const absl::string_view> supported = {}) {
  http::RequestHeadParser parser;
  http::RequestHead head;
  EXPECT_EQ(parser.Parse(text, &head).status, http::ParseStatus::kDone) << text;
  const ServerJudgement j = JudgeClientRequest(head, supported);
  EXPECT_EQ(j.accepted(), j.status == 101);
  return {j.status,
          std::string(j.what),
          std::string(j.address.resource),
          std::string(j.address.host),
          std::string(j.key),
          std::string(j.subprotocol)};
}

TEST(JudgeClientRequestTest, ACorrectRequestIsAccepted) {
  const Judged judged = Judge(kRequest);
  EXPECT_EQ(judged.status, 101);
  EXPECT_EQ(judged.what, "");
  EXPECT_EQ(judged.resource, "/chat");
  EXPECT_EQ(judged.host, "server.example.com");
  EXPECT_EQ(judged.key, "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(judged.subprotocol, "");
}

// Browsers send "keep-alive, Upgrade": Connection is a list.
// Fails if JudgeClientRequest() wants fields.FindOnly("Connection") to equal "Upgrade".
TEST(JudgeClientRequestTest, ConnectionIsAList) {
  for (const char* line :
       {"Connection: keep-alive, Upgrade", "Connection: upgrade , keep-alive",
        "connection:keep-alive,UPGRADE", "Connection: a\r\nConnection: Upgrade"}) {
    EXPECT_EQ(Judge(With("Connection: Upgrade", line)).status, 101) << line;
  }
}

// Cookies and tokens are longer than 255 bytes, and none of a handshake's business.
// Fails if JudgeClientRequest() refuses a head that has a field value over 255 bytes.
TEST(JudgeClientRequestTest, LongFieldValuesDoNoHarm) {
  for (size_t size : {254, 255, 256, 257, 1000, 1023, 1024, 4000}) {
    EXPECT_EQ(Judge(Plus(absl::StrCat("Cookie: ", std::string(size, 'c')))).status, 101) << size;
  }
}

// Fails if JudgeUpgradeRequest() lets pass kVersionTooOld or kMissingHost.
TEST(JudgeClientRequestTest, Http10AndAMissingHostAreRefused) {
  const Judged old = Judge(With("GET /chat HTTP/1.1", "GET /chat HTTP/1.0"));
  EXPECT_EQ(old.status, 505);
  EXPECT_EQ(old.what, "an upgrade needs HTTP/1.1");
  const Judged no_host = Judge(With("Host: server.example.com", ""));
  EXPECT_EQ(no_host.status, 400);
  EXPECT_EQ(no_host.what, "request has no Host field");
}

// A key byte above 0x7F is refused with an answer.
// Fails if JudgeClientRequest() drops IsValidKey().
TEST(JudgeClientRequestTest, BytesAbove7fInAKeyAreRefused) {
  const Judged judged = Judge(With("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                                   "Sec-WebSocket-Key: dGhlIHNhbXBs\xff\x80"
                                   "Bub25jZQ=="));
  EXPECT_EQ(judged.status, 400);
  EXPECT_EQ(judged.what, "Sec-WebSocket-Key is not 16 bytes in base64");
}

TEST(JudgeClientRequestTest, EachBreachHasItsStatus) {
  const std::string kKeyLine = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const std::string kVersionLine = "Sec-WebSocket-Version: 13";
  const struct {
    std::string request;
    int status;
    const char* what;
  } kCases[] = {
      {With("GET /chat HTTP/1.1", "POST /chat HTTP/1.1"), 405, "method is not GET"},
      {With("GET /chat HTTP/1.1", "get /chat HTTP/1.1"), 405, "method is not GET"},
      {With("GET /chat HTTP/1.1", "CONNECT a:1 HTTP/1.1"), 405, "method is not GET"},
      {With("GET /chat HTTP/1.1", "GET chat HTTP/1.1"), 400,
       "request-target is not a path or an absolute URL with a path"},
      {Plus("Host: again"), 400, "request has more than one Host field"},
      {With("Host: server.example.com", "Host: a b"), 400,
       "Host field is not a host and an optional port"},
      {With("Upgrade: websocket", ""), 426, "no Upgrade field"},
      {With("Upgrade: websocket", "Upgrade: h2c"), 426, "Upgrade field is for another protocol"},
      {With("Connection: Upgrade", ""), 400, "Connection field does not name upgrade"},
      {With("Connection: Upgrade", "Connection: close"), 400,
       "Connection field does not name upgrade"},
      {Plus("Content-Length: 5"), 400, "upgrade with content"},
      {Plus("Transfer-Encoding: chunked"), 400, "upgrade with content"},
      {With(kVersionLine, ""), 426, "Sec-WebSocket-Version is not 13"},
      {With(kVersionLine, "Sec-WebSocket-Version: 8"), 426, "Sec-WebSocket-Version is not 13"},
      {With(kVersionLine, "Sec-WebSocket-Version: 013"), 426, "Sec-WebSocket-Version is not 13"},
      {Plus(kVersionLine), 400, "request has several Sec-WebSocket-Version"},
      {With(kKeyLine, ""), 400, "request has no single Sec-WebSocket-Key"},
      {Plus(kKeyLine), 400, "request has no single Sec-WebSocket-Key"},
      {With(kKeyLine, "Sec-WebSocket-Key: c2hvcnQ="), 400,
       "Sec-WebSocket-Key is not 16 bytes in base64"},
      {Plus("Sec-WebSocket-Protocol: a, a"), 400, "Sec-WebSocket-Protocol is malformed"},
      {Plus("Sec-WebSocket-Protocol:"), 400, "Sec-WebSocket-Protocol is malformed"},
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426, "no Upgrade field"},
  };
  for (const auto& c : kCases) {
    const Judged judged = Judge(c.request);
    EXPECT_EQ(judged.status, c.status) << c.request;
    EXPECT_EQ(judged.what, c.what) << c.request;
  }
}

TEST(JudgeClientRequestTest, SubprotocolAndUnknownExtensions) {
  const std::string request =
      Plus("Sec-WebSocket-Protocol: mqtt, chat\r\nSec-WebSocket-Extensions: x-own; a=\"b\"");
  EXPECT_EQ(Judge(request, {"chat", "mqtt"}).subprotocol, "mqtt");
  EXPECT_EQ(Judge(request, {"chat"}).subprotocol, "chat");
  EXPECT_EQ(Judge(request, {"other"}).subprotocol, "");
  EXPECT_EQ(Judge(request, {"other"}).status, 101);
}

TEST(JudgeClientRequestTest, CompressionIsChosenByThePolicy) {
  const auto judge = [](const std::string& text, const DeflatePolicy* policy) {
    http::RequestHeadParser parser;
    http::RequestHead head;
    EXPECT_EQ(parser.Parse(text, &head).status, http::ParseStatus::kDone);
    const ServerJudgement judgement = JudgeClientRequest(head, {}, policy);
    if (!judgement.accepted()) return absl::StrCat(judgement.status);
    return judgement.deflate.verdict == DeflateVerdict::kAgreed
               ? WriteDeflateAnswer(judgement.deflate)
               : std::string("none");
  };
  const DeflatePolicy any;
  const DeflatePolicy small = {.server_max_window_bits = 9, .client_max_window_bits = 10};
  const std::string offer = Plus(
      "Sec-WebSocket-Extensions: permessage-deflate; unknown\r\n"
      "sec-websocket-extensions: permessage-deflate; client_max_window_bits");
  EXPECT_EQ(judge(offer, &any), "permessage-deflate");
  EXPECT_EQ(judge(offer, &small),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10");
  EXPECT_EQ(judge(offer, nullptr), "none");
  EXPECT_EQ(judge(Plus("X: y"), &any), "none");
  // A malformed list is refused whether it is of interest or not (RFC 6455 section 9.1).
  for (const char* bad : {"", "a;", "a;b=\"c d\"", "a;b=\"c,d\"", "a b", ";"}) {
    const std::string request = Plus(absl::StrCat("Sec-WebSocket-Extensions: ", bad));
    EXPECT_EQ(judge(request, &any), "400") << bad;
    EXPECT_EQ(judge(request, nullptr), "400") << bad;
  }
  std::string many;
  for (int i = 0; i < 17; ++i) many += "Sec-WebSocket-Extensions: a\r\n";
  EXPECT_EQ(judge(Plus(many + "X: y"), &any), "400");
}

TEST(WriteAcceptanceTest, CarriesTheExtension) {
  char buffer[512];
  EXPECT_EQ(WriteAcceptance("dGhlIHNhbXBsZSBub25jZQ==", "chat", {}, absl::MakeSpan(buffer),
                            "permessage-deflate; server_max_window_bits=9"),
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Protocol: chat\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
            "\r\n");
}

// ---- The answer --------------------------------------------------------------------------------

TEST(WriteAcceptanceTest, IsWhatTheRfcAsksFor) {
  char buffer[256];
  EXPECT_EQ(WriteAcceptance("dGhlIHNhbXBsZSBub25jZQ==", "", {}, absl::MakeSpan(buffer)),
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "\r\n");
}

// What our server writes our client accepts, whatever was chosen.
TEST(WriteAcceptanceTest, ItsOwnClientAccepts) {
  const absl::string_view offered[] = {"mqtt", "chat"};
  for (absl::string_view chosen : {"", "mqtt", "chat"}) {
    char buffer[512];
    const http::Field fields[] = {{"Server", "test"}};
    const std::string answer(
        WriteAcceptance("dGhlIHNhbXBsZSBub25jZQ==", chosen, fields, absl::MakeSpan(buffer)));
    http::ResponseHeadParser parser;
    http::ResponseHead head;
    ASSERT_EQ(parser.Parse(answer, &head).status, http::ParseStatus::kDone);
    const ClientJudgement judgement =
        JudgeServerResponse(head, "dGhlIHNhbXBsZSBub25jZQ==", offered);
    EXPECT_EQ(judgement.verdict, ClientVerdict::kAccepted) << judgement.what;
    EXPECT_EQ(judgement.subprotocol, chosen);
    EXPECT_EQ(head.fields.Find("Server"), absl::string_view("test"));
  }
}

TEST(WriteAcceptanceTest, InjectionAndLackOfSpaceGiveNothing) {
  char buffer[512];
  const http::Field evil[] = {{"Server", "x\r\nSet-Cookie: y"}};
  EXPECT_EQ(WriteAcceptance("k", "", evil, absl::MakeSpan(buffer)), "");
  EXPECT_EQ(WriteAcceptance("k", "a\r\nb", {}, absl::MakeSpan(buffer)), "");
  const size_t size = WriteAcceptance("k", "", {}, absl::MakeSpan(buffer)).size();
  EXPECT_EQ(WriteAcceptance("k", "", {}, absl::MakeSpan(buffer, size)).size(), size);
  EXPECT_EQ(WriteAcceptance("k", "", {}, absl::MakeSpan(buffer, size - 1)), "");
}

TEST(WriteAcceptanceTest, FieldsOfTheHandshakeAreNotTheCallers) {
  char buffer[512];
  for (const char* name : {"Upgrade", "connection", "Content-Length", "Transfer-Encoding",
                           "Sec-WebSocket-Accept", "sec-websocket-extensions"}) {
    const http::Field fields[] = {{name, "1"}};
    EXPECT_EQ(WriteAcceptance("k", "", fields, absl::MakeSpan(buffer)), "") << name;
  }
}

TEST(CompleteRefusalTest, NamesTheMethodsThereAre) {
  http::Response response = {.status = 405};
  CompleteRefusal(&response, "GET, HEAD");
  ASSERT_EQ(response.fields.size(), 1u);
  EXPECT_EQ(response.fields[0], (http::OwnedField{"Allow", "GET, HEAD"}));
}

TEST(CompleteRefusalTest, AddsWhatTheStatusAsksForAndIsNotThere) {
  http::Response response = {.status = 405};
  CompleteRefusal(&response);
  EXPECT_EQ(response.fields, (std::vector<http::OwnedField>{{"Allow", "GET"}}));
  response.fields = {{"allow", "POST"}};
  CompleteRefusal(&response);
  EXPECT_EQ(response.fields, (std::vector<http::OwnedField>{{"allow", "POST"}}));
  response = {.status = 426};
  CompleteRefusal(&response);
  EXPECT_EQ(response.fields, (std::vector<http::OwnedField>{{"Sec-WebSocket-Version", "13"}}));
  CompleteRefusal(&response);
  EXPECT_EQ(response.fields.size(), 1u);
  response = {.status = 403};
  CompleteRefusal(&response);
  EXPECT_TRUE(response.fields.empty());
}

TEST(WriteRefusalTest, SaysWhatTheStatusAsksFor) {
  char buffer[256];
  EXPECT_EQ(WriteRefusal(400, absl::MakeSpan(buffer)),
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(WriteRefusal(405, absl::MakeSpan(buffer)),
            "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n"
            "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(WriteRefusal(405, absl::MakeSpan(buffer),
                         {.allow = "GET, HEAD", .date = "Sun, 06 Nov 1994 08:49:37 GMT"}),
            "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Allow: GET, HEAD\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(WriteRefusal(426, absl::MakeSpan(buffer)),
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Connection: Upgrade, close\r\nContent-Length: 0\r\n\r\n");
}

// Every status this stack answers with has a reason, and fits 256 bytes; our client takes it as
// a refusal.
TEST(WriteRefusalTest, EveryStatusIsAWellFormedRefusal) {
  for (int status :
       {400, 403, 404, 405, 408, 413, 414, 418, 421, 426, 431, 500, 501, 503, 505, 511}) {
    char buffer[256];
    const std::string answer(
        WriteRefusal(status, absl::MakeSpan(buffer),
                     {.allow = "GET, HEAD, OPTIONS", .date = "Sun, 06 Nov 1994 08:49:37 GMT"}));
    http::ResponseHeadParser parser;
    http::ResponseHead head;
    ASSERT_EQ(parser.Parse(answer, &head).status, http::ParseStatus::kDone) << status;
    EXPECT_EQ(head.status, status);
    EXPECT_EQ(head.reason.empty(), status == 418);
    EXPECT_EQ(JudgeServerResponse(head, "", {}).verdict, ClientVerdict::kRefused);
  }
  char small[20];
  EXPECT_EQ(WriteRefusal(400, absl::MakeSpan(small)), "");
}

}  // namespace
}  // namespace halfpipe::websocket
