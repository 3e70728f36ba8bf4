#include "http/head_io.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/core/grammar.h"
#include "http/core/head_error.h"
#include "http/core/limits.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

const Deadline kNever = Deadline::Never();

constexpr absl::string_view kRequest =
    "GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nX-Empty:\r\nX-Pad: \t v \r\n\r\n";
constexpr absl::string_view kResponse =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

// What is left to be read without waiting.
std::string Rest(Bytestream* stream) {
  const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(0, kNever);
  return bytes.ok() ? std::string(AsText(*bytes)) : bytes.status().ToString();
}

absl::Status Send(Bytestream* stream, absl::string_view text) {
  return WriteText(stream, text, kNever);
}

void ExpectRequest(const absl::Status& status, const RequestHead& head, const HeadResult& result) {
  ASSERT_THAT(status, IsOk());
  ASSERT_EQ(result.error, HeadError::kNone);
  EXPECT_EQ(result.size, kRequest.size());
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/chat?room=1");
  EXPECT_EQ(head.version_minor, 1);
  EXPECT_EQ(head.fields.Find("host"), "example.org");
  EXPECT_EQ(head.fields.Find("X-Empty"), "");
  EXPECT_EQ(head.fields.Find("X-Pad"), "v");
}

// A request head of exactly `size` bytes in lines that are within the limits.
std::string RequestOfSize(size_t size) {
  std::string head = "GET / HTTP/1.1\r\n";
  while (head.size() + 2 < size) {
    const size_t left = size - head.size() - 2;
    // "X: " and CRLF are 5 bytes; what is left over must be room for another line or nothing.
    size_t line = std::min<size_t>(left, 6000);
    if (left - line > 0 && left - line < 5) line -= 5;
    absl::StrAppend(&head, "X: ", std::string(line - 5, 'v'), "\r\n");
  }
  absl::StrAppend(&head, "\r\n");
  EXPECT_EQ(head.size(), size);
  return head;
}

TEST(ReadHeadTest, WholeAndWhatFollowsStays) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->Deliver(absl::StrCat(kRequest, "rest"));
  RequestHead head;
  HeadResult result;
  ExpectRequest(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), head, result);
  EXPECT_EQ(Rest(stream.get()), absl::StrCat(kRequest, "rest"));
  stream->Consume(result.size);
  EXPECT_EQ(Rest(stream.get()), "rest");
}

TEST(ReadHeadTest, Response) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->Deliver(absl::StrCat(kResponse, "\x81\x01"));
  ResponseHead head;
  HeadResult result;
  ASSERT_THAT(ReadResponseHead(stream.get(), Limits(), &head, &result, kNever), IsOk());
  EXPECT_EQ(result.error, HeadError::kNone);
  EXPECT_EQ(head.status, 101);
  EXPECT_EQ(head.reason, "Switching Protocols");
  EXPECT_EQ(head.fields.Find("upgrade"), "websocket");
  stream->Consume(result.size);
  EXPECT_EQ(Rest(stream.get()), "\x81\x01");
}

TEST(ReadHeadTest, ByteByByte) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  for (const char& byte : kRequest) stream->Deliver(absl::string_view(&byte, 1));
  RequestHead head;
  HeadResult result;
  ExpectRequest(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), head, result);
}

TEST(ReadHeadTest, CutAnywhere) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    SimRuntime runtime;
    const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
    const std::string sent = absl::StrCat(kRequest, "rest");
    for (size_t at = 0; at < sent.size();) {
      const size_t size = std::min<size_t>(sent.size() - at, 1 + random() % 30);
      stream->Deliver(absl::string_view(sent).substr(at, size));
      at += size;
    }
    RequestHead head;
    HeadResult result;
    ExpectRequest(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), head, result);
    stream->Consume(result.size);
    const absl::StatusOr<absl::Span<uint8_t>> rest = stream->Peek(4, kNever);
    ASSERT_THAT(rest, IsOk());
    EXPECT_EQ(AsText(*rest), "rest");
  }
}

TEST(ReadHeadTest, EndOfStreamBeforeTheHead) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->End();
  RequestHead head;
  HeadResult result;
  EXPECT_THAT(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), IsErrno(EPIPE));
  ResponseHead response;
  EXPECT_THAT(ReadResponseHead(stream.get(), Limits(), &response, &result, kNever), IsErrno(EPIPE));
}

