#include "http/head_exchange.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
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
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "http/core/grammar.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/core/limits.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

class HeadExchangeTest : public testing::Test {
 protected:
  // The stream ends after `sent`, which arrives in one piece.
  HeadExchange Receiver(absl::string_view sent, const Limits& limits = Limits()) {
    auto [reader, writer] = MakePair(&runtime_);
    const IoSlice slice(sent);
    EXPECT_THAT(writer->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, kNow), IsOk());
    return HeadExchange(&runtime_, std::move(reader), limits);
  }

  // Reads a request head to its end: "method target|name=value|...", and the bytes behind it; or
  // "errno NUMBER".
  static std::string Walk(HeadExchange* exchange) {
    const absl::StatusOr<RequestLine> line = exchange->PeekRequestLine(kNever);
    if (!line.ok()) return absl::StrCat("errno ", StatusErrno(line.status()));
    std::string found = absl::StrCat(line->method, " ", line->target);
    exchange->TakeLine();
    for (;;) {
      const absl::StatusOr<std::optional<Field>> field = exchange->PeekField(kNever);
      if (!field.ok()) return absl::StrCat("errno ", StatusErrno(field.status()));
      if (!field->has_value()) break;
      absl::StrAppend(&found, "|", (*field)->name, "=", (*field)->value);
      exchange->TakeLine();
    }
    const BytestreamPtr stream = exchange->ReleaseStream();
    const absl::StatusOr<absl::Span<uint8_t>> rest = stream->Peek(0, kNever);
    return absl::StrCat(found, "|", AsText(*rest));
  }

  // The same by the parser of whole heads.
  static std::string Parse(absl::string_view sent, const Limits& limits) {
    RequestHeadParser parser(limits);
    RequestHead head;
    const ParseResult result = parser.Parse(sent, &head);
    if (result.status == ParseStatus::kInvalid) return absl::StrCat("errno ", EPROTO);
    if (result.status == ParseStatus::kNeedMore) {
      return absl::StrCat("errno ", sent.empty() ? EPIPE : ECONNRESET);
    }
    if (head.version_minor == 0) return absl::StrCat("errno ", EPROTO);
    std::string found = absl::StrCat(head.method, " ", head.target);
    for (const Field& field : head.fields)
      absl::StrAppend(&found, "|", field.name, "=", field.value);
    return absl::StrCat(found, "|", sent.substr(result.consumed));
  }

  SimRuntime runtime_;
};

// Line by line the same heads are accepted, refused and found cut off as in one go, at every size
// of every limit. (A head cut off in front of what would have been its fault is the exception: a
// version is judged when its line is complete.)
TEST_F(HeadExchangeTest, AgreesWithTheHeadParser) {
  const absl::string_view heads[] = {
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX:\t b \r\n\r\nrest",
      "\r\nGET / HTTP/1.2\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n\r\n",
      "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "GET / HTTP/2.0\r\n\r\n",
      "GET  / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\n",
      "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
      "GET / HTTP/1.1\r\n folded: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET / HTTP/1.1\r\n: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost\r\n\r\n",
      "GET / HTTP/1.1\r\nX: \x01\r\n\r\n",
      absl::string_view("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", 26),
  };
  for (const absl::string_view whole : heads) {
    for (size_t size = 0; size <= whole.size(); ++size) {
      const absl::string_view sent = whole.substr(0, size);
      HeadExchange exchange = Receiver(sent);
      const std::string found = Walk(&exchange);
      const std::string expected = Parse(sent, Limits());
      if (absl::StrContains(whole, "HTTP/1.0") && size < whole.size()) continue;
      EXPECT_EQ(found, expected) << sent;
    }
    for (size_t max = 1; max <= whole.size() + 1; ++max) {
      Limits limits[3];
      limits[0].head_bytes_max = max;
      limits[1].start_line_bytes_max = max;
      limits[2].field_line_bytes_max = max;
      for (const Limits& limit : limits) {
        HeadExchange exchange = Receiver(whole, limit);
        EXPECT_EQ(Walk(&exchange), Parse(whole, limit)) << whole << " limit " << max;
      }
    }
    for (size_t max = 0; max <= 4; ++max) {
      Limits limits;
      limits.field_count_max = max;
      HeadExchange exchange = Receiver(whole, limits);
      EXPECT_EQ(Walk(&exchange), Parse(whole, limits)) << whole << " fields " << max;
    }
  }
}

