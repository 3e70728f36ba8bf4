// Plain requests on the port of a WebSocket: keep-alive, pipelines, bounds (RFC 9112 section 9).

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

std::string Get(absl::string_view path, absl::string_view fields = "") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: example.org\r\n", fields, "\r\n");
}

// What the hook below answers to it.
std::string Page(absl::string_view path, absl::string_view connection = "") {
  const std::string body = absl::StrCat("page ", path);
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n", connection,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

constexpr absl::string_view kClose = "Connection: close\r\n";
constexpr absl::string_view kKeepAlive = "Connection: keep-alive\r\n";

std::string Refused(absl::string_view status, absl::string_view fields = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\n", fields,
                      "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

class PlainTest : public testing::Test {
 protected:
  absl::Status Serve(Bytestream* stream, Deadline deadline = kNever) {
    return ServerUpgradeOrPlain(
        &runtime_, stream, options_,
        [](const UpgradeRequest&) { return UpgradeDecision::Accept(); },
        [this](const http::RequestHead& head) {
          seen_.push_back(absl::StrCat(head.method, " ", head.target));
          http::Response response = response_;
          if (response.body.empty() && response.status == 200) {
            response = http::TextResponse(200, absl::StrCat("page ", head.target));
            response.close = response_.close;
          }
          return response;
        },
        deadline, &result_);
  }

  absl::Duration Passed() {
    return absl::Nanoseconds(runtime_.sim_clock().NowNanos()) - absl::Seconds(1);
  }

  SimRuntime runtime_;
  ServerUpgradeOptions options_{.unix_seconds = nullptr};
  http::Response response_;
  ServerUpgradeResult result_;
  std::vector<std::string> seen_;
};

TEST_F(PlainTest, ConnectionGoesOnUntilTheClientEndsIt) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/a")).ExpectWrite(Page("/a"));
  script->Deliver(Get("/b", "Connection: keep-alive\r\n")).ExpectWrite(Page("/b"));
  script->Deliver("\r\n" + Get("/c")).ExpectWrite(Page("/c")).End().ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
  EXPECT_EQ(result_.plain_requests, 3u);
  EXPECT_EQ(result_.status, 200);
  EXPECT_EQ(script->steps_left(), 0u);
}

// Requests that come together are answered one by one, and nothing of what follows is lost.
TEST_F(PlainTest, PipelineOfRequestsAndTheUpgradeBehindThem) {
  const std::string input = absl::StrCat(Get("/a"), "HEAD /b HTTP/1.1\r\nHost: h\r\n\r\n",
                                         Get("/c"), Request(), "first frame");
  const std::string head_only = Page("/b").substr(0, Page("/b").size() - 7);
  for (const size_t cut : {size_t{1}, size_t{3}, size_t{50}, input.size()}) {
    SCOPED_TRACE(cut);
    // Cut anywhere, through a pair, because the answers come whenever they can.
    auto [client, server] = MakePair(&runtime_);
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&, client = client.get()] {
      for (size_t i = 0; i < input.size(); i += cut) {
        const IoSlice slice(absl::string_view(input).substr(i, cut));
        EXPECT_THAT(client->Write({&slice, 1}, false, kNever), IsOk());
        EXPECT_EQ(runtime_.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
      }
    }),
                IsOk());
    seen_.clear();
    EXPECT_THAT(Serve(server.get()), IsOk());
    EXPECT_EQ(result_.plain_requests, 3u);
    EXPECT_EQ(result_.status, 101);
    EXPECT_EQ(result_.resource, "/chat?x=1");
    EXPECT_EQ(seen_, (std::vector<std::string>{"GET /a", "HEAD /b", "GET /c"}));
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_THAT(server->Peek(11, kNever), IsOk());
    EXPECT_EQ(Buffered(server.get()), "first frame");
    EXPECT_THAT(server->Done(kNever), IsOk());
    EXPECT_EQ(ReadToEnd(client.get()), absl::StrCat(Page("/a"), head_only, Page("/c"), Answer()));
  }
}