TEST(ReadHeadTest, EndOfStreamAnywhereInside) {
  for (size_t size = 1; size < kRequest.size(); ++size) {
    SCOPED_TRACE(size);
    SimRuntime runtime;
    const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
    stream->Deliver(kRequest.substr(0, size)).End();
    RequestHead head;
    HeadResult result;
    EXPECT_THAT(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever),
                IsErrno(ECONNRESET));
  }
}

TEST(ReadHeadTest, ErrorsOfTheStream) {
  for (const int error : {ECONNRESET, ENOMEM, EBADF}) {
    SimRuntime runtime;
    const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
    stream->Deliver("GET / ").FailRead(error);
    RequestHead head;
    HeadResult result;
    EXPECT_THAT(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), IsErrno(error));
  }
}

TEST(ReadHeadTest, ARefusedHead) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->Deliver("GET / HTTP/1.1\r\nHost : a\r\n");
  RequestHead head;
  HeadResult result;
  // Known before the head is complete.
  EXPECT_THAT(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), IsOk());
  EXPECT_EQ(result.error, HeadError::kSpaceBeforeColon);
}

// The stream stays open behind the head: neither a head at its limit nor one above it may wait for
// bytes that do not come, or ask for more than the buffer holds.
TEST(ReadHeadTest, HeadBytesMax) {
  for (const size_t max : {size_t{100}, size_t{1000}, size_t{16383}, size_t{16384}}) {
    for (const size_t size : {max - 1, max, max + 1}) {
      for (const size_t piece : {size_t{1} << 20, size_t{1000}}) {
        SCOPED_TRACE(absl::StrCat(size, " bytes, limit ", max, ", pieces of ", piece));
        SimRuntime runtime;
        const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
        const std::string sent = RequestOfSize(size);
        // A byte over the limit is not looked at, and 16 KiB are all that can be buffered.
        const absl::string_view seen = absl::string_view(sent).substr(0, max);
        for (size_t at = 0; at < seen.size(); at += piece) stream->Deliver(seen.substr(at, piece));
        Limits limits;
        limits.head_bytes_max = max;
        RequestHead head;
        HeadResult result;
        ASSERT_THAT(ReadRequestHead(stream.get(), limits, &head, &result, kNever), IsOk());
        if (size <= max) {
          EXPECT_EQ(result.error, HeadError::kNone);
          EXPECT_EQ(result.size, size);
        } else {
          EXPECT_EQ(result.error, HeadError::kHeadTooLong);
        }
      }
    }
  }
}

TEST(ReadHeadTest, StartLineFieldLineAndFieldCount) {
  for (const int over : {-1, 0, 1}) {
    SCOPED_TRACE(over);
    struct Case {
      std::string head;
      HeadError error;
    };
    const size_t start = 8192 + over - std::string("GET / HTTP/1.1").size();
    const size_t value = 8192 + over - std::string("X: ").size();
    std::string many = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 100 + over; ++i) absl::StrAppend(&many, "X: 1\r\n");
    const Case cases[] = {
        {absl::StrCat("GET /", std::string(start, 'a'), " HTTP/1.1\r\n\r\n"),
         HeadError::kTargetTooLong},
        {absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(value, 'v'), "\r\n\r\n"),
         HeadError::kFieldLineTooLong},
        {absl::StrCat(many, "\r\n"), HeadError::kTooManyFields},
    };
    for (const Case& c : cases) {
      SimRuntime runtime;
      const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
      stream->Deliver(c.head);
      RequestHead head;
      HeadResult result;
      ASSERT_THAT(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), IsOk());
      EXPECT_EQ(result.error, over > 0 ? c.error : HeadError::kNone);
    }
  }
}

TEST(ReadHeadTest, ATimeoutLosesNothing) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  RequestHead head;
  HeadResult result;
  for (size_t at = 0; at + 5 < kRequest.size(); at += 5) {
    EXPECT_THAT(ReadRequestHead(
                    stream.get(), Limits(), &head, &result,
                    at % 2 == 0 ? Deadline::Immediately() : Deadline::In(absl::Milliseconds(10))),
                IsErrno(ETIMEDOUT));
    stream->Deliver(kRequest.substr(at, 5));
  }
  stream->Deliver(kRequest.substr((kRequest.size() - 1) / 5 * 5));
  ExpectRequest(ReadRequestHead(stream.get(), Limits(), &head, &result, kNever), head, result);
}

