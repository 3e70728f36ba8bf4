#include "http/core/upgrade.h"

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

// Fields are given one to a line with "\n" for brevity; the head gets CRLF and its end.
std::string Wire(absl::string_view lines) {
  std::string wire;
  for (const char c : lines) {
    if (c == '\n') wire.push_back('\r');
    wire.push_back(c);
  }
  return wire + "\r\n\r\n";
}

// *address points into *wire.
UpgradeError Judge(absl::string_view lines, std::string* wire, RequestAddress* address) {
  *wire = Wire(lines);
  RequestHead head;
  RequestHeadParser parser;
  EXPECT_EQ(parser.Parse(*wire, &head).status, ParseStatus::kDone) << lines;
  return JudgeUpgradeRequest(head, "websocket", address);
}

UpgradeError JudgeResponse(absl::string_view lines) {
  const std::string wire = Wire(lines);
  ResponseHead head;
  ResponseHeadParser parser;
  EXPECT_EQ(parser.Parse(wire, &head).status, ParseStatus::kDone) << lines;
  return JudgeUpgradeResponse(head, "websocket");
}

TEST(UpgradeRequestTest, AddressOfAGoodOne) {
  const struct {
    absl::string_view target;
    absl::string_view resource;
    absl::string_view host;
    absl::string_view host_alone;
  } kRows[] = {
      {"/", "/", "example.org:81", "example.org"},
      {"/chat?a=b", "/chat?a=b", "example.org:81", "example.org"},
      {"//x", "//x", "example.org:81", "example.org"},
      // The target in absolute-form outranks Host (RFC 9112 section 3.2.2).
      {"http://other/chat?a", "/chat?a", "other", "other"},
      {"WSS://[::1]:9/chat", "/chat", "[::1]:9", "::1"},
      {"https://other:1", "/", "other:1", "other"},
      {"ws://other/", "/", "other", "other"},
  };
  for (const auto& row : kRows) {
    const std::string lines = "GET " + std::string(row.target) +
                              " HTTP/1.1\nHost: example.org:81\nUpgrade: websocket\n"
                              "Connection: Upgrade";
    std::string wire;
    RequestAddress address;
    ASSERT_EQ(Judge(lines, &wire, &address), UpgradeError::kNone) << row.target;
    EXPECT_EQ(address.resource, row.resource);
    EXPECT_EQ(address.host, row.host);
    EXPECT_EQ(address.authority.host, row.host_alone);
  }
}

TEST(UpgradeRequestTest, Table) {
  const struct {
    absl::string_view lines;
    UpgradeError error;
  } kRows[] = {
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade", UpgradeError::kNone},
      {"GET / HTTP/1.1\nhost: h\nupgrade: WebSocket\nconnection: uPGRADE", UpgradeError::kNone},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: close\nConnection: ,upgrade,",
       UpgradeError::kNone},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: h2c, websocket\nConnection: Upgrade",
       UpgradeError::kNone},
      // Another protocol than the one without a version (RFC 9110 section 7.8).
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket/13\nConnection: Upgrade",
       UpgradeError::kOtherProtocol},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket/13, websocket\nConnection: Upgrade",
       UpgradeError::kNone},
      {"GET / HTTP/1.2\nHost: h\nUpgrade: websocket\nConnection: Upgrade", UpgradeError::kNone},
      {"POST / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade", UpgradeError::kNone},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nContent-Length: 0",
       UpgradeError::kNone},
      {"GET / HTTP/1.1\nHost: h\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kSeveralHosts},
      {"GET / HTTP/1.1\nHost:\nUpgrade: websocket\nConnection: Upgrade", UpgradeError::kBadHost},
      {"GET / HTTP/1.1\nHost: h h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadHost},
      {"GET / HTTP/1.1\nHost: u@h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadHost},
      {"GET / HTTP/1.1\nHost: h:99999\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadHost},
      // Host must be right even if the target outranks it.
      {"GET http://a/ HTTP/1.1\nHost: h h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadHost},
      {"GET http://a/ HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kMissingHost},
      {"GET chat HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      {"OPTIONS * HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      {"CONNECT h:1 HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      {"GET ftp://h/ HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      {"GET http:// HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      {"GET http://u@h/ HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      {"GET http://h?q HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kBadTarget},
      // Plain requests.
      {"GET / HTTP/1.1\nHost: h", UpgradeError::kNoUpgrade},
      {"GET / HTTP/1.1\nHost: h\nConnection: Upgrade", UpgradeError::kNoUpgrade},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: ,\nConnection: Upgrade", UpgradeError::kNoUpgrade},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: h2c\nConnection: Upgrade", UpgradeError::kOtherProtocol},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websockets\nConnection: Upgrade",
       UpgradeError::kOtherProtocol},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: web\nConnection: Upgrade", UpgradeError::kOtherProtocol},
      // Faulty upgrades.
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket", UpgradeError::kNotInConnection},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: keep-alive",
       UpgradeError::kNotInConnection},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: no upgrade",
       UpgradeError::kNotInConnection},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nContent-Length: 1",
       UpgradeError::kHasContent},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nContent-Length:",
       UpgradeError::kHasContent},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nContent-Length: 0, 5",
       UpgradeError::kHasContent},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nContent-Length: "
       "0\nContent-Length: 5",
       UpgradeError::kHasContent},
      {"GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nTransfer-Encoding: "
       "chunked",
       UpgradeError::kHasContent},
  };
  for (const auto& row : kRows) {
    std::string wire;
    RequestAddress address;
    address.resource = "untouched";
    const UpgradeError error = Judge(row.lines, &wire, &address);
    EXPECT_EQ(error, row.error) << row.lines << "\n" << UpgradeErrorText(error);
    if (row.error != UpgradeError::kNone) {
      EXPECT_EQ(address.resource, "untouched");
    }
  }
}