// At the default limits, one below, at and one above; and with nothing behind the head on a stream
// that stays open, where asking for a byte too many would wait for ever.
TEST_F(HeadExchangeTest, DefaultLimits) {
  for (const int over : {-1, 0, 1}) {
    SCOPED_TRACE(over);
    const size_t target = 8192 + over - std::string("GET / HTTP/1.1").size();
    const size_t value = 8192 + over - std::string("X: ").size();
    std::string full = "GET / HTTP/1.1\r\n";
    while (full.size() < 15000) absl::StrAppend(&full, "X: ", std::string(995, 'v'), "\r\n");
    absl::StrAppend(&full, "X: ", std::string(16384 + over - full.size() - 7, 'v'), "\r\n\r\n");
    ASSERT_EQ(full.size(), size_t{16384} + over);
    std::string many = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 100 + over; ++i) absl::StrAppend(&many, "X: 1\r\n");
    const std::string heads[] = {
        absl::StrCat("GET /", std::string(target, 'a'), " HTTP/1.1\r\n\r\n"),
        absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(value, 'v'), "\r\n\r\n"),
        absl::StrCat(many, "\r\n"),
        full,
    };
    for (const std::string& head : heads) {
      ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
      stream->Deliver(absl::string_view(head).substr(0, 16384));
      HeadExchange exchange(&runtime_, std::move(stream));
      EXPECT_EQ(Walk(&exchange), Parse(head, Limits()));
      EXPECT_EQ(Parse(head, Limits()) == absl::StrCat("errno ", EPROTO), over > 0);
      exchange.Abort();
    }
  }
}

// A head that has used up its limit is refused without waiting for one byte more.
TEST_F(HeadExchangeTest, NothingIsWaitedForBehindTheLimit) {
  const absl::string_view lines = "GET / HTTP/1.1\r\nA: 123\r\n";
  Limits limits;
  limits.head_bytes_max = lines.size();
  ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
  stream->Deliver(lines);
  HeadExchange exchange(&runtime_, std::move(stream), limits);
  ASSERT_THAT(exchange.PeekRequestLine(kNow), IsOk());
  exchange.TakeLine();
  ASSERT_THAT(exchange.PeekField(kNow), IsOk());
  exchange.TakeLine();
  EXPECT_THAT(exchange.PeekField(kNow), IsErrno(EPROTO));
}

TEST_F(HeadExchangeTest, CutAnywhere) {
  const std::string sent = absl::StrCat(
      "\r\nGET /x HTTP/1.1\r\nHost: a\r\nX: ", std::string(1500, 'v'), "\r\nY:\r\n\r\n");
  const std::string expected = Parse(sent, Limits());
  for (uint32_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
    for (size_t at = 0; at < sent.size();) {
      const size_t size = std::min<size_t>(sent.size() - at, 1 + random() % (seed % 40 + 1));
      stream->Deliver(absl::string_view(sent).substr(at, size));
      at += size;
    }
    HeadExchange exchange(&runtime_, std::move(stream));
    EXPECT_EQ(Walk(&exchange), expected);
  }
}

// A line is found again until it is taken, also by a call that times out at once.
TEST_F(HeadExchangeTest, PeekLeavesTheLine) {
  ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
  ScriptedBytestream& script = *stream;
  script.Deliver("HTTP/1.1 204 No Content\r\nA: 1\r");
  HeadExchange exchange(&runtime_, std::move(stream));
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<StatusLine> line = exchange.PeekStatusLine(kNow);
    ASSERT_THAT(line, IsOk());
    EXPECT_EQ(line->status, 204);
    EXPECT_EQ(line->reason, "No Content");
  }
  exchange.TakeLine();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(exchange.PeekField(kNow), IsErrno(ETIMEDOUT));
  script.Deliver("\nB: 2\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<std::optional<Field>> field = exchange.PeekField(kNow);
    ASSERT_THAT(field, IsOk());
    EXPECT_EQ(field->value().name, "A");
    EXPECT_EQ(field->value().value, "1");
  }
  exchange.TakeLine();
  EXPECT_EQ(exchange.PeekField(kNow)->value().name, "B");
  exchange.TakeLine();
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<std::optional<Field>> end = exchange.PeekField(kNow);
    ASSERT_THAT(end, IsOk());
    EXPECT_FALSE(end->has_value());
  }
}