// A head in four pieces over a pair; the reader's N-th wait ends early, and the second call finds
// the whole head all the same.
TEST(ReadHeadTest, EveryWaitTimedOut) {
  SimRuntime runtime;
  const int waits = SweepWaits(&runtime, ETIMEDOUT, [&](WaitFault& fault) {
    fault.set_only(runtime.current());
    auto [reader, writer] = MakePair(&runtime);
    Bytestream* const to = writer.get();
    Bundle bundle(&runtime);
    ASSERT_THAT(bundle.Go([&, to] {
      for (size_t at = 0; at < kRequest.size(); at += 20) {
        EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
        EXPECT_THAT(Send(to, kRequest.substr(at, 20)), IsOk());
      }
    }),
                IsOk());
    RequestHead head;
    HeadResult result;
    absl::Status status = ReadRequestHead(reader.get(), Limits(), &head, &result, kNever);
    EXPECT_THAT(status, IsErrno(fault.hit() ? ETIMEDOUT : 0));
    if (!status.ok()) status = ReadRequestHead(reader.get(), Limits(), &head, &result, kNever);
    ExpectRequest(status, head, result);
    EXPECT_EQ(bundle.Wait(kNever), 0);
  });
  EXPECT_EQ(waits, 4);
}

TEST(ReadHeadTest, CancelledThenReadByAnother) {
  SimRuntime runtime;
  auto [reader, writer] = MakePair(&runtime);
  Bytestream* const from = reader.get();
  ASSERT_THAT(Send(writer.get(), kRequest.substr(0, 30)), IsOk());
  RequestHead head;
  HeadResult result;
  {
    Bundle bundle(&runtime);
    ASSERT_THAT(bundle.Go([&] {
      EXPECT_THAT(ReadRequestHead(from, Limits(), &head, &result, kNever), IsErrno(ECANCELED));
    }),
                IsOk());
  }
  ASSERT_THAT(Send(writer.get(), kRequest.substr(30)), IsOk());
  ExpectRequest(ReadRequestHead(from, Limits(), &head, &result, kNever), head, result);
}

TEST(WriteTextTest, LeavesAtOnce) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->ExpectWrite(kResponse).FailWrite(ECONNRESET);
  EXPECT_THAT(WriteText(stream.get(), kResponse, kNever), IsOk());
  EXPECT_EQ(stream->steps_left(), 1u);
  EXPECT_THAT(WriteText(stream.get(), kResponse, kNever), IsErrno(ECONNRESET));
}

// All that has arrived is dropped, up to the limit, and nothing is waited for.
TEST(EndAfterAnswer, DropsWhatHasArrived) {
  for (const int above : {-1, 0, 1}) {
    SCOPED_TRACE(above);
    SimRuntime runtime;
    PairOptions options;
    options.capacity_bytes = 2 * kDrainBytesMax;
    auto [client, server] = MakePair(&runtime, options);
    const size_t size = kDrainBytesMax + static_cast<size_t>(above + 1) - 1;
    EXPECT_THAT(Send(client.get(), std::string(size, 'x')), IsOk());
    EXPECT_THAT(Send(server.get(), "answer"), IsOk());
    EndAfterAnswer(server.get());
    // The last piece that is dropped is dropped as it came; only one beyond the limit is left.
    const bool left = above > 0 && size % Bytestream::kPeekMax != 0;
    EXPECT_THAT(server->Peek(1, Deadline::Immediately()), IsErrno(left ? 0 : ETIMEDOUT));
    EXPECT_EQ(Rest(server.get()).size(), left ? 1u : 0u);
    EXPECT_THAT(client->Peek(7, kNever), IsOk());
    EXPECT_EQ(Rest(client.get()), "answer");
    EXPECT_THAT(server->Done(kNever), IsErrno(EPIPE));
  }
}

TEST(EndAfterAnswer, LeavesAStreamAsItIsThatCannot) {
  SimRuntime runtime;
  auto [client, server] = MakePair(&runtime);
  EXPECT_THAT(Send(client.get(), "abc"), IsOk());
  EXPECT_THAT(client->Done(kNever), IsOk());
  EndAfterAnswer(server.get());
  EndAfterAnswer(server.get());
  EXPECT_TRUE(server->Peek(1, kNever)->empty());
  server->Abort();
  EndAfterAnswer(server.get());
  EXPECT_THAT(server->Peek(1, kNever), IsErrno(EBADF));
}

}  // namespace
}  // namespace halfpipe::http
