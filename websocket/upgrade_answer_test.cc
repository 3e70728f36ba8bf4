// What a client is told of an answer: fields, the content of a refusal, redirects, 1xx.

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/header_list.h"
#include "http/core/response.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

class AnswerTest : public testing::Test {
 protected:
  absl::Status Ask(Bytestream* stream, Deadline deadline = kNever) {
    options_.entropy = &entropy_;
    return ClientUpgrade(&runtime_, stream, options_, &result_, deadline);
  }

  // What a client makes of an answer that comes in pieces, and then the end of the stream.
  absl::Status AskPieces(const std::vector<std::string>& pieces) {
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->ExpectWrite(Request());
    for (const std::string& piece : pieces) script->Deliver(piece);
    script->End();
    absl::Status status = Ask(script.get());
    ReadToEnd(script.get());
    return status;
  }

  absl::Duration Passed() {
    return absl::Nanoseconds(runtime_.sim_clock().NowNanos()) - absl::Seconds(1);
  }

  SimRuntime runtime_;
  FixedEntropy entropy_;
  ClientUpgradeOptions options_{.target = "/chat?x=1", .host = "example.org"};
  ClientUpgradeResult result_;
};

std::vector<std::string> Pieces(const std::string& text, size_t size) {
  std::vector<std::string> pieces;
  for (size_t i = 0; i < text.size(); i += size) pieces.push_back(text.substr(i, size));
  return pieces;
}

std::vector<std::string> SeededPieces(const std::string& text, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> pieces;
  for (size_t i = 0; i < text.size();) {
    const size_t size = 1 + random() % 40;
    pieces.push_back(text.substr(i, size));
    i += size;
  }
  return pieces;
}

TEST_F(AnswerTest, FieldsOfThe101) {
  EXPECT_THAT(AskPieces({Answer("Set-Cookie: a=1\r\nset-cookie: b=2\r\n"), "frames"}), IsOk());
  EXPECT_EQ(result_.status, 101);
  ASSERT_EQ(result_.fields.size(), 5u);
  EXPECT_EQ(result_.fields[3], (http::OwnedField{"Set-Cookie", "a=1"}));
  EXPECT_EQ(result_.fields[4], (http::OwnedField{"set-cookie", "b=2"}));
  EXPECT_EQ(result_.body, "");
}