// RFC 9112 section 9.3.
TEST_F(PlainTest, WhoEndsTheConnection) {
  const struct {
    const char* request;
    bool close;  // by the hook
    absl::string_view connection;
    bool goes_on;
  } kRows[] = {
      {"GET /p HTTP/1.1\r\nHost: h\r\n\r\n", false, "", true},
      {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", false, "", true},
      {"GET /p HTTP/1.9\r\nHost: h\r\n\r\n", false, "", true},
      {"GET /p HTTP/1.1\r\nHost: h\r\n\r\n", true, kClose, false},
      {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false, kClose, false},
      {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: a, CLOSE\r\n\r\n", false, kClose, false},
      {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false,
       kClose, false},
      {"GET /p HTTP/1.0\r\nHost: h\r\n\r\n", false, kClose, false},
      {"GET /p HTTP/1.0\r\n\r\n", false, kClose, false},
      {"GET /p HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false, kKeepAlive, true},
      {"GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, kClose, false},
      {"GET /p HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, kClose, false},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.request);
    response_.close = row.close;
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(row.request).ExpectWrite(Page("/p", row.connection));
    if (row.goes_on) {
      response_.close = false;
      script->Deliver(Get("/p", kClose)).ExpectWrite(Page("/p", kClose));
    }
    script->ExpectDone();
    EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
    EXPECT_EQ(result_.plain_requests, row.goes_on ? 2u : 1u);
    EXPECT_EQ(script->steps_left(), 0u);
  }
}

TEST_F(PlainTest, NumberOfRequestsAtItsLimit) {
  for (const int count : {1, 2, 3}) {
    SCOPED_TRACE(count);
    options_.plain_requests_max = 2;
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    for (int i = 1; i <= std::min(count, 2); ++i) {
      script->Deliver(Get("/p")).ExpectWrite(Page("/p", i == 2 ? kClose : ""));
    }
    if (count == 1) script->End();
    script->ExpectDone();
    // The third one is not looked at.
    if (count == 3) script->Deliver(Get("/p"));
    EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
    EXPECT_EQ(result_.plain_requests, static_cast<size_t>(std::min(count, 2)));
    EXPECT_EQ(script->steps_left(), 0u);
  }
  options_.plain_requests_max = 0;
  ScriptedBytestreamPtr untouched = MakeScripted(&runtime_);
  EXPECT_THAT(Serve(untouched.get()), IsErrno(EINVAL));
}

// The upgrade counts as none.
TEST_F(PlainTest, UpgradeBehindTheLastButOneRequest) {
  options_.plain_requests_max = 2;
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/p")).ExpectWrite(Page("/p")).Deliver(Request()).ExpectWrite(Answer());
  EXPECT_THAT(Serve(script.get()), IsOk());
  EXPECT_EQ(result_.plain_requests, 1u);
}

// Whoever waits between requests elsewhere has each one answered by a call; nothing behind it is
// touched.
TEST_F(PlainTest, OneRequestForEachCall) {
  options_.one_request = true;
  options_.keep_alive_time_max = absl::ZeroDuration();
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/a") + Get("/b")).ExpectWrite(Page("/a")).ExpectWrite(Page("/b"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Serve(script.get()), IsErrno(EAGAIN));
    EXPECT_EQ(result_.plain_requests, 1u);
    EXPECT_EQ(result_.status, 200);
  }
  EXPECT_EQ(seen_, (std::vector<std::string>{"GET /a", "GET /b"}));
  EXPECT_EQ(script->steps_left(), 0u);
  // The last one that may come ends the connection, and so does one that wants that.
  options_.plain_requests_max = 1;
  script->Deliver(Get("/c")).ExpectWrite(Page("/c", kClose)).ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
  EXPECT_EQ(result_.plain_requests, 1u);
  options_.plain_requests_max = 2;
  ScriptedBytestreamPtr other = MakeScripted(&runtime_);
  other->Deliver(Get("/d", kClose)).ExpectWrite(Page("/d", kClose)).ExpectDone();
  EXPECT_THAT(Serve(other.get()), IsErrno(ENOTSUP));
  ScriptedBytestreamPtr upgraded = MakeScripted(&runtime_);
  upgraded->Deliver(Request()).ExpectWrite(Answer());
  EXPECT_THAT(Serve(upgraded.get()), IsOk());
}

TEST_F(PlainTest, IdleConnectionEndsWithoutAWord) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/p")).ExpectWrite(Page("/p"));
  script->AwaitReader().ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
  EXPECT_EQ(Passed(), options_.keep_alive_time_max);
  EXPECT_EQ(script->steps_left(), 0u);
}

// Each request has its own time, from its first byte on.
TEST_F(PlainTest, IdleAndHeadTimesAreApart) {
  auto [client, server] = MakePair(&runtime_);
  Bundle bundle(&runtime_);
  ASSERT_THAT(bundle.Go([&, client = client.get()] {
    const auto say = [&](absl::string_view text, absl::Duration pause) {
      const IoSlice slice(text);
      EXPECT_THAT(client->Write({&slice, 1}, false, kNever), IsOk());
      EXPECT_EQ(runtime_.SleepUntil(Deadline::In(pause)), 0);
    };
    for (int i = 0; i < 3; ++i) {
      say("GET /p HTTP/1.1\r\n", absl::Seconds(9));
      say("Host: h\r\n\r\n", absl::Seconds(14));
    }
    say("GET /p", absl::ZeroDuration());
  }),
              IsOk());
  // Part of a head is worth a word.
  EXPECT_THAT(Serve(server.get()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), 3 * absl::Seconds(23) + options_.head_time_max);
  EXPECT_EQ(result_.plain_requests, 3u);
  EXPECT_EQ(result_.status, 408);
  EXPECT_EQ(ReadToEnd(client.get()),
            absl::StrCat(Page("/p"), Page("/p"), Page("/p"), Refused("408 Request Timeout")));
  EXPECT_EQ(bundle.Wait(kNever), 0);
}

// The caller's deadline is for all of it.
TEST_F(PlainTest, DeadlineEndsAnIdleConnectionToo) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/p")).ExpectWrite(Page("/p")).AwaitReader().ExpectDone();
  EXPECT_THAT(Serve(script.get(), Deadline::In(absl::Seconds(3))), IsErrno(ENOTSUP));
  EXPECT_EQ(Passed(), absl::Seconds(3));
}

// Content is never read, so that nothing behind the head is taken for a request.
TEST_F(PlainTest, ContentIsRefusedAndTheConnectionEnds) {
  const std::pair<const char*, const char*> rows[] = {
      {"Content-Length: 5\r\n", "413 Content Too Large"},
      {"Transfer-Encoding: chunked\r\n", "413 Content Too Large"},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "400 Bad Request"},
      {"Content-Length: 5\r\nContent-Length: 6\r\n", "400 Bad Request"},
      {"Content-Length: 0\r\nContent-Length: 0\r\n", "400 Bad Request"},
      {"Content-Length: +5\r\n", "400 Bad Request"},
      {"Content-Length: 18446744073709551616\r\n", "400 Bad Request"},
      {"Transfer-Encoding: gzip, chunked\r\n", "501 Not Implemented"},
  };
  for (const auto& [fields, status] : rows) {
    for (const char* method : {"GET", "HEAD"}) {
      SCOPED_TRACE(absl::StrCat(method, " ", fields));
      seen_.clear();
      ScriptedBytestreamPtr script = MakeScripted(&runtime_);
      script->Deliver(absl::StrCat(method, " / HTTP/1.1\r\nHost: h\r\n", fields, "\r\n",
                                   "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"));
      script->ExpectWrite(Refused(status)).ExpectDone();
      EXPECT_THAT(Serve(script.get()), IsErrno(EPROTO));
      EXPECT_TRUE(seen_.empty());
      EXPECT_EQ(script->steps_left(), 0u);
    }
  }
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
  script->ExpectWrite(Refused("400 Bad Request")).ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(EPROTO));
  // None is none.
  ScriptedBytestreamPtr none = MakeScripted(&runtime_);
  none->Deliver(Get("/p", "Content-Length: 0\r\n")).ExpectWrite(Page("/p")).End().ExpectDone();
  EXPECT_THAT(Serve(none.get()), IsErrno(ENOTSUP));
}

