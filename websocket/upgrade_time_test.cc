// The time limits of the opening handshake, on simulated time: what is waited for comes a
// nanosecond before the limit, exactly at it, and a nanosecond behind it. What the call says and
// what the peer hears agree each time.

#include <cerrno>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

constexpr absl::string_view kGet = "GET /p HTTP/1.1\r\nHost: example.org\r\n\r\n";
constexpr absl::string_view kPage =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\npage";
constexpr absl::string_view kTimeout =
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
constexpr absl::string_view kForbidden =
    "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

// When the event comes, from the limit, and who runs first where both come at once.
struct Moment {
  int nanos;
  bool event_is_first;

  // At its limit a time is over; but what is there by then needs no waiting.
  bool in_time() const { return nanos < 0 || (nanos == 0 && event_is_first); }
};

class UpgradeTimeTest : public testing::TestWithParam<Moment> {
 protected:
  // Runs `call`, and beside it a coroutine that calls `event` at `limit` from now, give or take.
  // The one that begins to wait first is woken first.
  void Run(absl::Duration limit, absl::FunctionRef<void()> event, absl::FunctionRef<void()> call) {
    const Deadline at = Deadline::In(limit + absl::Nanoseconds(GetParam().nanos));
    const auto wait = [&] {
      EXPECT_EQ(runtime_.SleepUntil(at), 0);
      event();
    };
    const bool event_first = GetParam().event_is_first;
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] { event_first ? wait() : call(); }), IsOk());
    EXPECT_EQ(runtime_.Yield(), 0);
    event_first ? call() : wait();
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  }

  static void Say(Bytestream* stream, absl::string_view text) {
    const IoSlice slice(text);
    EXPECT_THAT(stream->Write({&slice, 1}, /*more=*/false, Deadline::Never()), IsOk());
  }

  absl::Status Serve(Bytestream* stream, Deadline deadline = Deadline::Never()) {
    return ServerUpgradeOrPlain(
        &runtime_, stream, options_, [this](const UpgradeRequest&) { return decision_; },
        [](const http::RequestHead&) { return http::TextResponse(200, "page"); }, deadline,
        &served_);
  }

  // What a server does with what the client says at first and then, at `limit`, `rest`.
  std::string ServeLate(absl::string_view first, absl::Duration limit, absl::string_view rest,
                        absl::Status* status, Deadline deadline = Deadline::Never()) {
    auto [client, server] = MakePair(&runtime_);
    Say(client.get(), first);
    Run(
        limit, [rest, client = client.get()] { Say(client, rest); },
        [&, server = server.get()] {
          *status = Serve(server, deadline);
          static_cast<void>(server->Done(Deadline::Never()));
        });
    return ReadToEnd(client.get());
  }

  // A limit holds although the deadline is later, and the deadline although the limit is.
  void ExpectHead(absl::Duration limit, Deadline deadline) {
    const std::string request = Request();
    absl::Status status;
    const std::string heard =
        ServeLate(request.substr(0, request.size() - 1), limit, "\n", &status, deadline);
    EXPECT_THAT(status, IsErrno(GetParam().in_time() ? 0 : ETIMEDOUT));
    EXPECT_EQ(heard, GetParam().in_time() ? Answer() : kTimeout);
    EXPECT_EQ(served_.status, GetParam().in_time() ? 101 : 408);
  }

  SimRuntime runtime_;
  ServerUpgradeOptions options_{.unix_seconds = nullptr};
  UpgradeDecision decision_;
  ServerUpgradeResult served_;
};

INSTANTIATE_TEST_SUITE_P(Moments, UpgradeTimeTest,
                         testing::Values(Moment{-1, false}, Moment{-1, true}, Moment{0, false},
                                         Moment{0, true}, Moment{1, false}, Moment{1, true}),
                         [](const auto& info) {
                           const Moment& moment = info.param;
                           return absl::StrCat(moment.nanos < 0    ? "Before"
                                               : moment.nanos == 0 ? "At"
                                                                   : "Behind",
                                               moment.event_is_first ? "EventFirst" : "CallFirst");
                         });

TEST_P(UpgradeTimeTest, HeadTime) { ExpectHead(options_.head_time_max, Deadline::Never()); }

TEST_P(UpgradeTimeTest, DeadlineBeforeHeadTime) {
  const absl::Duration limit = absl::Seconds(3);
  ExpectHead(limit, Deadline::In(limit));
}

