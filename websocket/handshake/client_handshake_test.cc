#include "websocket/handshake/client_handshake.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/core/message.h"
#include "websocket/deflate/deflate_params.h"

namespace halfpipe::websocket {
namespace {

constexpr char kKey[] = "dGhlIHNhbXBsZSBub25jZQ==";

std::string Write(const ClientRequest& request, ClientRequestError expected) {
  char buffer[1024];
  absl::string_view head = "untouched";
  EXPECT_EQ(WriteClientRequest(request, absl::MakeSpan(buffer), &head), expected)
      << ClientRequestErrorText(expected);
  return std::string(head);
}

TEST(ClientRequestTest, IsWhatTheRfcAsksFor) {
  EXPECT_EQ(Write({.target = "/chat?x=1", .host = "server.example.com:8080", .key = kKey},
                  ClientRequestError::kNone),
            "GET /chat?x=1 HTTP/1.1\r\n"
            "Host: server.example.com:8080\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "\r\n");
}

TEST(ClientRequestTest, OffersSubprotocolsAndCarriesFields) {
  const absl::string_view subprotocols[] = {"v2.chat", "chat"};
  const http::Field fields[] = {{"Origin", "http://example.com"}, {"Authorization", "Basic eDp5"}};
  const std::string head = Write(
      {.host = "example.com", .key = kKey, .subprotocols = subprotocols, .extra_fields = fields},
      ClientRequestError::kNone);
  http::RequestHeadParser parser;
  http::RequestHead parsed;
  ASSERT_EQ(parser.Parse(head, &parsed).status, http::ParseStatus::kDone);
  EXPECT_EQ(parsed.target, "/");
  EXPECT_EQ(parsed.fields.Find("Origin"), absl::string_view("http://example.com"));
  EXPECT_EQ(parsed.fields.Find("Authorization"), absl::string_view("Basic eDp5"));
  std::vector<std::string> offered;
  for (absl::string_view name : parsed.fields.Members("Sec-WebSocket-Protocol")) {
    offered.push_back(std::string(name));
  }
  EXPECT_EQ(offered, (std::vector<std::string>{"v2.chat", "chat"}));
}

TEST(ClientRequestTest, OffersCompression) {
  const DeflateOffer offers[] = {{.server_no_context_takeover = true, .server_max_window_bits = 10},
                                 {}};
  const std::string head = Write({.host = "example.com", .key = kKey, .deflate_offers = offers},
                                 ClientRequestError::kNone);
  EXPECT_NE(head.find("\r\nSec-WebSocket-Extensions: permessage-deflate; "
                      "server_no_context_takeover; server_max_window_bits=10; "
                      "client_max_window_bits, permessage-deflate; client_max_window_bits\r\n"),
            std::string::npos)
      << head;
  for (const uint8_t bits : {1, 7, 16}) {
    for (const DeflateOffer& bad : {DeflateOffer{.server_max_window_bits = bits},
                                    DeflateOffer{.client_max_window_bits = bits}}) {
      Write({.host = "example.com", .key = kKey, .deflate_offers = {&bad, 1}},
            ClientRequestError::kBadDeflateOffer);
    }
  }
}

TEST(ClientRequestTest, CarriesOriginCookiesAndCredentials) {
  const http::Cookie cookies[] = {{"a", "1"}, {"b", "2"}};
  const http::Field fields[] = {{"X", "y"}};
  EXPECT_EQ(Write({.host = "h",
                   .key = kKey,
                   .origin = "https://example.org",
                   .cookies = cookies,
                   .basic = http::BasicCredentials{"Aladdin", "open sesame"},
                   .extra_fields = fields},
                  ClientRequestError::kNone),
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Origin: https://example.org\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
            "Cookie: a=1; b=2\r\nX: y\r\n\r\n");
  const std::string head = Write({.host = "h", .key = kKey, .origin = "null", .bearer = "abc.d=="},
                                 ClientRequestError::kNone);
  EXPECT_NE(head.find("\r\nOrigin: null\r\nAuthorization: Bearer abc.d==\r\n\r\n"),
            std::string::npos)
      << head;
}

TEST(ClientRequestTest, WhatMayNotBeSaidIsRefused) {
  for (const char* origin :
       {"example.org", "https://example.org/", "https://a https://b", "NULL",
        "https://a\r\nEvil: 1", "https://Example.org", "https://example.org:443"}) {
    Write({.host = "h", .key = kKey, .origin = origin}, ClientRequestError::kBadOrigin);
  }
  for (const http::Cookie& cookie : {http::Cookie{"a b", "1"}, http::Cookie{"", "1"},
                                     http::Cookie{"a", "1;2"}, http::Cookie{"a", "1\r\nEvil: 1"}}) {
    Write({.host = "h", .key = kKey, .cookies = {&cookie, 1}}, ClientRequestError::kBadCookie);
  }
  for (const http::BasicCredentials& basic :
       {http::BasicCredentials{"a:b", "p"}, http::BasicCredentials{"a\r\nEvil: 1", "p"},
        http::BasicCredentials{"a", "p\n"}}) {
    Write({.host = "h", .key = kKey, .basic = basic}, ClientRequestError::kBadCredentials);
  }
  for (const char* bearer : {"a b", "=", "a\r\nEvil: 1"}) {
    Write({.host = "h", .key = kKey, .bearer = bearer}, ClientRequestError::kBadCredentials);
  }
  Write({.host = "h", .key = kKey, .basic = http::BasicCredentials{"u", "p"}, .bearer = "t"},
        ClientRequestError::kBadCredentials);
}

// Two of what a request has once, from the options, from the fields or from both.
TEST(ClientRequestTest, NothingIsSaidTwice) {
  const http::Cookie cookies[] = {{"a", "1"}};
  const http::Field fields[] = {{"origin", "https://b"}, {"COOKIE", "c=d"}, {"Authorization", "x"}};
  Write({.host = "h", .key = kKey, .extra_fields = fields}, ClientRequestError::kNone);
  Write({.host = "h", .key = kKey, .origin = "https://a", .extra_fields = fields},
        ClientRequestError::kBadField);
  Write({.host = "h", .key = kKey, .cookies = cookies, .extra_fields = fields},
        ClientRequestError::kBadField);
  Write(
      {.host = "h", .key = kKey, .basic = http::BasicCredentials{"u", "p"}, .extra_fields = fields},
      ClientRequestError::kBadField);
  Write({.host = "h", .key = kKey, .bearer = "t", .extra_fields = fields},
        ClientRequestError::kBadField);
  for (const char* name : {"Origin", "cookie", "AUTHORIZATION"}) {
    const http::Field twice[] = {{name, "a"}, {name, "a"}};
    Write({.host = "h", .key = kKey, .extra_fields = twice}, ClientRequestError::kBadField);
  }
}

// Nothing that is passed in can end its line and begin another.
// Fails if CheckRequest() drops its look at target, host, subprotocols and fields, and the result
// of WriteEnd() is ignored.
TEST(ClientRequestTest, InjectionIsRefused) {
  for (const std::string& evil :
       {std::string("\r\nX: y"), std::string("\n"), std::string("\r"), std::string("\0", 1)}) {
    const std::string target = "/" + evil;
    const std::string host = "example.com" + evil;
    const std::string key = kKey + evil;
    const std::string word = "chat" + evil;
    const absl::string_view subprotocols[] = {word};
    const http::Field bad_value[] = {{"Origin", word}};
    const http::Field bad_name[] = {{word, "x"}};
    EXPECT_EQ(Write({.target = target, .host = "h", .key = kKey}, ClientRequestError::kBadTarget),
              "untouched");
    Write({.host = host, .key = kKey}, ClientRequestError::kBadHost);
    Write({.host = "h", .key = key}, ClientRequestError::kBadKey);
    Write({.host = "h", .key = kKey, .subprotocols = subprotocols},
          ClientRequestError::kBadSubprotocol);
    Write({.host = "h", .key = kKey, .extra_fields = bad_value}, ClientRequestError::kBadField);
    Write({.host = "h", .key = kKey, .extra_fields = bad_name}, ClientRequestError::kBadField);
  }
}

TEST(ClientRequestTest, BadArgumentsAreRefused) {
  for (const char* target : {"", "chat", "http://example.com/", "*", "/a b", "/a#b"}) {
    Write({.target = target, .host = "h", .key = kKey}, ClientRequestError::kBadTarget);
  }
  for (const char* host : {"", "a b", "user@host", "host:port", "[::1", "host/path"}) {
    Write({.host = host, .key = kKey}, ClientRequestError::kBadHost);
  }
  Write({.host = "h", .key = "short"}, ClientRequestError::kBadKey);
}

// Fields that decide about the handshake are the handshake's.
TEST(ClientRequestTest, TheHandshakesOwnFieldsAreRefused) {
  for (const char* name : {"Host", "UPGRADE", "connection", "Content-Length", "Transfer-Encoding",
                           "Sec-WebSocket-Key", "sec-websocket-extensions"}) {
    const http::Field fields[] = {{name, "x"}};
    Write({.host = "h", .key = kKey, .extra_fields = fields}, ClientRequestError::kBadField);
  }
}

TEST(ClientRequestTest, SpaceAtMinusOneZeroPlusOne) {
  const ClientRequest request = {.host = "example.com", .key = kKey};
  const std::string whole = Write(request, ClientRequestError::kNone);
  for (int extra : {-1, 0, 1}) {
    std::string memory(whole.size() + extra, '\0');
    absl::string_view head;
    EXPECT_EQ(WriteClientRequest(request, absl::MakeSpan(memory.data(), memory.size()), &head),
              extra < 0 ? ClientRequestError::kNoSpace : ClientRequestError::kNone);
    if (extra >= 0) {
      EXPECT_EQ(head, whole);
    }
  }
}

TEST(ClientRequestTest, EveryErrorHasAText) {
  for (int error = 0; error <= static_cast<int>(ClientRequestError::kNoSpace); ++error) {
    EXPECT_STRNE(ClientRequestErrorText(static_cast<ClientRequestError>(error)), "unknown error");
  }
}

// ---- The answer --------------------------------------------------------------------------------

struct Judged {
  ClientVerdict verdict;
  std::string what;
  std::string subprotocol;
};

Judged Judge(const std::string& text, absl::Span<const absl::string_view> offered = {}) {
  http::ResponseHeadParser parser;
  http::ResponseHead head;
  EXPECT_EQ(parser.Parse(text, &head).status, http::ParseStatus::kDone) << text;
  const ClientJudgement judgement = JudgeServerResponse(head, kKey, offered);
  return {judgement.verdict, std::string(judgement.what), std::string(judgement.subprotocol)};
}

std::string Switching(const std::string& fields) {
  return "HTTP/1.1 101 Switching Protocols\r\n" + fields + "\r\n";
}

const std::string kUpgrade = "Upgrade: websocket\r\n";
const std::string kConnection = "Connection: Upgrade\r\n";
const std::string kAccept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const std::string kGood = kUpgrade + kConnection + kAccept;

TEST(JudgeServerResponseTest, ACorrectAnswerIsAccepted) {
  for (const std::string& fields :
       {kGood, kAccept + kConnection + kUpgrade,
        std::string("upgrade: WebSocket\r\nconnection: uPGRADE\r\n") + kAccept,
        kGood + "Server: x\r\nDate: y\r\nSec-WebSocket-Version: 13\r\n"}) {
    const Judged judged = Judge(Switching(fields));
    EXPECT_EQ(judged.verdict, ClientVerdict::kAccepted) << fields << judged.what;
    EXPECT_EQ(judged.what, "");
    EXPECT_EQ(judged.subprotocol, "");
  }
}

// Connection is a list. A server may name more than upgrade in it.
// Fails if JudgeServerResponse() wants fields.FindOnly("Connection") to equal "Upgrade".
TEST(JudgeServerResponseTest, ConnectionIsAList) {
  for (const char* connection :
       {"keep-alive, Upgrade", "Upgrade, keep-alive", "upgrade,,x", "close ,\tUPGRADE"}) {
    const Judged judged =
        Judge(Switching(kUpgrade + "Connection: " + connection + "\r\n" + kAccept));
    EXPECT_EQ(judged.verdict, ClientVerdict::kAccepted) << connection;
  }
}

// Fails if JudgeServerResponse() calls fields with values over 255 bytes invalid.
TEST(JudgeServerResponseTest, LongFieldValuesDoNoHarm) {
  for (size_t size : {254, 255, 256, 1023, 1024, 4000}) {
    const Judged judged =
        Judge(Switching("Set-Cookie: " + std::string(size, 'c') + "\r\n" + kGood));
    EXPECT_EQ(judged.verdict, ClientVerdict::kAccepted) << size;
  }
}

TEST(JudgeServerResponseTest, IncorrectSwitchesAreInvalid) {
  const std::string kCases[] = {
      kConnection + kAccept,
      kUpgrade + kAccept,
      kUpgrade + kConnection,
      "Upgrade: h2c\r\n" + kConnection + kAccept,
      "Upgrade: websocket, h2c\r\n" + kConnection + kAccept,
      kUpgrade + "Connection: close\r\n" + kAccept,
      kUpgrade + kConnection + "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n",
      kUpgrade + kConnection + "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n",
      kUpgrade + kConnection + "Sec-WebSocket-Accept:\r\n",
      kGood + kAccept,
      kGood + "Sec-WebSocket-Extensions: permessage-deflate\r\n",
      kGood + "Sec-WebSocket-Extensions:\r\n",
      kGood + "Sec-WebSocket-Protocol: chat\r\n",
      kGood + "Content-Length: 5\r\n",
      kGood + "Transfer-Encoding: chunked\r\n",
  };
  for (const std::string& fields : kCases) {
    const Judged judged = Judge(Switching(fields));
    EXPECT_EQ(judged.verdict, ClientVerdict::kInvalid) << fields;
    EXPECT_NE(judged.what, "");
  }
}

// Fails if JudgeServerResponse() accepts in spite of UpgradeError::kVersionTooOld.
TEST(JudgeServerResponseTest, Http10IsInvalid) {
  const Judged judged = Judge("HTTP/1.0 101 Switching Protocols\r\n" + kGood + "\r\n");
  EXPECT_EQ(judged.verdict, ClientVerdict::kInvalid);
  EXPECT_EQ(judged.what, "an upgrade needs HTTP/1.1");
}

TEST(JudgeServerResponseTest, SubprotocolsAreThoseOffered) {
  const absl::string_view offered[] = {"v2.chat", "chat"};
  const auto with = [&](const std::string& fields) {
    return Judge(Switching(kGood + fields), offered);
  };
  EXPECT_EQ(with("").verdict, ClientVerdict::kAccepted);
  EXPECT_EQ(with("").subprotocol, "");
  EXPECT_EQ(with("Sec-WebSocket-Protocol: chat\r\n").verdict, ClientVerdict::kAccepted);
  EXPECT_EQ(with("Sec-WebSocket-Protocol: chat\r\n").subprotocol, "chat");
  for (const char* value : {"CHAT", "other", "", "chat, v2.chat", "chat2"}) {
    const Judged judged = with(absl::StrCat("Sec-WebSocket-Protocol: ", value, "\r\n"));
    EXPECT_EQ(judged.verdict, ClientVerdict::kInvalid) << value;
    EXPECT_EQ(judged.what, "response has a subprotocol that was not offered");
  }
  const std::string chat = "Sec-WebSocket-Protocol: chat\r\n";
  EXPECT_EQ(with(chat + chat).what, "response has several Sec-WebSocket-Protocol");
}

TEST(JudgeServerResponseTest, CompressionIsWhatWasOffered) {
  const auto judge = [](const std::string& extensions, absl::Span<const DeflateOffer> offers) {
    http::ResponseHeadParser parser;
    http::ResponseHead head;
    const std::string text = Switching(kGood + extensions);
    EXPECT_EQ(parser.Parse(text, &head).status, http::ParseStatus::kDone);
    return JudgeServerResponse(head, kKey, {}, offers);
  };
  const DeflateOffer offers[] = {{.server_max_window_bits = 10}, {}};
  EXPECT_FALSE(judge("", offers).deflate.has_value());
  EXPECT_EQ(judge("", offers).verdict, ClientVerdict::kAccepted);
  const ClientJudgement agreed = judge(
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9; "
      "server_max_window_bits=8\r\n",
      offers);
  EXPECT_EQ(agreed.verdict, ClientVerdict::kAccepted);
  EXPECT_EQ(agreed.deflate,
            (DeflateParams{.server_max_window_bits = 8, .client_max_window_bits = 9}));
  for (const char* bad :
       {"permessage-deflate; client_max_window_bits", "permessage-deflate, permessage-deflate",
        "permessage-deflate; unknown", "other", "", "permessage-deflate;",
        "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate"}) {
    const ClientJudgement judgement =
        judge(absl::StrCat("Sec-WebSocket-Extensions: ", bad, "\r\n"), offers);
    EXPECT_EQ(judgement.verdict, ClientVerdict::kInvalid) << bad;
    EXPECT_FALSE(judgement.deflate.has_value());
  }
  // Not offered at all.
  EXPECT_EQ(judge("Sec-WebSocket-Extensions: permessage-deflate\r\n", {}).verdict,
            ClientVerdict::kInvalid);
}

TEST(JudgeServerResponseTest, OtherStatusesRefuse) {
  for (int status : {200, 204, 301, 400, 401, 403, 404, 426, 500, 503}) {
    const Judged judged = Judge(absl::StrCat("HTTP/1.1 ", status, " x\r\n", kGood, "\r\n"));
    EXPECT_EQ(judged.verdict, ClientVerdict::kRefused) << status;
  }
  // Also by an old server.
  EXPECT_EQ(Judge("HTTP/1.0 404 Not Found\r\n\r\n").verdict, ClientVerdict::kRefused);
}

TEST(JudgeServerResponseTest, OtherInformationIsInterim) {
  for (int status : {100, 102, 103, 199}) {
    EXPECT_EQ(Judge(absl::StrCat("HTTP/1.1 ", status, " x\r\n\r\n")).verdict,
              ClientVerdict::kInterim);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
