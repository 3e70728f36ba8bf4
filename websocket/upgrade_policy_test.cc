// What a server may decide about a request to upgrade: origins, hosts, times, and its own hook.

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "http/core/basic_auth.h"
#include "http/core/constant_time.h"
#include "http/core/cookie.h"
#include "http/core/response.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/handshake/origin_policy.h"
#include "websocket/options.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

std::string Refused(absl::string_view status, absl::string_view fields = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\n", fields,
                      "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

class PolicyTest : public testing::Test {
 protected:
  absl::Status Serve(Bytestream* stream, Deadline deadline = kNever) {
    return ServerUpgrade(
        &runtime_, stream, options_,
        [this](const UpgradeRequest& request) {
          ++asked_;
          return look_ != nullptr ? look_(request) : decision_;
        },
        deadline, &result_);
  }

  // Serves `request`, expects `answer`, and the end of the connection unless it is an acceptance.
  absl::Status Expect(absl::string_view request, absl::string_view answer) {
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(request).ExpectWrite(answer);
    if (!absl::StrContains(answer, "HTTP/1.1 101 ")) script->ExpectDone();
    absl::Status status = Serve(script.get());
    EXPECT_EQ(script->steps_left(), 0u);
    return status;
  }

  absl::Duration Passed() {
    return absl::Nanoseconds(runtime_.sim_clock().NowNanos()) - absl::Seconds(1);
  }

  SimRuntime runtime_;
  ServerUpgradeOptions options_{.unix_seconds = nullptr};
  UpgradeDecision decision_;
  UpgradeDecision (*look_)(const UpgradeRequest&) = nullptr;
  ServerUpgradeResult result_;
  int asked_ = 0;
};

// ---- Time --------------------------------------------------------------------------------------

// RFC 9110 section 15.5.9. A byte now and then does not help.
TEST_F(PolicyTest, SlowHeadIsAnsweredWith408) {
  const std::string request = Request();
  for (const size_t size : {size_t{1}, size_t{2}, size_t{100}, request.size() - 1}) {
    SCOPED_TRACE(size);
    const absl::Duration before = Passed();
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    for (size_t i = 0; i < size; ++i) script->Deliver(request.substr(i, 1));
    script->AwaitReader().ExpectWrite(Refused("408 Request Timeout")).ExpectDone();
    EXPECT_THAT(Serve(script.get()), IsErrno(ETIMEDOUT));
    EXPECT_EQ(Passed() - before, options_.head_time_max);
    EXPECT_EQ(result_.status, 408);
    EXPECT_EQ(script->steps_left(), 0u);
  }
  EXPECT_EQ(asked_, 0);
}

TEST_F(PolicyTest, SlowHeadEndsWithTheDeadlineToo) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->Deliver("GET").AwaitReader().ExpectWrite(Refused("408 Request Timeout")).ExpectDone();
  EXPECT_THAT(Serve(script.get(), Deadline::In(absl::Seconds(2))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), absl::Seconds(2));
}

// Who has said nothing has perhaps opened the connection to have it at hand.
TEST_F(PolicyTest, SilenceIsAnsweredWithSilence) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->AwaitReader();
  EXPECT_THAT(Serve(script.get()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), options_.head_time_max);
  EXPECT_EQ(result_.status, 0);
}

TEST_F(PolicyTest, HeadTimeWithoutBoundIsTheDeadlineAlone) {
  options_.head_time_max = absl::InfiniteDuration();
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->AwaitReader();
  EXPECT_THAT(Serve(script.get(), Deadline::In(absl::Hours(5))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), absl::Hours(5));
}

// The 408 itself is not waited for.
TEST_F(PolicyTest, SlowHeadOfAPeerThatReadsNothing) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->BlockWrites().Deliver("GET").AwaitReader().ExpectDone();
  EXPECT_THAT(Serve(script.get()), IsErrno(ETIMEDOUT));
  EXPECT_EQ(Passed(), options_.head_time_max);
  EXPECT_EQ(result_.status, 0);
  script->Abort();
}

TEST_F(PolicyTest, AnswersAreBounded) {
  for (const int status : {101, 403}) {
    SCOPED_TRACE(status);
    const absl::Duration before = Passed();
    decision_.status = status;
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(Request()).BlockWrites().AwaitWriter();
    EXPECT_THAT(Serve(script.get()), IsErrno(ETIMEDOUT));
    EXPECT_EQ(Passed() - before, options_.answer_time_max);
    EXPECT_EQ(result_.status, 0);
    script->Abort();
  }
}