TEST_F(PlainTest, BadRequestsEndTheConnectionWhereverTheyCome) {
  const std::pair<std::string, std::string> rows[] = {
      {"POST / HTTP/1.1\r\nHost: h\r\n\r\n",
       Refused("405 Method Not Allowed", "Allow: GET, HEAD\r\n")},
      {"GET / HTTP/1.1\r\n\r\n", Refused("400 Bad Request")},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Refused("400 Bad Request")},
      {"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Refused("400 Bad Request")},
      {"HEAD * HTTP/1.1\r\nHost: h\r\n\r\n", Refused("400 Bad Request")},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", Refused("505 HTTP Version Not Supported")},
      {"GET /\r\n\r\n", Refused("400 Bad Request")},
  };
  for (const auto& [request, answer] : rows) {
    for (const bool behind_another : {false, true}) {
      SCOPED_TRACE(request);
      ScriptedBytestreamPtr script = MakeScripted(&runtime_);
      if (behind_another) script->Deliver(Get("/p")).ExpectWrite(Page("/p"));
      script->Deliver(request).ExpectWrite(answer).ExpectDone();
      EXPECT_THAT(Serve(script.get()), IsErrno(EPROTO));
      EXPECT_EQ(result_.plain_requests, behind_another ? 1u : 0u);
      EXPECT_EQ(script->steps_left(), 0u);
    }
  }
}

