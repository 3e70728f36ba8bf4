#include "bytestream/testing/scripted_bytestream.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

absl::Status Write(Bytestream& stream, absl::string_view text,
                   Deadline deadline = Deadline::Never()) {
  const IoSlice slice(text);
  return stream.Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline);
}

// Up to 100 bytes of what one receive gives.
std::string Receive(Bytestream& stream, Deadline deadline = Deadline::Never()) {
  uint8_t room[100];
  const absl::StatusOr<size_t> size = stream.ReadSome(absl::MakeSpan(room), 1, deadline);
  if (!size.ok()) return size.status().ToString();
  return std::string(reinterpret_cast<char*>(room), *size);
}

TEST(ScriptedBytestreamTest, PlaysItsSteps) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->ExpectWrite("hello").Deliver("wor").Deliver("ld").ExpectDone().End();
  EXPECT_THAT(Write(*stream, "he"), IsOk());
  EXPECT_THAT(Write(*stream, "llo"), IsOk());
  EXPECT_EQ(Receive(*stream), "wor");
  EXPECT_EQ(Receive(*stream), "ld");
  EXPECT_EQ(stream->steps_left(), 2u);
  EXPECT_THAT(stream->Done(Deadline::Never()), IsOk());
  EXPECT_EQ(Receive(*stream), "");
  EXPECT_EQ(stream->steps_left(), 0u);
}

TEST(ScriptedBytestreamTest, OneWriteForSeveralSteps) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->ExpectWrite("he").ExpectWrite("llo");
  EXPECT_THAT(Write(*stream, "hello"), IsOk());
}

TEST(ScriptedBytestreamTest, OtherBytesFail) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->ExpectWrite("hello").Deliver("x");
  static ScriptedBytestream* static_stream;
  static_stream = stream.get();
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(Write(*static_stream, "help"), IsErrno(ECONNRESET)),
                          "\"help\" was written, but the script is at step 1, ExpectWrite");
  EXPECT_THAT(stream->Peek(1, Deadline::Never()), IsErrno(ECONNRESET));
}

TEST(ScriptedBytestreamTest, WritingBeforeReadingFails) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->Deliver("x").ExpectWrite("y");
  static ScriptedBytestream* static_stream;
  static_stream = stream.get();
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(Write(*static_stream, "y"), IsErrno(ECONNRESET)),
                          "the script is at step 1, Deliver");
}

TEST(ScriptedBytestreamTest, WritingBehindTheEndAndUnexpectedDoneFail) {
  SimRuntime runtime;
  static ScriptedBytestream* stream;
  ScriptedBytestreamPtr owner = MakeScripted(&runtime);
  stream = owner.get();
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(Write(*stream, "y"), IsErrno(ECONNRESET)), "its end");
  owner = MakeScripted(&runtime);
  stream = owner.get();
  EXPECT_NONFATAL_FAILURE(EXPECT_THAT(stream->Done(Deadline::Never()), IsErrno(ECONNRESET)),
                          "direction was ended");
}

TEST(ScriptedBytestreamTest, StepsThatAreLeftFail) {
  SimRuntime runtime;
  static ScriptedBytestreamPtr stream;
  stream = MakeScripted(&runtime);
  stream->Deliver("x").ExpectWrite("y");
  EXPECT_EQ(Receive(*stream), "x");
  EXPECT_NONFATAL_FAILURE(stream.reset(), "1 steps of its script left, the first: step 2");
}

TEST(ScriptedBytestreamTest, BlockedReaderGoesOnWhenAStepIsAdded) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  Bundle bundle(&runtime);
  std::string received;
  ASSERT_THAT(bundle.Go([&] { received = Receive(*stream); }), IsOk());
  EXPECT_EQ(received, "");
  stream->AwaitReader().Deliver("x");
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(received, "x");
}

TEST(ScriptedBytestreamTest, AwaitReaderWaitsUntilEverythingWasUsed) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->Deliver("a").AwaitReader().Deliver("b");
  EXPECT_EQ(Receive(*stream), "a");
  EXPECT_EQ(stream->steps_left(), 2u);
  EXPECT_EQ(Receive(*stream), "b");
}