// ---- Terms -------------------------------------------------------------------------------------

TEST_F(PolicyTest, TermsTakeThePlaceOfTheOptions) {
  static constexpr absl::string_view kSubprotocols[] = {"v2"};
  static constexpr absl::string_view kFriend[] = {"https://friend.net"};
  const UpgradeTerms strict = {
      .subprotocols = kSubprotocols,
      .deflate = {.enabled = true, .server_max_window_bits = 10},
      .origin = {.kind = OriginPolicy::Kind::kAllowList, .allowed = kFriend}};
  const UpgradeTerms* terms = &strict;
  std::string resource;
  options_.terms = [&](absl::string_view asked) {
    resource = std::string(asked);
    return terms;
  };
  const std::string request = Request(
      "Origin: https://friend.net\r\nSec-WebSocket-Protocol: v1, v2\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n");
  EXPECT_THAT(Expect(request, Answer("Sec-WebSocket-Protocol: v2\r\nSec-WebSocket-Extensions: "
                                     "permessage-deflate; server_max_window_bits=10\r\n")),
              IsOk());
  EXPECT_EQ(resource, "/chat?x=1");
  EXPECT_EQ(StreamOptions(options_, result_).deflate.server_max_window_bits, 10);
  EXPECT_THAT(Expect(Request("Origin: http://example.org\r\n"), Refused("403 Forbidden")),
              IsErrno(EACCES));
  // Without terms the options hold: no subprotocol, no compression, anybody's page.
  terms = nullptr;
  EXPECT_THAT(Expect(request, Answer()), IsOk());
  EXPECT_FALSE(StreamOptions(options_, result_).deflate_params.has_value());
  // They are not asked about a request for nothing, nor believed blindly.
  resource.clear();
  EXPECT_THAT(Expect("GET / HTTP/1.1\r\n\r\n", Refused("400 Bad Request")), IsErrno(EPROTO));
  EXPECT_EQ(resource, "");
  const UpgradeTerms wrong = {.deflate = {.server_max_window_bits = 7}};
  terms = &wrong;
  EXPECT_THAT(Expect(request, Refused("500 Internal Server Error")), IsErrno(EINVAL));
}

// ---- Origin and host ---------------------------------------------------------------------------

TEST_F(PolicyTest, OriginIsJudged) {
  const absl::string_view allowed[] = {"https://friend.net"};
  options_.origin = {.kind = OriginPolicy::Kind::kSameOrigin, .allowed = allowed};
  for (const char* good : {"http://example.org", "http://EXAMPLE.org:80", "https://friend.net"}) {
    EXPECT_THAT(Expect(Request(absl::StrCat("Origin: ", good, "\r\n")), Answer()), IsOk()) << good;
  }
  EXPECT_EQ(asked_, 3);
  for (const char* bad :
       {"https://example.org", "http://example.org:8080", "http://evil.com", "null",
        "http://evil-example.org", "http://example.org.evil.com", "nonsense", "http://example.org.",
        "http://example.org http://evil.com"}) {
    EXPECT_THAT(Expect(Request(absl::StrCat("Origin: ", bad, "\r\n")), Refused("403 Forbidden")),
                IsErrno(EACCES))
        << bad;
  }
  EXPECT_THAT(Expect(Request(), Refused("403 Forbidden")), IsErrno(EACCES));
  EXPECT_THAT(Expect(Request("Origin: http://example.org\r\nOrigin: http://example.org\r\n"),
                     Refused("400 Bad Request")),
              IsErrno(EPROTO));
  EXPECT_EQ(asked_, 3);
  options_.origin.allow_missing = true;
  EXPECT_THAT(Expect(Request(), Answer()), IsOk());
  options_.secure = true;
  EXPECT_THAT(Expect(Request("Origin: https://example.org\r\n"), Answer()), IsOk());
  EXPECT_THAT(Expect(Request("Origin: http://example.org\r\n"), Refused("403 Forbidden")),
              IsErrno(EACCES));
}

// The host that counts is that of an absolute target (RFC 9112 section 3.2.2).
TEST_F(PolicyTest, OriginIsComparedWithTheHostOfTheTarget) {
  options_.origin = {.kind = OriginPolicy::Kind::kSameOrigin};
  const std::string absolute = Replaced(Request("Origin: http://other.net\r\n"), "GET /chat?x=1",
                                        "GET http://other.net/chat?x=1");
  EXPECT_THAT(Expect(absolute, Answer()), IsOk());
  EXPECT_EQ(result_.host, "other.net");
  EXPECT_EQ(result_.resource, "/chat?x=1");
  EXPECT_THAT(Expect(Replaced(absolute, "Origin: http://other.net", "Origin: http://example.org"),
                     Refused("403 Forbidden")),
              IsErrno(EACCES));
}

