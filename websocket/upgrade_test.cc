#include "websocket/upgrade.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/options.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

class UpgradeTest : public testing::Test {
 protected:
  absl::Status Serve(Bytestream* stream, Deadline deadline = kNever) {
    return ServerUpgrade(
        &runtime_, stream, server_,
        [this](const UpgradeRequest& request) {
          seen_ = absl::StrCat(request.host, " ", request.resource, " ", request.subprotocol);
          deflate_ = request.deflate;
          return decision_;
        },
        deadline, &served_);
  }

  absl::Status ServeOrPlain(Bytestream* stream) {
    return ServerUpgradeOrPlain(
        &runtime_, stream, server_, [this](const UpgradeRequest&) { return decision_; },
        [this](const http::RequestHead& head) {
          seen_ = std::string(head.target);
          return plain_;
        },
        kNever, &served_);
  }

  absl::Status Ask(Bytestream* stream, Deadline deadline = kNever) {
    client_.entropy = &entropy_;
    return ClientUpgrade(&runtime_, stream, client_, &result_, deadline);
  }

  // What a server does with `request`, and what it answers.
  absl::Status ServeText(absl::string_view request, std::string* answer, bool or_plain = false) {
    auto [client, server] = MakePair(&runtime_);
    const IoSlice slice(request);
    EXPECT_THAT(client->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
    const absl::Status status = or_plain ? ServeOrPlain(server.get()) : Serve(server.get());
    // Who was refused, or had a plain answer, has seen the end of it.
    const int error = StatusErrno(status);
    const bool ended = error != 0;
    EXPECT_THAT(server->Done(kNever), IsErrno(ended ? EPIPE : 0));
    *answer = ReadToEnd(client.get());
    return status;
  }

  // What a client makes of `answer`.
  absl::Status AskText(absl::string_view answer) {
    result_ = {};
    auto [client, server] = MakePair(&runtime_);
    const IoSlice slice(answer);
    EXPECT_THAT(server->Write(absl::MakeConstSpan(&slice, 1), false, kNever), IsOk());
    EXPECT_THAT(server->Done(kNever), IsOk());
    return Ask(client.get());
  }

  Runtime runtime_;
  FixedEntropy entropy_;
  ServerUpgradeOptions server_{.unix_seconds = nullptr};
  ClientUpgradeOptions client_{.target = "/chat?x=1", .host = "example.org"};
  ClientUpgradeResult result_;
  http::Response plain_;
  UpgradeDecision decision_;
  ServerUpgradeResult served_;
  std::string seen_;
  std::optional<DeflateParams> deflate_;  // What the hook was told.
};

TEST_F(UpgradeTest, BothSidesToTheLetter) {
  ScriptedBytestreamPtr server = MakeScripted(&runtime_);
  server->Deliver(Request()).ExpectWrite(Answer());
  EXPECT_THAT(Serve(server.get()), IsOk());
  EXPECT_EQ(seen_, "example.org /chat?x=1 ");
  ScriptedBytestreamPtr client = MakeScripted(&runtime_);
  client->ExpectWrite(Request()).Deliver(Answer());
  EXPECT_THAT(Ask(client.get()), IsOk());
  EXPECT_EQ(result_.status, 101);
  EXPECT_EQ(result_.subprotocol, "");
}

TEST_F(UpgradeTest, CutsAndBytesBehindTheHead) {
  for (const size_t cut : {size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
    SCOPED_TRACE(cut);
    const auto deliver = [cut](ScriptedBytestream& script, const std::string& text) {
      for (size_t i = 0; i < text.size(); i += cut) script.Deliver(text.substr(i, cut));
    };
    // The end of the head comes together with the frames.
    const std::string request = Request();
    ScriptedBytestreamPtr server = MakeScripted(&runtime_);
    deliver(*server, request.substr(0, request.size() - 1));
    server->Deliver("\nfirst frame").ExpectWrite(Answer());
    EXPECT_THAT(Serve(server.get()), IsOk());
    EXPECT_EQ(Buffered(server.get()), "first frame");

    const std::string answer = Answer();
    ScriptedBytestreamPtr client = MakeScripted(&runtime_);
    client->ExpectWrite(request);
    deliver(*client, answer.substr(0, answer.size() - 1));
    client->Deliver("\nfirst frame");
    EXPECT_THAT(Ask(client.get()), IsOk());
    EXPECT_EQ(Buffered(client.get()), "first frame");
  }
}

TEST_F(UpgradeTest, Subprotocols) {
  const absl::string_view spoken[] = {"b", "c"};
  const absl::string_view offered[] = {"a", "c", "b"};
  server_.subprotocols = spoken;
  client_.subprotocols = offered;
  const std::string fields =
      "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: c\r\nSec-WebSocket-Protocol: b\r\n";
  ScriptedBytestreamPtr client = MakeScripted(&runtime_);
  client->ExpectWrite(Request(fields)).Deliver(Answer("Sec-WebSocket-Protocol: c\r\n"));
  EXPECT_THAT(Ask(client.get()), IsOk());
  EXPECT_EQ(result_.subprotocol, "c");
  std::string answer;
  EXPECT_THAT(ServeText(Request(fields), &answer), IsOk());
  EXPECT_TRUE(absl::StartsWith(seen_, "example.org /chat?x=1 ")) << seen_;
  const std::string chosen = seen_.substr(seen_.size() - 1);
  EXPECT_TRUE(chosen == "b" || chosen == "c") << seen_;
  EXPECT_EQ(answer, Answer(absl::StrCat("Sec-WebSocket-Protocol: ", chosen, "\r\n")));
  EXPECT_THAT(ServeText(Request("Sec-WebSocket-Protocol: other\r\n"), &answer), IsOk());
  EXPECT_EQ(answer, Answer());
}

// RFC 7692 section 7.1.
TEST_F(UpgradeTest, CompressionIsOfferedAndChosen) {
  const std::string offer =
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
      "client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=12, "
      "permessage-deflate; client_no_context_takeover; client_max_window_bits=12\r\n";
  const std::string answer =
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
      "client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=12\r\n";
  const DeflateParams agreed = {true, true, 9, 12};
  server_.deflate.enabled = true;
  server_.deflate.server_max_window_bits = 9;
  ScriptedBytestreamPtr server = MakeScripted(&runtime_);
  server->Deliver(Request(offer)).ExpectWrite(Answer(answer));
  EXPECT_THAT(Serve(server.get()), IsOk());
  EXPECT_EQ(deflate_, agreed);

  client_.deflate = {.enabled = true,
                     .server_no_context_takeover = true,
                     .client_no_context_takeover = true,
                     .server_max_window_bits = 10,
                     .client_max_window_bits = 12};
  ScriptedBytestreamPtr client = MakeScripted(&runtime_);
  client->ExpectWrite(Request(offer)).Deliver(Answer(answer));
  EXPECT_THAT(Ask(client.get()), IsOk());
  EXPECT_EQ(result_.deflate, agreed);

  // A server that knows no limits, and one that knows nothing.
  EXPECT_THAT(AskText(Answer("Sec-WebSocket-Extensions: permessage-deflate\r\n")), IsOk());
  EXPECT_EQ(result_.deflate,
            (DeflateParams{.client_no_context_takeover = true, .client_max_window_bits = 12}));
  EXPECT_THAT(AskText(Answer()), IsOk());
  EXPECT_EQ(result_.deflate, std::nullopt);
  client_.deflate.fallback = false;
  EXPECT_THAT(AskText(Answer("Sec-WebSocket-Extensions: permessage-deflate\r\n")), IsErrno(EPROTO));
}

TEST_F(UpgradeTest, CompressionIsOffByDefault) {
  std::string answer;
  const std::string offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
  EXPECT_THAT(ServeText(Request(offer), &answer), IsOk());
  EXPECT_EQ(answer, Answer());
  EXPECT_EQ(deflate_, std::nullopt);
  EXPECT_THAT(AskText(Answer(offer)), IsErrno(EPROTO));
  // Malformed is malformed all the same.
  EXPECT_THAT(ServeText(Request("Sec-WebSocket-Extensions: a;\r\n"), &answer), IsErrno(EPROTO));
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 400 ")) << answer;
}

TEST_F(UpgradeTest, CompressionOutOfRangeIsTheCallersMistake) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  for (const uint8_t bits : {7, 16}) {
    server_.deflate = {.enabled = true, .server_max_window_bits = bits};
    client_.deflate = {.enabled = true, .client_max_window_bits = bits};
    EXPECT_THAT(Serve(script.get()), IsErrno(EINVAL));
    EXPECT_THAT(Ask(script.get()), IsErrno(EINVAL));
  }
  for (const DeflateOptions& bad : {DeflateOptions{.enabled = true, .level = 10},
                                    DeflateOptions{.enabled = true, .mem_level = 0},
                                    DeflateOptions{.enabled = true, .mem_level = 10}}) {
    client_.deflate = bad;
    EXPECT_THAT(Ask(script.get()), IsErrno(EINVAL));
  }
  // Nobody would know what was agreed on.
  client_.deflate = {.enabled = true};
  EXPECT_THAT(ClientUpgrade(&runtime_, script.get(), client_, nullptr, kNever), IsErrno(EINVAL));
}

TEST_F(UpgradeTest, BadRequestsAreAnsweredWithTheRightStatus) {
  struct Case {
    const char* name;
    int status;
    std::string request;
    bool asks_for_upgrade = true;
  };
  const std::string good = Request();
  std::string many_fields;
  for (int i = 0; i < 101; ++i) absl::StrAppend(&many_fields, "F", i, ": 1\r\n");
  std::string long_head;
  for (int i = 0; i < 5; ++i) {
    absl::StrAppend(&long_head, "F", i, ": ", std::string(4000, 'x'), "\r\n");
  }
  const Case cases[] = {
      {"method", 405, Replaced(good, "GET", "POST")},
      {"no Upgrade", 426, Without(good, "Upgrade: websocket\r\n"), false},
      {"other protocol", 426, Replaced(good, "websocket", "h2c"), false},
      {"older version", 426, Replaced(good, "Version: 13", "Version: 8")},
      {"no version", 426, Without(good, "Sec-WebSocket-Version: 13\r\n")},
      {"two versions", 400, Request("Sec-WebSocket-Version: 13\r\n")},
      {"not in Connection", 400, Replaced(good, "Connection: Upgrade", "Connection: close")},
      {"no key", 400, Without(good, absl::StrCat("Sec-WebSocket-Key: ", kKey, "\r\n"))},
      {"two keys", 400, Request(absl::StrCat("Sec-WebSocket-Key: ", kKey, "\r\n"))},
      {"short key", 400, Replaced(good, kKey, "AAAA")},
      {"loose key", 400, Replaced(good, kKey, "dGhlIHNhbXBsZSBub25jZR==")},
      {"no Host", 400, Without(good, "Host: example.org\r\n")},
      {"two Hosts", 400, Request("Host: example.org\r\n")},
      {"bad Host", 400, Replaced(good, "example.org", "user@example.org")},
      {"bad target", 400, Replaced(good, "/chat?x=1", "*")},
      {"content", 400, Request("Content-Length: 5\r\n")},
      {"chunked content", 400, Request("Transfer-Encoding: chunked\r\n")},
      {"bad subprotocol", 400, Request("Sec-WebSocket-Protocol: a b\r\n")},
      {"HTTP/1.0", 505, Replaced(good, "HTTP/1.1", "HTTP/1.0"), false},
      {"HTTP/2.0", 505, Replaced(good, "HTTP/1.1", "HTTP/2.0")},
      {"nonsense", 400, "nonsense\r\n\r\n"},
      {"bare LF", 400, Replaced(good, "\r\n", "\n")},
      {"space before colon", 400, Request("A : 1\r\n")},
      {"NUL", 400, Request(std::string("A: \0\r\n", 6))},
      {"folded line", 400, Request("A: 1\r\n 2\r\n")},
      {"long target", 414, Replaced(good, "/chat", "/" + std::string(8192, 'x'))},
      {"long method", 501, Replaced(good, "GET", std::string(8200, 'M'))},
      {"long field", 431, Request("A: " + std::string(8190, 'x') + "\r\n")},
      {"many fields", 431, Request(many_fields)},
      {"long head", 431, Request(long_head)},
  };
  for (const Case& c : cases) {
    for (const bool or_plain : {false, true}) {
      // What is no request to upgrade to WebSocket, as none of HTTP/1.0 is (RFC 9110 section 7.8),
      // goes to the hook for plain ones, see there.
      if (or_plain && !c.asks_for_upgrade) continue;
      SCOPED_TRACE(c.name);
      seen_ = "no";
      std::string answer;
      EXPECT_THAT(ServeText(c.request, &answer, or_plain), IsErrno(EPROTO));
      EXPECT_EQ(answer.substr(0, 13), absl::StrCat("HTTP/1.1 ", c.status, " "));
      EXPECT_TRUE(absl::EndsWith(answer, "Content-Length: 0\r\n\r\n")) << answer;
      EXPECT_TRUE(absl::StrContains(answer, "close\r\n")) << answer;
      EXPECT_EQ(absl::StrContains(answer, "\r\nSec-WebSocket-Version: 13\r\n"), c.status == 426);
      EXPECT_EQ(
          absl::StrContains(answer, or_plain ? "\r\nAllow: GET, HEAD\r\n" : "\r\nAllow: GET\r\n"),
          c.status == 405);
      EXPECT_EQ(served_.status, c.status);
      EXPECT_EQ(seen_, "no");
    }
  }
}

// A request at each limit is taken, one above it refused.
TEST_F(UpgradeTest, HeadLimitsOfOurOwn) {
  const std::string request = Request();
  std::string answer;
  for (const int above : {-1, 0, 1}) {
    SCOPED_TRACE(above);
    const int expected = above == 1 ? EPROTO : 0;
    server_.limits = {};
    server_.limits.head_bytes_max = request.size() - static_cast<size_t>(above);
    EXPECT_THAT(ServeText(request, &answer), IsErrno(expected));
    server_.limits = {};
    server_.limits.field_count_max = static_cast<size_t>(5 - above);
    EXPECT_THAT(ServeText(request, &answer), IsErrno(expected));
    server_.limits = {};
    server_.limits.start_line_bytes_max = static_cast<size_t>(22 - above);
    EXPECT_THAT(ServeText(request, &answer), IsErrno(expected));
    EXPECT_EQ(answer.substr(0, 12), above == 1 ? "HTTP/1.1 414" : "HTTP/1.1 101");
    client_.limits = {};
    client_.limits.head_bytes_max = Answer().size() - static_cast<size_t>(above);
    EXPECT_THAT(AskText(Answer()), IsErrno(expected));
  }
}

// A head is read in place, so it cannot be longer than the buffer.
TEST_F(UpgradeTest, HeadLimitAtTheReadBuffersSize) {
  for (const size_t more : {size_t{0}, size_t{1}}) {
    server_.limits.head_bytes_max = Bytestream::kPeekMax + more;
    client_.limits.head_bytes_max = Bytestream::kPeekMax + more;
    std::string answer;
    if (more == 0) {
      EXPECT_THAT(ServeText(Request(), &answer), IsOk());
      EXPECT_THAT(AskText(Answer()), IsOk());
      continue;
    }
    ScriptedBytestreamPtr untouched = MakeScripted(&runtime_);
    EXPECT_THAT(Serve(untouched.get()), IsErrno(EINVAL));
    EXPECT_THAT(Ask(untouched.get()), IsErrno(EINVAL));
  }
}

TEST_F(UpgradeTest, HookRefuses) {
  for (const int status : {300, 302, 400, 403, 404, 410, 431, 503, 599}) {
    SCOPED_TRACE(status);
    decision_ = UpgradeDecision::Refuse(status);
    std::string answer;
    EXPECT_THAT(ServeText(Request(), &answer), IsErrno(EACCES));
    EXPECT_EQ(answer.substr(0, 13), absl::StrCat("HTTP/1.1 ", status, " "));
    EXPECT_EQ(served_.status, status);
    EXPECT_THAT(AskText(answer), IsErrno(EACCES));
    EXPECT_EQ(result_.status, status);
  }
}

TEST_F(UpgradeTest, PlainRequests) {
  plain_ = http::TextResponse(200, "<p>hello</p>", "text/html");
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 12\r\n"
      "\r\n";
  const std::string close = "Connection: close\r\n\r\n";
  std::string answer;
  EXPECT_THAT(ServeText("GET /page HTTP/1.1\r\nHost: h\r\n" + close, &answer, true),
              IsErrno(ENOTSUP));
  EXPECT_EQ(answer, head + plain_.body);
  EXPECT_EQ(seen_, "/page");
  EXPECT_THAT(ServeText("HEAD / HTTP/1.1\r\nHost: h\r\n" + close, &answer, true), IsErrno(ENOTSUP));
  EXPECT_EQ(answer, head);
  EXPECT_THAT(ServeText("GET /old HTTP/1.0\r\nHost: h\r\n\r\n", &answer, true), IsErrno(ENOTSUP));
  EXPECT_EQ(seen_, "/old");
  EXPECT_THAT(ServeText("GET /older HTTP/1.0\r\n\r\n", &answer, true), IsErrno(ENOTSUP));
  EXPECT_EQ(seen_, "/older");
  // What is offered besides is ignored (RFC 9110 section 7.8).
  EXPECT_THAT(ServeText("GET /h2c HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n"
                        "Connection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AA\r\n\r\n",
                        &answer, true),
              IsErrno(ENOTSUP));
  EXPECT_EQ(answer, head + plain_.body);
  EXPECT_EQ(seen_, "/h2c");

  // Requests to upgrade are upgraded or refused as ever.
  EXPECT_THAT(ServeText(Request(), &answer, true), IsOk());
  EXPECT_EQ(answer, Answer());
  const std::pair<const char*, int> bad[] = {
      {"POST / HTTP/1.1\r\nHost: h\r\n\r\n", 405},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 405},
  };
  for (const auto& [request, status] : bad) {
    SCOPED_TRACE(request);
    EXPECT_THAT(ServeText(request, &answer, true), IsErrno(EPROTO));
    EXPECT_EQ(answer.substr(0, 13), absl::StrCat("HTTP/1.1 ", status, " "));
  }
  // What may not be sent is not.
  plain_.fields[0].value = "text/html\r\nEvil: yes";
  EXPECT_THAT(ServeText("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &answer, true), IsErrno(EINVAL));
  EXPECT_EQ(answer,
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(UpgradeTest, ClientTakesNothingButACorrectAnswer) {
  const absl::string_view offered[] = {"a"};
  client_.subprotocols = offered;
  const std::string good = Answer();
  const std::pair<std::string, int> cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", EACCES},
      {"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", EACCES},
      {"HTTP/1.1 403 Forbidden\r\n\r\n", EACCES},
      {"HTTP/1.0 404 Not Found\r\n\r\n", EACCES},
      {Replaced(good, "HTTP/1.1", "HTTP/1.0"), EPROTO},
      {Replaced(good, "HTTP/1.1", "HTTP/2.0"), EPROTO},
      {Replaced(good, kAccept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), EPROTO},
      {Without(good, absl::StrCat("Sec-WebSocket-Accept: ", kAccept, "\r\n")), EPROTO},
      {Answer(absl::StrCat("Sec-WebSocket-Accept: ", kAccept, "\r\n")), EPROTO},
      {Without(good, "Upgrade: websocket\r\n"), EPROTO},
      {Replaced(good, "websocket", "h2c"), EPROTO},
      {Without(good, "Connection: Upgrade\r\n"), EPROTO},
      {Answer("Sec-WebSocket-Extensions: permessage-deflate\r\n"), EPROTO},
      {Answer("Sec-WebSocket-Protocol: b\r\n"), EPROTO},
      {Answer("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n"), EPROTO},
      {Answer("Content-Length: 5\r\n"), EPROTO},
      {"nonsense\r\n\r\n", EPROTO},
      {"HTTP/1.1 999 What\r\n\r\n", EPROTO},
      {"HTTP/1.1 101 x\nUpgrade: websocket\r\n\r\n", EPROTO},
      {Answer("A: " + std::string(9000, 'x') + "\r\n"), EPROTO},
  };
  for (const auto& [answer, error] : cases) {
    SCOPED_TRACE(answer.substr(0, 300));
    EXPECT_THAT(AskText(answer), IsErrno(error));
  }
}

TEST_F(UpgradeTest, InterimResponsesAreBounded) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  for (const int count : {1, 15, 16}) {
    SCOPED_TRACE(count);
    std::string answers;
    for (int i = 0; i < count; ++i) answers += interim;
    EXPECT_THAT(AskText(answers + Answer()), IsErrno(count == 16 ? EPROTO : 0));
  }
}

TEST_F(UpgradeTest, NothingIsInjected) {
  const http::Field evil_fields[][1] = {
      {{"A", "1\r\nEvil: yes"}},
      {{"A\r\nEvil", "1"}},
      {{"Host", "other"}},
      {{"Upgrade", "h2c"}},
      {{"Sec-WebSocket-Key", kKey}},
      {{"Content-Length", "5"}},
      {{"Expect", "100-continue"}},
      {{"TE", "trailers"}},
      {{"Keep-Alive", "timeout=5"}},
      {{"Trailer", "X"}},
      {{"", "1"}},
  };
  const absl::string_view evil_names[][2] = {{"a", "b\r\nEvil: yes"}, {"a", "a"}, {"a", ""}};
  std::vector<ClientUpgradeOptions> cases;
  for (const absl::string_view target : {"", "chat", "*", "/a b", "/a\r\nEvil: yes", "/#x"}) {
    cases.push_back(client_);
    cases.back().target = target;
  }
  for (const absl::string_view host : {"h\r\nEvil: yes", "user@h", "h/p", "h:port", "h h"}) {
    cases.push_back(client_);
    cases.back().host = host;
  }
  for (const auto& fields : evil_fields) {
    cases.push_back(client_);
    cases.back().extra_fields = fields;
  }
  for (const auto& names : evil_names) {
    cases.push_back(client_);
    cases.back().subprotocols = names;
  }
  cases.push_back(client_);
  const std::string too_long = "/" + std::string(20'000, 'x');
  cases.back().target = too_long;
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    client_ = cases[i];
    ScriptedBytestreamPtr untouched = MakeScripted(&runtime_);
    EXPECT_THAT(Ask(untouched.get()), IsErrno(EINVAL));
  }
}

TEST_F(UpgradeTest, ExtraFieldsAreSent) {
  const http::Field fields[] = {{"Origin", "http://h"}, {"Cookie", "a=b"}};
  client_.extra_fields = fields;
  ScriptedBytestreamPtr client = MakeScripted(&runtime_);
  client->ExpectWrite(Request("Origin: http://h\r\nCookie: a=b\r\n")).Deliver(Answer());
  EXPECT_THAT(Ask(client.get()), IsOk());
}

TEST_F(UpgradeTest, EndAndResetOfTheStream) {
  for (const size_t size : {size_t{0}, size_t{1}, Request().size() - 1}) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(testing::Message() << size << (reset ? " then a reset" : " then the end"));
      ScriptedBytestreamPtr server = MakeScripted(&runtime_);
      if (size > 0) server->Deliver(Request().substr(0, size));
      reset ? server->Reset() : server->End();
      EXPECT_THAT(Serve(server.get()), IsErrno(ECONNRESET));
      ScriptedBytestreamPtr client = MakeScripted(&runtime_);
      client->ExpectWrite(Request());
      if (size > 0) client->Deliver(Answer().substr(0, std::min(size, Answer().size() - 1)));
      reset ? client->Reset() : client->End();
      EXPECT_THAT(Ask(client.get()), IsErrno(ECONNRESET));
    }
  }
  ScriptedBytestreamPtr broken = MakeScripted(&runtime_);
  broken->FailWrite(ECONNRESET);
  EXPECT_THAT(Ask(broken.get()), IsErrno(ECONNRESET));
}