// The first byte of all counts from the call.
TEST_P(UpgradeTimeTest, HeadTimeOfAWholeHead) {
  absl::Status status;
  const std::string heard = ServeLate("", options_.head_time_max, Request(), &status);
  EXPECT_THAT(status, IsErrno(GetParam().in_time() ? 0 : ETIMEDOUT));
  EXPECT_EQ(heard, GetParam().in_time() ? Answer() : "");
}

// A later head has its own time, from its first byte on.
TEST_P(UpgradeTimeTest, HeadTimeBehindAPlainRequest) {
  const std::string request = Request();
  absl::Status status;
  const std::string heard = ServeLate(absl::StrCat(kGet, request.substr(0, 1)),
                                      options_.head_time_max, request.substr(1), &status);
  EXPECT_THAT(status, IsErrno(GetParam().in_time() ? 0 : ETIMEDOUT));
  EXPECT_EQ(heard,
            absl::StrCat(kPage, GetParam().in_time() ? absl::string_view(Answer()) : kTimeout));
}

TEST_P(UpgradeTimeTest, KeepAliveTime) {
  options_.plain_requests_max = 3;
  absl::Status status;
  const std::string heard = ServeLate(kGet, options_.keep_alive_time_max, Request(), &status);
  EXPECT_THAT(status, IsErrno(GetParam().in_time() ? 0 : ENOTSUP));
  EXPECT_EQ(heard, absl::StrCat(kPage, GetParam().in_time() ? Answer() : ""));
  EXPECT_EQ(served_.plain_requests, 1u);
}

// The peer takes nothing until then.
TEST_P(UpgradeTimeTest, AnswerTime) {
  const struct {
    int decision;
    std::string request;
    std::string answer;
    int error;
    bool ends;
  } kRows[] = {
      {101, Request(), Answer(), 0, false},
      {403, Request(), std::string(kForbidden), EACCES, true},
      {101, "nonsense\r\n\r\n",
       "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", EPROTO, true},
      {101, std::string(kGet), std::string(kPage), ENOTSUP, true}};
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.answer);
    decision_.status = row.decision;
    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    script->Deliver(row.request).BlockWrites().AwaitWriter();
    absl::Status status;
    Run(
        options_.answer_time_max,
        [&] {
          // Who has given up has not written anything, nor does so now.
          if (!GetParam().in_time()) return;
          script->UnblockWrites().ExpectWrite(row.answer);
          if (row.error == ENOTSUP) script->End();
          if (row.ends) script->ExpectDone();
        },
        [&] { status = Serve(script.get()); });
    EXPECT_THAT(status, IsErrno(GetParam().in_time() ? row.error : ETIMEDOUT));
    EXPECT_EQ(script->steps_left(), 0u);
    if (!GetParam().in_time()) {
      EXPECT_EQ(served_.status, 0);
      script->Abort();
    }
  }
}

// Of a client: the refusal is known, its content is waited for.
TEST_P(UpgradeTimeTest, RefusalTime) {
  ClientUpgradeOptions options = {.target = "/chat?x=1", .host = "example.org"};
  auto [client, server] = MakePair(&runtime_);
  Say(server.get(), "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nnev");
  ClientUpgradeResult result;
  absl::Status status;
  Run(
      options.refusal_time_max, [server = server.get()] { Say(server, "er"); },
      [&, client = client.get()] {
        status = ClientUpgrade(&runtime_, client, options, &result, Deadline::Never());
      });
  EXPECT_THAT(status, IsErrno(EACCES));
  EXPECT_EQ(result.status, 403);
  EXPECT_EQ(result.body, GetParam().in_time() ? "never" : "nev");
  EXPECT_EQ(result.body_complete, GetParam().in_time());
}

// The deadline is for all of it, interim responses included.
TEST_P(UpgradeTimeTest, DeadlineOfAClient) {
  const absl::Duration limit = absl::Seconds(3);
  FixedEntropy entropy;
  ClientUpgradeOptions options = {.target = "/chat?x=1", .host = "example.org"};
  options.entropy = &entropy;
  auto [client, server] = MakePair(&runtime_);
  Say(server.get(), "HTTP/1.1 103 Early Hints\r\n\r\n");
  ClientUpgradeResult result;
  absl::Status status;
  Run(
      limit, [server = server.get()] { Say(server, Answer()); },
      [&, client = client.get()] {
        status = ClientUpgrade(&runtime_, client, options, &result, Deadline::In(limit));
      });
  EXPECT_THAT(status, IsErrno(GetParam().in_time() ? 0 : ETIMEDOUT));
  EXPECT_EQ(result.status, GetParam().in_time() ? 101 : 0);
}

}  // namespace
}  // namespace halfpipe::websocket