TEST_F(PolicyTest, ByDefaultEveryOriginAndEveryHost) {
  EXPECT_THAT(Expect(Request("Origin: https://evil.com\r\n"), Answer()), IsOk());
  EXPECT_THAT(Expect(Replaced(Request(), "Host: example.org", "Host: evil.com:99"), Answer()),
              IsOk());
}

TEST_F(PolicyTest, HostIsJudged) {
  const absl::string_view hosts[] = {"example.org", "localhost:8080"};
  options_.hosts.hosts = hosts;
  EXPECT_THAT(Expect(Request(), Answer()), IsOk());
  EXPECT_THAT(Expect(Replaced(Request(), "Host: example.org", "Host: localhost:8080"), Answer()),
              IsOk());
  for (const char* other : {"evil.com", "127.0.0.1", "localhost", "example.org.evil.com",
                            "evil-example.org", "example.org."}) {
    EXPECT_THAT(Expect(Replaced(Request(), "Host: example.org", absl::StrCat("Host: ", other)),
                       Refused("421 Misdirected Request")),
                IsErrno(EACCES))
        << other;
  }
  EXPECT_EQ(asked_, 2);
}

// RFC 9110 section 7.4.
TEST_F(PolicyTest, TargetsOfHttpsNeedTls) {
  for (const char* scheme : {"https", "wss", "HTTPS"}) {
    const std::string request =
        Replaced(Request(), "GET /", absl::StrCat("GET ", scheme, "://example.org/"));
    options_.secure = false;
    EXPECT_THAT(Expect(request, Refused("421 Misdirected Request")), IsErrno(EACCES));
    options_.secure = true;
    EXPECT_THAT(Expect(request, Answer()), IsOk());
  }
  for (const char* scheme : {"http", "ws"}) {
    for (const bool secure : {false, true}) {
      options_.secure = secure;
      EXPECT_THAT(
          Expect(Replaced(Request(), "GET /", absl::StrCat("GET ", scheme, "://example.org/")),
                 Answer()),
          IsOk());
    }
  }
}

TEST_F(PolicyTest, PoliciesThatAreNoneAreTheCallersMistake) {
  const absl::string_view bad[] = {"https://example.org/"};
  options_.origin.allowed = bad;
  ScriptedBytestreamPtr untouched = MakeScripted(&runtime_);
  EXPECT_THAT(Serve(untouched.get()), IsErrno(EINVAL));
  options_.origin.allowed = {};
  options_.hosts.hosts = bad;
  EXPECT_THAT(Serve(untouched.get()), IsErrno(EINVAL));
}

// ---- The hook ----------------------------------------------------------------------------------

TEST_F(PolicyTest, AcceptanceMayCarryFields) {
  decision_.fields = {{"Set-Cookie", "a=1; HttpOnly"}, {"X-Trace", "7"}};
  EXPECT_THAT(Expect(Request(), Answer("Set-Cookie: a=1; HttpOnly\r\nX-Trace: 7\r\n")), IsOk());
  EXPECT_EQ(result_.status, 101);
  EXPECT_EQ(result_.resource, "/chat?x=1");
  EXPECT_EQ(result_.host, "example.org");
}

TEST_F(PolicyTest, SubprotocolMayBeOverridden) {
  const absl::string_view spoken[] = {"a"};
  options_.subprotocols = spoken;
  const std::string request = Request("Sec-WebSocket-Protocol: a, b\r\n");
  EXPECT_THAT(Expect(request, Answer("Sec-WebSocket-Protocol: a\r\n")), IsOk());
  EXPECT_EQ(result_.subprotocol, "a");
  decision_.subprotocol = "b";
  EXPECT_THAT(Expect(request, Answer("Sec-WebSocket-Protocol: b\r\n")), IsOk());
  EXPECT_EQ(result_.subprotocol, "b");
  decision_.subprotocol = "";
  EXPECT_THAT(Expect(request, Answer()), IsOk());
  EXPECT_EQ(result_.subprotocol, "");
  for (const char* bad : {"c", "A", "a, b", "a\r\nEvil: 1"}) {
    decision_.subprotocol = bad;
    EXPECT_THAT(Expect(request, Refused("500 Internal Server Error")), IsErrno(EINVAL)) << bad;
  }
  decision_.subprotocol = "a";
  EXPECT_THAT(Expect(Request(), Refused("500 Internal Server Error")), IsErrno(EINVAL));
}