TEST(ScriptedBytestreamTest, BlockedReadsHonourTheDeadline) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->BlockReads();
  const int64_t start = runtime.clock().NowNanos();
  EXPECT_THAT(stream->Peek(1, Deadline::In(absl::Seconds(5))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(runtime.clock().NowNanos() - start, 5'000'000'000);
  EXPECT_THAT(stream->Peek(1, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  stream->AwaitReader().UnblockReads().Deliver("x");
  EXPECT_EQ(stream->steps_left(), 3u);
  EXPECT_EQ(Receive(*stream), "x");
}

TEST(ScriptedBytestreamTest, BlockedWriterLeavesATailThatFollowsByItself) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->ExpectWrite("he").BlockWrites().AwaitWriter();
  EXPECT_THAT(Write(*stream, "hello", Deadline::In(absl::Seconds(1))), IsOk());
  EXPECT_EQ(stream->tail_size(), 3u);
  EXPECT_THAT(Write(*stream, "!", Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  stream->UnblockWrites().ExpectWrite("llo");
  EXPECT_THAT(stream->Flush(Deadline::Never()), IsOk());
  EXPECT_EQ(stream->tail_size(), 0u);
}

TEST(ScriptedBytestreamTest, NothingLeftBeforeTheDeadline) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->BlockWrites();
  EXPECT_THAT(Write(*stream, "x", Deadline::In(absl::Seconds(1))), IsErrno(ETIMEDOUT));
  EXPECT_EQ(stream->tail_size(), 0u);
}

TEST(ScriptedBytestreamTest, TailAboveItsBoundResets) {
  SimRuntime runtime;
  ScriptedBytestream stream(&runtime, /*send_tail_bytes_max=*/2);
  stream.ExpectWrite("he").BlockWrites();
  EXPECT_THAT(Write(stream, "hello", Deadline::In(absl::Seconds(1))), IsErrno(ECONNRESET));
  EXPECT_TRUE(stream.was_reset());
  EXPECT_THAT(stream.Peek(1, Deadline::Never()), IsErrno(ECONNRESET));
}

TEST(ScriptedBytestreamTest, FailuresAndReset) {
  SimRuntime runtime;
  ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->FailRead(EIO);
  EXPECT_THAT(stream->Peek(1, Deadline::Never()), IsErrno(EIO));
  stream = MakeScripted(&runtime);
  stream->FailWrite(EIO);
  EXPECT_THAT(Write(*stream, "x"), IsErrno(EIO));
  stream = MakeScripted(&runtime);
  stream->Deliver("x").Reset();
  EXPECT_EQ(Receive(*stream), "x");
  EXPECT_THAT(stream->Peek(1, Deadline::Never()), IsErrno(ECONNRESET));
  EXPECT_THAT(Write(*stream, "x"), IsErrno(ECONNRESET));
}

TEST(ScriptedBytestreamTest, CancelAndAbortEndWaits) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->BlockWrites();
  Bundle readers(&runtime);
  Bundle writers(&runtime);
  absl::Status read, written;
  ASSERT_THAT(readers.Go([&] { read = stream->Peek(1, Deadline::Never()).status(); }), IsOk());
  ASSERT_THAT(writers.Go([&] { written = Write(*stream, "x"); }), IsOk());
  EXPECT_TRUE(stream->reader_busy());
  EXPECT_TRUE(stream->writer_busy());
  readers.CancelAndJoin();
  EXPECT_THAT(read, IsErrno(ECANCELED));
  stream->Abort();
  EXPECT_EQ(writers.Wait(Deadline::Never()), 0);
  EXPECT_THAT(written, IsErrno(EBADF));
  EXPECT_THAT(stream->Peek(1, Deadline::Never()), IsErrno(EBADF));
}

TEST(ScriptedBytestreamTest, CallbacksOnce) {
  SimRuntime runtime;
  const ScriptedBytestreamPtr stream = MakeScripted(&runtime);
  stream->BlockWrites();
  int readable = 0;
  int writable = 0;
  stream->WhenReadable([&] { ++readable; });
  stream->WhenWritable([&] { ++writable; });
  EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  EXPECT_EQ(readable + writable, 0);
  stream->UnblockWrites().Deliver("x");
  EXPECT_EQ(readable + writable, 0);
  EXPECT_EQ(runtime.SleepUntil(Deadline::In(absl::Seconds(1))), 0);
  EXPECT_EQ(readable, 1);
  EXPECT_EQ(writable, 1);
  stream->WhenReadable([&] { ++readable; });
  EXPECT_EQ(readable, 2);
  EXPECT_EQ(Receive(*stream), "x");
}

}  // namespace
}  // namespace halfpipe
