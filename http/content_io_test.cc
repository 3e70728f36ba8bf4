#include "http/content_io.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/scripted_bytestream.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/wait_sweep.h"
#include "gtest/gtest.h"
#include "http/core/content.h"
#include "http/core/grammar.h"

namespace halfpipe::http {
namespace {

constexpr size_t kPlenty = 1000;

class ContentIoTest : public testing::Test {
 protected:
  // Reads from a script that ends in what was delivered, in pieces of `piece` bytes.
  absl::Status Read(absl::string_view input, ContentFraming framing, size_t bytes_max,
                    size_t piece) {
    script_ = MakeScripted(&runtime_);
    for (size_t i = 0; i < input.size(); i += piece) script_->Deliver(input.substr(i, piece));
    script_->End();
    body_ = "from before";
    complete_ = true;
    return ReadContent(script_.get(), framing, bytes_max, &body_, &complete_, Deadline::Never());
  }

  // What is left in the stream.
  std::string Rest() {
    std::string rest;
    for (;;) {
      const auto bytes = script_->Peek(1, Deadline::Never());
      if (!bytes.ok() || bytes->empty()) return rest;
      absl::StrAppend(&rest, AsText(*bytes));
      script_->Consume(bytes->size());
    }
  }

  SimRuntime runtime_;
  ScriptedBytestreamPtr script_;
  std::string body_;
  bool complete_ = false;
};

TEST_F(ContentIoTest, WholeContentAndWhatIsBehindIt) {
  const struct {
    ContentFraming framing;
    const char* input;
    const char* body;
    const char* rest;
  } kRows[] = {
      {{ContentKind::kNone, 0}, "rest", "", "rest"},
      {{ContentKind::kLength, 5}, "hellorest", "hello", "rest"},
      {{ContentKind::kUntilClose, 0}, "hello", "hello", ""},
      {{ContentKind::kUntilClose, 0}, "", "", ""},
      {{ContentKind::kChunked, 0}, "5\r\nhello\r\n0\r\n\r\nrest", "hello", "rest"},
      {{ContentKind::kChunked, 0},
       "2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\nrest",
       "hello",
       "rest"},
      {{ContentKind::kChunked, 0}, "0\r\n\r\n", "", ""},
  };
  for (const auto& row : kRows) {
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, kPlenty}) {
      SCOPED_TRACE(testing::Message() << row.input << " by " << piece);
      EXPECT_THAT(Read(row.input, row.framing, kPlenty, piece), IsOk());
      EXPECT_TRUE(complete_);
      EXPECT_EQ(body_, row.body);
      EXPECT_EQ(Rest(), row.rest);
    }
  }
}

TEST_F(ContentIoTest, EndsTooEarly) {
  for (const size_t piece : {size_t{1}, kPlenty}) {
    EXPECT_THAT(Read("hell", {ContentKind::kLength, 5}, kPlenty, piece), IsOk());
    EXPECT_FALSE(complete_);
    EXPECT_EQ(body_, "hell");
    const std::string chunked = "5\r\nhello\r\n0\r\n\r\n";
    for (size_t size = 0; size < chunked.size(); ++size) {
      EXPECT_THAT(Read(chunked.substr(0, size), {ContentKind::kChunked, 0}, kPlenty, piece),
                  IsOk());
      EXPECT_FALSE(complete_) << size;
    }
  }
}

TEST_F(ContentIoTest, BoundAtMinusOneZeroPlusOne) {
  for (const size_t piece : {size_t{1}, kPlenty}) {
    for (const size_t bound : {size_t{4}, size_t{5}, size_t{6}}) {
      SCOPED_TRACE(bound);
      for (const ContentFraming framing :
           {ContentFraming{ContentKind::kLength, 5}, ContentFraming{ContentKind::kUntilClose, 0},
            ContentFraming{ContentKind::kChunked, 0}}) {
        const bool chunked = framing.kind == ContentKind::kChunked;
        EXPECT_THAT(
            Read(chunked ? "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" : "hello", framing, bound, piece),
            IsOk());
        EXPECT_EQ(complete_, bound >= 5);
        EXPECT_EQ(body_, std::string("hello").substr(0, bound));
        Rest();
      }
    }
  }
}

// The announced size is not believed: memory is what has come.
TEST_F(ContentIoTest, HugeLengthsTakeNoMemory) {
  EXPECT_THAT(Read("abc", {ContentKind::kLength, uint64_t{1} << 62}, SIZE_MAX, kPlenty), IsOk());
  EXPECT_EQ(body_, "abc");
  EXPECT_LT(body_.capacity(), kPlenty);
  EXPECT_THAT(Read("7fffffffffffffff\r\nabc", {ContentKind::kChunked, 0}, SIZE_MAX, kPlenty),
              IsOk());
  EXPECT_EQ(body_, "abc");
  EXPECT_LT(body_.capacity(), kPlenty);
}

TEST_F(ContentIoTest, MalformedChunks) {
  EXPECT_THAT(Read("2\r\nhello\r\n", {ContentKind::kChunked, 0}, kPlenty, kPlenty),
              IsErrno(EPROTO));
  EXPECT_EQ(body_, "he");
  EXPECT_FALSE(complete_);
  Rest();
}

TEST_F(ContentIoTest, InterruptedKeepsWhatHasCome) {
  for (const auto kind : {ContentKind::kLength, ContentKind::kUntilClose, ContentKind::kChunked}) {
    for (const int error : {ETIMEDOUT, ECANCELED}) {
      script_ = MakeScripted(&runtime_);
      script_->Deliver(kind == ContentKind::kChunked ? "9\r\nabc" : "abc").AwaitReader();
      // A coroutine of its own, for it stays cancelled.
      Bundle bundle(&runtime_);
      absl::Status status;
      ASSERT_THAT(bundle.Go([&] {
        WaitFault fault(&runtime_, error, 0, runtime_.current());
        status =
            ReadContent(script_.get(), {kind, 9}, kPlenty, &body_, &complete_, Deadline::Never());
        EXPECT_TRUE(fault.hit());
      }),
                  IsOk());
      EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
      EXPECT_THAT(status, IsErrno(error));
      EXPECT_EQ(body_, "abc");
      EXPECT_FALSE(complete_);
    }
    script_ = MakeScripted(&runtime_);
    script_->FailRead(ECONNRESET);
    EXPECT_THAT(
        ReadContent(script_.get(), {kind, 9}, kPlenty, &body_, &complete_, Deadline::Never()),
        IsErrno(ECONNRESET));
    EXPECT_EQ(body_, "");
  }
}

}  // namespace
}  // namespace halfpipe::http