TEST_F(HeadExchangeTest, PhasesOfReceiving) {
  HeadExchange exchange = Receiver("HTTP/1.1 200\r\nA: 1\r\n\r\n");
  EXPECT_THAT(exchange.PeekField(kNever), IsErrno(EINVAL));
  ASSERT_THAT(exchange.PeekStatusLine(kNever), IsOk());
  EXPECT_THAT(exchange.PeekField(kNever), IsErrno(EINVAL));
  exchange.TakeLine();
  EXPECT_THAT(exchange.PeekStatusLine(kNever), IsErrno(EINVAL));
  EXPECT_THAT(exchange.PeekRequestLine(kNever), IsErrno(EINVAL));
  ASSERT_THAT(exchange.PeekField(kNever), IsOk());
  exchange.TakeLine();
  ASSERT_THAT(exchange.PeekField(kNever), IsOk());
  EXPECT_THAT(exchange.PeekStatusLine(kNever), IsErrno(EPIPE));
  EXPECT_THAT(exchange.PeekRequestLine(kNever), IsErrno(EPIPE));
}

TEST_F(HeadExchangeTest, PhasesOfSending) {
  ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
  stream->ExpectWrite("HTTP/1.1 200 \r\n").ExpectWrite("A: 1\r\n").ExpectWrite("\r\n");
  HeadExchange exchange(&runtime_, std::move(stream));
  EXPECT_THAT(exchange.SendField("A", "1", kNever), IsErrno(EINVAL));
  EXPECT_THAT(exchange.SendEnd(kNever), IsErrno(EINVAL));
  EXPECT_THAT(exchange.SendStatusLine(200, "", kNever), IsOk());
  EXPECT_THAT(exchange.SendStatusLine(200, "", kNever), IsErrno(EINVAL));
  EXPECT_THAT(exchange.SendRequestLine("GET", "/", kNever), IsErrno(EINVAL));
  EXPECT_THAT(exchange.SendField("A", "1", kNever), IsOk());
  EXPECT_THAT(exchange.SendEnd(kNever), IsOk());
  EXPECT_THAT(exchange.SendEnd(kNever), IsErrno(EPIPE));
  EXPECT_THAT(exchange.SendField("A", "1", kNever), IsErrno(EPIPE));
  EXPECT_THAT(exchange.SendStatusLine(200, "", kNever), IsErrno(EPIPE));
  EXPECT_THAT(exchange.SendRequestLine("GET", "/", kNever), IsErrno(EPIPE));
}

// What a direction refused stays refused, and the other one goes on.
TEST_F(HeadExchangeTest, RefusalIsForGood) {
  ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
  stream->Deliver("HTTP/1.1 200 OK\r\nbad\r\nA: 1\r\n\r\n").ExpectWrite("GET / HTTP/1.1\r\n");
  HeadExchange exchange(&runtime_, std::move(stream));
  ASSERT_THAT(exchange.PeekStatusLine(kNever), IsOk());
  exchange.TakeLine();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(exchange.PeekField(kNever), IsErrno(EPROTO));
  EXPECT_THAT(exchange.SendRequestLine("GET", "/", kNever), IsOk());
  EXPECT_THAT(exchange.Detach(kNever), IsErrno(EPROTO));
}

TEST_F(HeadExchangeTest, DetachOfHeadsThatHaveNotBegun) {
  ScriptedBytestreamPtr stream = MakeScripted(&runtime_);
  stream->Deliver("GET / HTTP/1.1\r\n\r\n");
  HeadExchange exchange(&runtime_, std::move(stream));
  // The line has arrived, but was not taken.
  ASSERT_THAT(exchange.PeekRequestLine(kNever), IsOk());
  const absl::StatusOr<BytestreamPtr> lower = exchange.Detach(kNow);
  ASSERT_THAT(lower, IsOk());
  EXPECT_EQ(AsText(*(*lower)->Peek(0, kNow)), "GET / HTTP/1.1\r\n\r\n");
}