TEST_F(PolicyTest, RefusalWithAnyStatusFieldsAndContent) {
  decision_ = UpgradeDecision::Refuse(401, "who are you?");
  decision_.fields.push_back(http::BasicChallenge("chat"));
  EXPECT_THAT(Expect(Request(),
                     "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "WWW-Authenticate: Basic realm=\"chat\", charset=\"UTF-8\"\r\n"
                     "Connection: close\r\nContent-Length: 12\r\n\r\nwho are you?"),
              IsErrno(EACCES));
  EXPECT_EQ(result_.status, 401);
  decision_ = {.status = 302, .fields = {{"Location", "wss://example.org/new"}}};
  EXPECT_THAT(Expect(Request(), Refused("302 Found", "Location: wss://example.org/new\r\n")),
              IsErrno(EACCES));
  decision_ = {.status = 503, .fields = {{"Retry-After", "120"}}};
  EXPECT_THAT(Expect(Request(), Refused("503 Service Unavailable", "Retry-After: 120\r\n")),
              IsErrno(EACCES));
  decision_ = {.status = 599, .body = std::string("\0\xff", 2)};
  EXPECT_THAT(Expect(Request(), absl::StrCat("HTTP/1.1 599 \r\nConnection: close\r\n"
                                             "Content-Length: 2\r\n\r\n",
                                             decision_.body)),
              IsErrno(EACCES));
}

// RFC 9110 sections 15.5.6 and 15.5.22.
TEST_F(PolicyTest, WhatAStatusMustHaveIsAdded) {
  decision_ = UpgradeDecision::Refuse(405);
  EXPECT_THAT(Expect(Request(), Refused("405 Method Not Allowed", "Allow: GET\r\n")),
              IsErrno(EACCES));
  decision_ = UpgradeDecision::Refuse(426);
  EXPECT_THAT(Expect(Request(),
                     "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
                     "Content-Length: 0\r\n\r\n"),
              IsErrno(EACCES));
  decision_ = UpgradeDecision::Refuse(304);
  EXPECT_THAT(Expect(Request(), "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"),
              IsErrno(EACCES));
}