// RFC 9112 sections 6.3 and 7.1, whole, byte by byte and with seeded cuts.
TEST_F(AnswerTest, ContentOfARefusal) {
  const struct {
    const char* answer;
    int status;
    const char* body;
    bool complete;
  } kRows[] = {
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nnobehind", 403, "no", true},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\nbehind", 403, "", true},
      {"HTTP/1.1 403 Forbidden\r\n\r\nuntil the end", 403, "until the end", true},
      {"HTTP/1.0 404 Not Found\r\n\r\n", 404, "", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n there\r\n"
       "0\r\nTrailer: 1\r\n\r\nbehind",
       200, "hello there", true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde", 204, "", true},
      {"HTTP/1.1 304 Not Modified\r\n\r\nabcde", 304, "", true},
      // Not whole, and a refusal all the same.
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno", 403, "no", false},
      {"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 403, "hel", false},
      {"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 403, "hello", false},
      {"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", 403, "he", false},
      {"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n", 403, "", false},
      {"HTTP/1.1 403 No\r\nTransfer-Encoding: gzip\r\n\r\nhello", 403, "", false},
      {"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", 403, "",
       false},
      {"HTTP/1.1 403 No\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 403, "", false},
      {"HTTP/1.1 403 No\r\nContent-Length: nine\r\n\r\nhello", 403, "", false},
      {"HTTP/1.1 403 No\r\nContent-Length: 9223372036854775807\r\n\r\nhello", 403, "hello", false},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.answer);
    const std::string answer = row.answer;
    std::vector<std::vector<std::string>> cuts = {{answer}, Pieces(answer, 1)};
    for (unsigned seed = 1; seed <= 5; ++seed) cuts.push_back(SeededPieces(answer, seed));
    for (const std::vector<std::string>& cut : cuts) {
      SCOPED_TRACE(cut.size());
      EXPECT_THAT(AskPieces(cut), IsErrno(EACCES));
      EXPECT_EQ(result_.status, row.status);
      EXPECT_EQ(result_.body, row.body);
      EXPECT_EQ(result_.body_complete, row.complete);
    }
  }
}

TEST_F(AnswerTest, ContentAtItsBound) {
  options_.refusal_body_bytes_max = 10;
  for (const int above : {-1, 0, 1}) {
    const std::string body(static_cast<size_t>(10 + above), 'b');
    for (const std::string& answer :
         {absl::StrCat("HTTP/1.1 403 No\r\nContent-Length: ", body.size(), "\r\n\r\n", body),
          absl::StrCat("HTTP/1.1 403 No\r\n\r\n", body),
          absl::StrCat("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n",
                       absl::Hex(body.size() - 1), "\r\n", body.substr(1), "\r\n0\r\n\r\n")}) {
      SCOPED_TRACE(answer);
      for (const size_t piece : {size_t{1}, answer.size()}) {
        EXPECT_THAT(AskPieces(Pieces(answer, piece)), IsErrno(EACCES));
        EXPECT_EQ(result_.body, body.substr(0, 10));
        EXPECT_EQ(result_.body_complete, above <= 0);
      }
    }
  }
  options_.refusal_body_bytes_max = 0;
  EXPECT_THAT(AskPieces({"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"}), IsErrno(EACCES));
  EXPECT_EQ(result_.body, "");
  EXPECT_FALSE(result_.body_complete);
}

// Who has no use for the content does not wait for it.
TEST_F(AnswerTest, WithoutAResultNothingIsRead) {
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->ExpectWrite(Request()).Deliver("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n");
  options_.entropy = &entropy_;
  EXPECT_THAT(ClientUpgrade(&runtime_, script.get(), options_, nullptr, kNever), IsErrno(EACCES));
  EXPECT_EQ(Passed(), absl::ZeroDuration());
}

// The answer is known before its content; it does not get lost with it.
TEST_F(AnswerTest, ContentThatDoesNotCome) {
  for (const bool by_deadline : {false, true}) {
    const absl::Duration before = Passed();
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->ExpectWrite(Request())
        .Deliver("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nab")
        .AwaitReader();
    EXPECT_THAT(Ask(script.get(), by_deadline ? Deadline::In(absl::Seconds(2)) : kNever),
                IsErrno(EACCES));
    EXPECT_EQ(Passed() - before, by_deadline ? absl::Seconds(2) : options_.refusal_time_max);
    EXPECT_EQ(result_.body, "ab");
    EXPECT_FALSE(result_.body_complete);
  }
  ScriptedBytestreamPtr broken = MakeScripted(&runtime_);
  broken->ExpectWrite(Request()).Deliver("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nab").Reset();
  EXPECT_THAT(Ask(broken.get()), IsErrno(EACCES));
}

TEST_F(AnswerTest, CancelledWhileContentComes) {
  WaitFault fault(&runtime_, ECANCELED, 0);
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script->ExpectWrite(Request());
  script->Deliver("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n").AwaitReader();
  EXPECT_THAT(Ask(script.get()), IsErrno(ECANCELED));
  EXPECT_TRUE(fault.hit());
  EXPECT_EQ(result_.status, 403);
}

TEST_F(AnswerTest, LocationOfARedirect) {
  const struct {
    const char* answer;
    const char* location;
  } kRows[] = {
      {"HTTP/1.1 301 Moved\r\nLocation: wss://other/x#f\r\nContent-Length: 0\r\n\r\n",
       "wss://other/x#f"},
      {"HTTP/1.1 302 Found\r\nlocation: ../y\r\nContent-Length: 0\r\n\r\n", "../y"},
      {"HTTP/1.1 303 See Other\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "/"},
      {"HTTP/1.1 307 Temporary\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "/"},
      {"HTTP/1.1 308 Permanent\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "/"},
      {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ""},
      {"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", ""},
      {"HTTP/1.1 300 Choices\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", ""},
      {"HTTP/1.1 201 Created\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", ""},
      {"HTTP/1.1 404 No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", ""},
  };
  for (const auto& row : kRows) {
    EXPECT_THAT(AskPieces({row.answer}), IsErrno(EACCES)) << row.answer;
    EXPECT_EQ(result_.location, row.location) << row.answer;
  }
}

// RFC 9110 section 15.2. What they say is not the answer's.
TEST_F(AnswerTest, InterimResponsesAtTheirLimit) {
  options_.interim_responses_max = 2;
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nX: interim\r\n\r\n";
  for (const int count : {0, 1, 2, 3}) {
    SCOPED_TRACE(count);
    std::string answers;
    for (int i = 0; i < count; ++i) answers += interim;
    EXPECT_THAT(AskPieces(Pieces(answers + Answer(), 7)), IsErrno(count > 2 ? EPROTO : 0));
    EXPECT_EQ(result_.status, count > 2 ? 0 : 101);
    for (const http::OwnedField& field : result_.fields) EXPECT_NE(field.name, "X");
  }
  EXPECT_THAT(
      AskPieces({"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"}),
      IsErrno(EACCES));
  EXPECT_EQ(result_.body, "no");
}

TEST_F(AnswerTest, ResultIsOfThisAnswer) {
  EXPECT_THAT(AskPieces({"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nno"}),
              IsErrno(EACCES));
  EXPECT_THAT(AskPieces({Answer()}), IsOk());
  EXPECT_EQ(result_.location, "");
  EXPECT_EQ(result_.body, "");
  EXPECT_FALSE(result_.body_complete);
  EXPECT_EQ(result_.fields.size(), 3u);
}

TEST_F(AnswerTest, RequestWithOriginCookiesAndCredentials) {
  const http::Cookie cookies[] = {{"a", "1"}, {"b", "2"}};
  options_.origin = "https://example.org";
  options_.cookies = cookies;
  options_.basic = http::BasicCredentials{"me", "pass:word"};
  ScriptedBytestreamPtr script = MakeScripted(&runtime_);
  script
      ->ExpectWrite(
          Request("Origin: https://example.org\r\nAuthorization: Basic bWU6cGFzczp3b3Jk\r\n"
                  "Cookie: a=1; b=2\r\n"))
      .Deliver(Answer());
  EXPECT_THAT(Ask(script.get()), IsOk());
  options_.basic.reset();
  options_.cookies = {};
  options_.origin = {};
  options_.bearer = "tok.en==";
  ScriptedBytestreamPtr bearer = MakeScripted(&runtime_);
  bearer->ExpectWrite(Request("Authorization: Bearer tok.en==\r\n")).Deliver(Answer());
  EXPECT_THAT(Ask(bearer.get()), IsOk());
}

TEST_F(AnswerTest, WhatMayNotBeSentIsNot) {
  const std::string evil = "x\r\nEvil: 1";
  const http::Cookie bad_name[] = {{evil, "1"}};
  const http::Cookie bad_value[] = {{"a", evil}};
  std::vector<ClientUpgradeOptions> cases(7, options_);
  cases[0].origin = evil;
  cases[1].cookies = bad_name;
  cases[2].cookies = bad_value;
  cases[3].basic = http::BasicCredentials{evil, "p"};
  cases[4].basic = http::BasicCredentials{"u", evil};
  cases[5].bearer = evil;
  cases[6].basic = http::BasicCredentials{"u", "p"};
  cases[6].bearer = "t";
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    options_ = cases[i];
    ScriptedBytestreamPtr untouched = MakeScripted(&runtime_);
    EXPECT_THAT(Ask(untouched.get()), IsErrno(EINVAL));
  }
}

}  // namespace
}  // namespace halfpipe::websocket