// With HEAD nothing can be upgraded, so what it offers is ignored (RFC 9110 section 7.8).
TEST_F(PlainTest, HeadThatOffersWebSocket) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Replaced(Request(), "GET", "HEAD"));
  const std::string page = Page("/chat?x=1");
  script->ExpectWrite(page.substr(0, page.find("\r\n\r\n") + 4)).End().ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
  EXPECT_EQ(seen_, std::vector<std::string>{"HEAD /chat?x=1"});
}

// RFC 9110 section 6.6.1. The same for HEAD (section 9.3.2).
TEST_F(PlainTest, AnswersHaveADate) {
  options_.unix_seconds = [] { return int64_t{784'111'777}; };
  const std::string page =
      Replaced(Page("/p"), "200 OK\r\n", "200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/p")).ExpectWrite(page);
  script->Deliver(Replaced(Get("/p"), "GET", "HEAD"));
  script->ExpectWrite(page.substr(0, page.find("\r\n\r\n") + 4)).End().ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
}

// A peer that has said all it has to say gets the whole answer.
TEST_F(PlainTest, HalfClosedClientIsAnswered) {
  const std::pair<std::string, std::string> rows[] = {
      {Get("/p", kClose), Page("/p", kClose)},
      {Get("/p"), Page("/p")},
      {Request(), Answer()},
      {"nonsense\r\n\r\n", Refused("400 Bad Request")},
  };
  for (const auto& [request, answer] : rows) {
    SCOPED_TRACE(request);
    PairOptions tiny;
    tiny.capacity_bytes = 16;
    auto [client, server] = MakePair(&runtime_, tiny);
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&text = request, client = client.get()] {
      const IoSlice slice(text);
      EXPECT_THAT(client->Write({&slice, 1}, false, kNever), IsOk());
      EXPECT_THAT(client->Done(kNever), IsOk());
    }),
                IsOk());
    std::string heard;
    ASSERT_THAT(bundle.Go([&heard, client = client.get()] { heard = ReadToEnd(client); }), IsOk());
    static_cast<void>(Serve(server.get()));
    static_cast<void>(server->Done(kNever));
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_EQ(heard, answer);
  }
}