// RFC 9110 section 6.6.1.
TEST_F(PolicyTest, RefusalsHaveADate) {
  options_.unix_seconds = [] { return int64_t{784'111'777}; };
  const absl::string_view date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
  decision_ = UpgradeDecision::Refuse(403);
  EXPECT_THAT(Expect(Request(), Refused("403 Forbidden", date)), IsErrno(EACCES));
  decision_.fields = {{"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}};
  EXPECT_THAT(
      Expect(Request(), Refused("403 Forbidden", "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")),
      IsErrno(EACCES));
  EXPECT_THAT(Expect("nonsense\r\n\r\n", Refused("400 Bad Request", date)), IsErrno(EPROTO));
  ScriptedBytestreamPtr slow = MakeScripted(&runtime_);
  slow->Deliver("GET").AwaitReader().ExpectWrite(Refused("408 Request Timeout", date)).ExpectDone();
  EXPECT_THAT(Serve(slow.get()), IsErrno(ETIMEDOUT));
  // A 101 may have one; nobody needs it.
  decision_ = UpgradeDecision::Accept();
  EXPECT_THAT(Expect(Request(), Answer()), IsOk());
}

// RFC 9110 section 7.8: 100 comes before 101, and before nothing else.
TEST_F(PolicyTest, ExpectedContinueIsSaid) {
  const std::string request = Request("Expect: 100-continue\r\n");
  EXPECT_THAT(Expect(request, absl::StrCat("HTTP/1.1 100 Continue\r\n\r\n", Answer())), IsOk());
  EXPECT_EQ(result_.status, 101);
  decision_ = UpgradeDecision::Refuse(403);
  EXPECT_THAT(Expect(request, Refused("403 Forbidden")), IsErrno(EACCES));
}

// RFC 9110 section 15.5.2.
TEST_F(PolicyTest, RefusalWith401NeedsAChallenge) {
  decision_ = UpgradeDecision::Refuse(401, "who are you?");
  EXPECT_THAT(Expect(Request(), Refused("500 Internal Server Error")), IsErrno(EINVAL));
}

TEST_F(PolicyTest, DecisionsThatCannotBeSaidAreOurFault) {
  std::vector<UpgradeDecision> bad;
  for (const int status : {-1, 0, 99, 100, 102, 103, 199, 200, 204, 299, 600, 1000}) {
    bad.push_back({.status = status});
  }
  bad.push_back({.status = 101, .body = "content"});
  bad.push_back({.status = 304, .body = "content"});
  for (const int status : {101, 403}) {
    for (const http::OwnedField& field :
         std::vector<http::OwnedField>{{"A", "1\r\nEvil: 1"},
                                       {"A\r\nEvil", "1"},
                                       {"", "1"},
                                       {"A", std::string("\0", 1)},
                                       {"Connection", "close"},
                                       {"upgrade", "h2c"},
                                       {"Content-Length", "7"},
                                       {"Transfer-Encoding", "chunked"},
                                       {"keep-alive", "timeout=5"},
                                       {"Trailer", "X"},
                                       {"A", std::string(20'000, 'x')}}) {
      bad.push_back({.status = status, .fields = {field}});
    }
  }
  bad.push_back({.status = 101, .fields = {{"Sec-WebSocket-Accept", "x"}}});
  bad.push_back({.status = 101, .fields = {{"Sec-WebSocket-Extensions", "x"}}});
  for (size_t i = 0; i < bad.size(); ++i) {
    SCOPED_TRACE(testing::Message() << i << ": " << bad[i].status);
    decision_ = bad[i];
    EXPECT_THAT(Expect(Request(), Refused("500 Internal Server Error")), IsErrno(EINVAL));
    EXPECT_EQ(result_.status, 500);
  }
}

TEST_F(PolicyTest, HookReadsCookiesAndCredentials) {
  look_ = [](const UpgradeRequest& request) {
    const std::optional<absl::string_view> session =
        http::FindCookie(request.head.fields, "session");
    const auto user = http::ReadBasicCredentials(request.head.fields);
    const auto token = http::BearerToken(request.head.fields);
    const bool known = session.has_value() && http::SecretsEqual(*session, "s3cret");
    const bool named =
        user.has_value() && user->user == "me" && http::SecretsEqual(user->password, "pass:word");
    const bool borne = token.has_value() && http::SecretsEqual(*token, "tok.en==");
    return known && (named || borne) ? UpgradeDecision::Accept() : UpgradeDecision::Refuse(403);
  };
  const char* const cookie = "Cookie: a=b; session=s3cret\r\n";
  EXPECT_THAT(
      Expect(Request(absl::StrCat(cookie, "Authorization: Basic bWU6cGFzczp3b3Jk\r\n")), Answer()),
      IsOk());
  EXPECT_THAT(Expect(Request(absl::StrCat(cookie, "Authorization: Bearer tok.en==\r\n")), Answer()),
              IsOk());
  EXPECT_THAT(Expect(Request(cookie), Refused("403 Forbidden")), IsErrno(EACCES));
  EXPECT_THAT(Expect(Request(absl::StrCat(cookie, "Authorization: Bearer token\r\n")),
                     Refused("403 Forbidden")),
              IsErrno(EACCES));
}

// ---- What was agreed on ------------------------------------------------------------------------

TEST_F(PolicyTest, StreamOptionsAreWhatWasAgreedOn) {
  options_.deflate.enabled = true;
  options_.deflate.level = 3;
  Options base;
  base.role = Role::kClient;
  base.message_bytes_max = 77;
  EXPECT_THAT(
      Expect(Request("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"),
             Answer("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n")),
      IsOk());
  const Options made = StreamOptions(options_, result_, base);
  EXPECT_EQ(made.role, Role::kServer);
  EXPECT_EQ(made.message_bytes_max, 77u);
  EXPECT_EQ(made.deflate.level, 3);
  ASSERT_TRUE(made.deflate_params.has_value());
  EXPECT_EQ(made.deflate_params->server_max_window_bits, 10);
  // Of the next connection nothing is left over.
  EXPECT_THAT(Expect(Request(), Answer()), IsOk());
  EXPECT_EQ(StreamOptions(options_, result_).deflate_params, std::nullopt);

  FixedEntropy entropy;
  ClientUpgradeOptions asked;
  asked.entropy = &entropy;
  asked.deflate = options_.deflate;
  ClientUpgradeResult answered;
  answered.deflate = DeflateParams{};
  const Options client = StreamOptions(asked, answered, made);
  EXPECT_EQ(client.role, Role::kClient);
  EXPECT_EQ(client.entropy, &entropy);
  EXPECT_EQ(client.deflate_params, DeflateParams{});
  EXPECT_EQ(client.message_bytes_max, 77u);
}

}  // namespace
}  // namespace halfpipe::websocket