// What the stream says is handed on, be it that the system has nothing left.
TEST_F(UpgradeTest, ErrorsOfTheStream) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOSPC, ENOMEM}) {
    SCOPED_TRACE(error);
    ScriptedBytestreamPtr server = MakeScripted(&runtime_);
    server->Deliver("GET").FailRead(error);
    EXPECT_THAT(Serve(server.get()), IsErrno(error));
    EXPECT_EQ(served_.status, 0);
    ScriptedBytestreamPtr mute = MakeScripted(&runtime_);
    mute->FailWrite(error);
    EXPECT_THAT(Ask(mute.get()), IsErrno(error));
    ScriptedBytestreamPtr deaf = MakeScripted(&runtime_);
    deaf->ExpectWrite(Request()).FailRead(error);
    EXPECT_THAT(Ask(deaf.get()), IsErrno(error));
    EXPECT_EQ(result_.status, 0);
  }
  ScriptedBytestreamPtr aborted = MakeScripted(&runtime_);
  aborted->Abort();
  EXPECT_THAT(Serve(aborted.get()), IsErrno(EBADF));
  EXPECT_THAT(Ask(aborted.get()), IsErrno(EBADF));
}

TEST_F(UpgradeTest, OneReaderAtATime) {
  auto [client, server] = MakePair(&runtime_);
  Bundle bundle(&runtime_);
  ASSERT_THAT(
      bundle.Go([server = server.get()] { EXPECT_THAT(server->Peek(1, kNever), IsErrno(EBADF)); }),
      IsOk());
  EXPECT_THAT(Serve(server.get()), IsErrno(EBUSY));
  EXPECT_THAT(Ask(server.get()), IsErrno(EBUSY));
  server->Abort();
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// Every wait of either side, timed out and cancelled.
TEST_F(UpgradeTest, InterruptedAtEveryWait) {
  for (const bool of_client : {false, true}) {
    for (const int error : {ETIMEDOUT, ECANCELED}) {
      SCOPED_TRACE(testing::Message() << (of_client ? "client " : "server ") << error);
      const int waits = SweepWaits(&runtime_, error, [&](WaitFault& fault) {
        Coroutine nobody;
        fault.set_only(&nobody);
        PairOptions tiny;
        tiny.capacity_bytes = 16;
        auto [client, server] = MakePair(&runtime_, tiny);
        absl::Status asked;
        absl::Status served;
        Bundle bundle(&runtime_);
        ASSERT_THAT(bundle.Go([&, server = server.get()] {
          if (!of_client) fault.set_only(runtime_.current());
          served = Serve(server);
          if (!served.ok()) server->Abort();
        }),
                    IsOk());
        ASSERT_THAT(bundle.Go([&, client = client.get()] {
          if (of_client) fault.set_only(runtime_.current());
          asked = Ask(client);
          if (!asked.ok()) client->Abort();
        }),
                    IsOk());
        EXPECT_EQ(bundle.Wait(kNever), 0);
        const absl::Status& mine = of_client ? asked : served;
        const absl::Status& other = of_client ? served : asked;
        if (mine.ok()) {
          // Not hit, or after the first byte of the last write had left: the rest follows.
          EXPECT_THAT(other, IsOk());
        } else {
          EXPECT_THAT(mine, IsErrno(error));
          EXPECT_TRUE(fault.hit());
          // A server whose time ran out inside the head may have said so.
          EXPECT_THAT(other, testing::AnyOf(IsErrno(ECONNRESET), IsErrno(EACCES)));
          EXPECT_TRUE(StatusErrno(other) == ECONNRESET || (error == ETIMEDOUT && !of_client));
        }
        EXPECT_TRUE(mine.ok() || fault.hit());
      });
      EXPECT_GE(waits, 10);
      EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
    }
  }
}

TEST_F(UpgradeTest, ExpiredDeadlineCompletesWhatNeedsNoWaiting) {
  ScriptedBytestreamPtr ready = MakeScripted(&runtime_);
  ready->Deliver(Request()).ExpectWrite(Answer());
  EXPECT_THAT(Serve(ready.get(), Deadline::Immediately()), IsOk());
  ScriptedBytestreamPtr silent = MakeScripted(&runtime_);
  EXPECT_THAT(Serve(silent.get(), Deadline::Immediately()), IsErrno(ETIMEDOUT));
  ScriptedBytestreamPtr refused = MakeScripted(&runtime_);
  refused->Deliver("nonsense\r\n\r\n").BlockWrites().AwaitWriter();
  EXPECT_THAT(Serve(refused.get(), Deadline::Immediately()), IsErrno(ETIMEDOUT));
}

}  // namespace
}  // namespace halfpipe::websocket