// DNS rebinding is no less bad with plain requests.
TEST_F(PlainTest, HostsAreJudged) {
  const absl::string_view hosts[] = {"example.org"};
  options_.hosts.hosts = hosts;
  for (const char* request : {"GET / HTTP/1.1\r\nHost: evil.com\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
                              "GET http://evil.com/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
                              "GET https://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n"}) {
    SCOPED_TRACE(request);
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(request).ExpectWrite(Refused("421 Misdirected Request")).ExpectDone();
    EXPECT_THAT(Serve(script.get()), IsErrno(EACCES));
    EXPECT_TRUE(seen_.empty());
  }
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/p")).ExpectWrite(Page("/p")).End().ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ENOTSUP));
}

// Every status with its content, and without where it has none.
TEST_F(PlainTest, AnswersOfEveryKind) {
  for (const int status : {200, 204, 301, 304, 404, 426, 503}) {
    SCOPED_TRACE(status);
    response_ = {.status = status, .fields = {{"X", "y"}}};
    if (http::StatusHasContent(status)) response_.body = "content";
    auto [client, server] = MakePair(&runtime_);
    const std::string requests =
        absl::StrCat(Get("/"), "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const IoSlice slice(requests);
    ASSERT_THAT(client->Write({&slice, 1}, false, kNever), IsOk());
    EXPECT_THAT(Serve(server.get()), IsErrno(ENOTSUP));
    EXPECT_EQ(result_.status, status);
    const std::string answer = ReadToEnd(client.get());
    const size_t second = answer.find("HTTP/1.1", 1);
    ASSERT_NE(second, std::string::npos);
    EXPECT_EQ(absl::EndsWith(answer.substr(0, second), "content"), http::StatusHasContent(status));
    EXPECT_TRUE(absl::EndsWith(answer, "\r\n\r\n"));
    EXPECT_EQ(absl::StrContains(answer.substr(second), "Content-Length: 7\r\n"),
              http::StatusHasContent(status));
    EXPECT_EQ(absl::StrContains(answer, "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
              status == 426);
  }
}

TEST_F(PlainTest, WhatCannotBeSaidIsOurFault) {
  const http::Response bad[] = {
      {.status = 101, .body = "x"},
      {.status = 600, .body = "x"},
      {.status = 204, .body = "x"},
      {.status = 205, .body = "x"},
      {.status = 401, .body = "x"},
      {.status = 405, .body = "x"},
      {.status = 404, .fields = {{"A", "1\r\nEvil: 1"}}},
      {.status = 404, .fields = {{"A\r\nEvil", "1"}}},
      {.status = 404, .fields = {{"Content-Length", "1"}}},
      {.status = 404, .fields = {{"A", std::string(20'000, 'x')}}},
  };
  for (const http::Response& response : bad) {
    response_ = response;
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(Get("/")).ExpectWrite(Refused("500 Internal Server Error")).ExpectDone();
    EXPECT_THAT(Serve(script.get()), IsErrno(EINVAL));
    EXPECT_EQ(script->steps_left(), 0u);
    EXPECT_EQ(result_.plain_requests, 0u);
  }
}

// A page larger than every buffer arrives whole.
TEST_F(PlainTest, LargeContent) {
  response_ = http::TextResponse(200, std::string(3 << 20, 'x'));
  auto [client, server] = MakePair(&runtime_);
  const std::string request = Get("/", kClose);
  const IoSlice slice(request);
  ASSERT_THAT(client->Write({&slice, 1}, false, kNever), IsOk());
  Bundle bundle(&runtime_);
  std::string answer;
  ASSERT_THAT(bundle.Go([&, client = client.get()] { answer = ReadToEnd(client); }), IsOk());
  EXPECT_THAT(Serve(server.get()), IsErrno(ENOTSUP));
  EXPECT_EQ(bundle.Wait(kNever), 0);
  EXPECT_TRUE(absl::EndsWith(answer, response_.body));
  EXPECT_TRUE(absl::StrContains(answer, "\r\nContent-Length: 3145728\r\n"));
}

// Who does not take what it asked for is not waited for without end.
TEST_F(PlainTest, SlowReader) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(Get("/p")).BlockWrites().AwaitWriter();
  EXPECT_THAT(Serve(script.get()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), options_.answer_time_max);
  script->Abort();
}

// Nor who has taken a part: what is left is kept, and the next answer waits behind it.
TEST_F(PlainTest, SlowReaderOfAPart) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver(absl::StrCat(Get("/p"), Get("/q"))).ExpectWrite("H").BlockWrites().AwaitWriter();
  EXPECT_THAT(Serve(script.get()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), 2 * options_.answer_time_max);
  EXPECT_EQ(result_.plain_requests, 1u);
  script->Abort();
}

TEST_F(PlainTest, EndAndResetInsideAHead) {
  for (const bool reset : {false, true}) {
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(Get("/p")).ExpectWrite(Page("/p")).Deliver("GET /");
    reset ? script->Reset() : script->End();
    EXPECT_THAT(Serve(script.get()), IsErrno(ECONNRESET));
    ScriptedBytestreamPtr idle = MakeScripted(&runtime_);
    idle->Deliver(Get("/p")).ExpectWrite(Page("/p"));
    idle->AwaitReader().Reset();
    EXPECT_THAT(Serve(idle.get()), IsErrno(ECONNRESET));
  }
}

// Every wait of the server, timed out and cancelled, in two requests and an upgrade.
TEST_F(PlainTest, InterruptedAtEveryWait) {
  Runtime runtime;
  for (const int error : {ETIMEDOUT, ECANCELED}) {
    SCOPED_TRACE(error);
    const int waits = SweepWaits(&runtime, error, [&](WaitFault& fault) {
      Coroutine nobody;
      fault.set_only(&nobody);
      PairOptions tiny;
      tiny.capacity_bytes = 32;
      auto [client, server] = MakePair(&runtime, tiny);
      absl::Status served;
      Bundle bundle(&runtime);
      ASSERT_THAT(bundle.Go([&, server = server.get()] {
        fault.set_only(runtime.current());
        served = ServerUpgradeOrPlain(
            &runtime, server, {}, [](const UpgradeRequest&) { return UpgradeDecision::Accept(); },
            [](const http::RequestHead&) { return http::TextResponse(200, "page"); }, kNever);
        if (!served.ok()) server->Abort();
      }),
                  IsOk());
      ASSERT_THAT(bundle.Go([&, client = client.get()] {
        const std::string input = absl::StrCat(Get("/a"), Get("/b"), Request());
        const IoSlice slice(input);
        static_cast<void>(client->Write({&slice, 1}, false, kNever));
      }),
                  IsOk());
      ASSERT_THAT(bundle.Go([&, client = client.get()] {
        for (;;) {
          auto bytes = client->Peek(1, kNever);
          if (!bytes.ok() || bytes->empty()) return;
          const bool last = absl::StrContains(AsChars(*bytes), "K+xOo=");
          client->Consume(bytes->size());
          if (last) return;
        }
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(kNever), 0);
      if (!served.ok()) {
        EXPECT_TRUE(fault.hit());
        // Between two requests the end of the time is the end of the connection.
        EXPECT_TRUE(StatusErrno(served) == error ||
                    (error == ETIMEDOUT && StatusErrno(served) == ENOTSUP))
            << served;
      }
    });
    EXPECT_GE(waits, 10);
    EXPECT_EQ(runtime.buffer_pool().blocks_in_use(), 0u);
  }
}

}  // namespace
}  // namespace halfpipe::websocket