// What is waited for comes a nanosecond before the deadline, at it and behind it; the coroutine
// that brings it began to wait first. After a timeout the call is made again, and nothing was lost
// or sent twice.
TEST_F(HeadExchangeTest, DeadlinesAtTheirLimit) {
  for (const int nanos : {-1, 0, 1}) {
    SCOPED_TRACE(nanos);
    const int expected = nanos > 0 ? ETIMEDOUT : 0;
    auto [reader, writer] = MakePair(&runtime_);
    HeadExchange receiver(&runtime_, std::move(reader));
    const auto say = [writer = writer.get()](absl::string_view text) {
      const IoSlice slice(text);
      EXPECT_THAT(writer->Write({&slice, 1}, /*more=*/false, kNow), IsOk());
    };
    say("GET / HTTP/1.1\r");
    const absl::Duration limit = absl::Seconds(1);
    const Deadline deadline = Deadline::In(limit);
    const Deadline event = Deadline::In(limit + absl::Nanoseconds(nanos));
    Bundle bundle(&runtime_);
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_EQ(runtime_.SleepUntil(event), 0);
      say("\n");
    }),
                IsOk());
    EXPECT_EQ(runtime_.Yield(), 0);
    EXPECT_THAT(receiver.PeekRequestLine(deadline).status(), IsErrno(expected));
    const absl::StatusOr<RequestLine> line = receiver.PeekRequestLine(kNever);
    ASSERT_THAT(line, IsOk());
    EXPECT_EQ(line->method, "GET");
    EXPECT_EQ(bundle.Wait(kNever), 0);

    ScriptedBytestreamPtr script = MakeScripted(&runtime_);
    ScriptedBytestream* const peer = script.get();
    peer->BlockWrites().AwaitWriter();
    HeadExchange sender(&runtime_, std::move(script));
    const Deadline until = Deadline::In(limit);
    const Deadline unblocked = Deadline::In(limit + absl::Nanoseconds(nanos));
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_EQ(runtime_.SleepUntil(unblocked), 0);
      peer->UnblockWrites().ExpectWrite("GET / HTTP/1.1\r\n");
    }),
                IsOk());
    EXPECT_EQ(runtime_.Yield(), 0);
    EXPECT_THAT(sender.SendRequestLine("GET", "/", until), IsErrno(expected));
    if (expected != 0) {
      EXPECT_THAT(sender.SendRequestLine("GET", "/", kNever), IsOk());
    }
    EXPECT_EQ(bundle.Wait(kNever), 0);
    EXPECT_EQ(peer->steps_left(), 0u);
  }
}

TEST_F(HeadExchangeTest, WhatIsSentIsReadAsItWas) {
  const std::string values[] = {"",
                                "a",
                                "a b\tc",
                                "\x80\xff",
                                "\"",
                                std::string(256, 'v'),
                                std::string(1024, 'v'),
                                std::string(8189, 'v')};
  auto [a, b] = MakePair(&runtime_);
  HeadExchange sender(&runtime_, std::move(a));
  HeadExchange receiver(&runtime_, std::move(b));
  ASSERT_THAT(sender.SendRequestLine("M-SEARCH", "*", kNever), IsOk());
  const absl::StatusOr<RequestLine> line = receiver.PeekRequestLine(kNow);
  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->method, "M-SEARCH");
  EXPECT_EQ(line->target, "*");
  receiver.TakeLine();
  for (const std::string& value : values) {
    ASSERT_THAT(
        sender.SendField("X", absl::StrCat(" \t", value.size() > 8000 ? "" : "\t", value), kNever),
        IsOk());
    const absl::StatusOr<std::optional<Field>> field = receiver.PeekField(kNow);
    ASSERT_THAT(field, IsOk());
    EXPECT_EQ(field->value().value, value);
    receiver.TakeLine();
  }
}

}  // namespace
}  // namespace halfpipe::http