// Connection is a list of options (RFC 9110 section 7.6.1), as browsers send it. Fails where
// JudgeUpgradeRequest compares the whole value of the field instead of asking HasToken.
TEST(UpgradeRequestTest, UpgradeMayBeOneOfSeveralConnectionOptions) {
  for (const absl::string_view connection :
       {"keep-alive, Upgrade", "Upgrade, keep-alive", "keep-alive,upgrade,", ", ,UPGRADE",
        "close\nConnection: upgrade", "\nConnection: Upgrade"}) {
    const std::string lines =
        "GET / HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: " + std::string(connection);
    std::string wire;
    RequestAddress address;
    EXPECT_EQ(Judge(lines, &wire, &address), UpgradeError::kNone) << connection;
  }
}

// Fails where JudgeUpgradeRequest leaves out the check of version_minor.
TEST(UpgradeRequestTest, Http10IsRefused) {
  std::string wire;
  RequestAddress address;
  EXPECT_EQ(
      Judge("GET / HTTP/1.0\nHost: h\nUpgrade: websocket\nConnection: Upgrade", &wire, &address),
      UpgradeError::kVersionTooOld);
}

// Fails where CheckRequestAddress leaves out the check of hosts == 0.
TEST(UpgradeRequestTest, MissingHostIsRefused) {
  std::string wire;
  RequestAddress address;
  EXPECT_EQ(Judge("GET / HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade", &wire, &address),
            UpgradeError::kMissingHost);
  EXPECT_EQ(
      Judge("GET http://h/ HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade", &wire, &address),
      UpgradeError::kMissingHost);
}

TEST(UpgradeRequestTest, AsksForUpgrade) {
  const struct {
    absl::string_view lines;
    bool asks;
  } kRows[] = {{"GET / HTTP/1.1\nHost: h", false},
               {"GET / HTTP/1.1\nUpgrade:", false},
               {"GET / HTTP/1.0\nUpgrade: websocket", false},
               {"GET / HTTP/1.1\nUpgrade: h2c", false},
               {"GET / HTTP/1.1\nUpgrade: websockets", false},
               {"GET / HTTP/1.1\nUpgrade: websocket/13", false},
               {"GET / HTTP/1.1\nUpgrade: websocket", true},
               {"GET / HTTP/1.1\nUpgrade: h2c\nUpgrade: foo/1, WebSocket", true}};
  for (const auto& row : kRows) {
    const std::string wire = Wire(row.lines);
    RequestHead head;
    RequestHeadParser parser;
    ASSERT_EQ(parser.Parse(wire, &head).status, ParseStatus::kDone);
    EXPECT_EQ(AsksForUpgrade(head, "websocket"), row.asks) << row.lines;
  }
}

TEST(UpgradeRequestTest, ExpectsContinue) {
  const struct {
    const char* text;
    int version_minor;
    bool expects;
  } kRows[] = {{"", 1, false},
               {"Expect: 100-continue\r\n", 1, true},
               {"expect: x, 100-CONTINUE\r\n", 2, true},
               {"Expect: x\r\nExpect: 100-continue\r\n", 1, true},
               {"Expect: 100-continue\r\n", 0, false},
               {"Expect: 100-continued\r\n", 1, false},
               {"Expect: 100\r\n", 1, false},
               {"X-Expect: 100-continue\r\n", 1, false}};
  for (const auto& row : kRows) {
    RequestHead head;
    head.version_minor = row.version_minor;
    head.fields = HeaderList(row.text);
    EXPECT_EQ(ExpectsContinue(head), row.expects) << row.text;
  }
}

TEST(UpgradeResponseTest, Table) {
  const struct {
    absl::string_view lines;
    UpgradeError error;
  } kRows[] = {
      {"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kNone},
      {"HTTP/1.1 101\nupgrade: WebSocket\nconnection: keep-alive, upgrade", UpgradeError::kNone},
      {"HTTP/1.1 200 OK\nUpgrade: websocket\nConnection: Upgrade", UpgradeError::kNotSwitching},
      {"HTTP/1.0 403 No", UpgradeError::kNotSwitching},
      {"HTTP/1.1 100 Continue\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kNotSwitching},
      {"HTTP/1.0 101 x\nUpgrade: websocket\nConnection: Upgrade", UpgradeError::kVersionTooOld},
      {"HTTP/1.1 101 x\nConnection: Upgrade", UpgradeError::kNoUpgrade},
      {"HTTP/1.1 101 x\nUpgrade:\nConnection: Upgrade", UpgradeError::kNoUpgrade},
      {"HTTP/1.1 101 x\nUpgrade: h2c\nConnection: Upgrade", UpgradeError::kOtherProtocol},
      {"HTTP/1.1 101 x\nUpgrade: websocket/13\nConnection: Upgrade", UpgradeError::kOtherProtocol},
      {"HTTP/1.1 101 x\nUpgrade: websocket, h2c\nConnection: Upgrade",
       UpgradeError::kOtherProtocol},
      {"HTTP/1.1 101 x\nUpgrade: websocket\nUpgrade: websocket\nConnection: Upgrade",
       UpgradeError::kOtherProtocol},
      {"HTTP/1.1 101 x\nUpgrade: websocket", UpgradeError::kNotInConnection},
      {"HTTP/1.1 101 x\nUpgrade: websocket\nConnection: close", UpgradeError::kNotInConnection},
      {"HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\nContent-Length: 0",
       UpgradeError::kHasContent},
      {"HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\nTransfer-Encoding: chunked",
       UpgradeError::kHasContent},
  };
  for (const auto& row : kRows) EXPECT_EQ(JudgeResponse(row.lines), row.error) << row.lines;
}

TEST(UpgradeErrorTest, TextsAndStatusCodes) {
  std::set<std::string> texts;
  for (int i = 0; i <= static_cast<int>(UpgradeError::kNotSwitching); ++i) {
    EXPECT_TRUE(texts.insert(std::string(UpgradeErrorText(static_cast<UpgradeError>(i)))).second);
  }
  EXPECT_EQ(texts.count("unknown error"), 0u);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kNone), 0);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kVersionTooOld), 505);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kNoUpgrade), 426);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kOtherProtocol), 426);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kMissingHost), 400);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kSeveralHosts), 400);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kNotInConnection), 400);
  EXPECT_EQ(UpgradeErrorStatus(UpgradeError::kHasContent), 400);
}

// RFC 9112 section 3.2.2, RFC 9110 section 7.4.
TEST(RequestAddressTest, SchemeOfAnAbsoluteTarget) {
  const struct {
    const char* target;
    const char* scheme;
    bool tls;
  } kRows[] = {
      {"/", "", false},
      {"/http://x/", "", false},
      {"http://h/", "http", false},
      {"HTTPS://h", "HTTPS", true},
      {"ws://h/", "ws", false},
      {"wSs://h/x", "wSs", true},
  };
  for (const auto& row : kRows) {
    RequestHead head;
    head.target = row.target;
    head.fields = HeaderList("Host: h\r\n");
    RequestAddress address;
    ASSERT_EQ(CheckRequestAddress(head, &address), UpgradeError::kNone) << row.target;
    EXPECT_EQ(address.scheme, row.scheme);
    EXPECT_EQ(address.asks_for_tls(), row.tls);
  }
  for (const char* target : {"ftp://h/", "http:/h/", "http:h", "http//h/", "httpss://h/", "://h/",
                             "http://u@h/", "http:///", "http://h:x/", "*", "h:80", "ws:"}) {
    RequestHead head;
    head.target = target;
    head.fields = HeaderList("Host: h\r\n");
    RequestAddress address;
    EXPECT_EQ(CheckRequestAddress(head, &address), UpgradeError::kBadTarget) << target;
  }
}

// Host is asked for since HTTP/1.1.
TEST(RequestAddressTest, OldVersionMayLackTheHost) {
  RequestHead head;
  head.target = "/x";
  head.version_minor = 0;
  RequestAddress address;
  EXPECT_EQ(CheckRequestAddress(head, &address), UpgradeError::kNone);
  EXPECT_EQ(address.resource, "/x");
  EXPECT_EQ(address.host, "");
  head.version_minor = 1;
  EXPECT_EQ(CheckRequestAddress(head, &address), UpgradeError::kMissingHost);
  head.version_minor = 0;
  head.fields = HeaderList("Host: a\r\nHost: a\r\n");
  EXPECT_EQ(CheckRequestAddress(head, &address), UpgradeError::kSeveralHosts);
  head.fields = HeaderList("Host: a b\r\n");
  EXPECT_EQ(CheckRequestAddress(head, &address), UpgradeError::kBadHost);
}

}  // namespace
}  // namespace halfpipe::http
