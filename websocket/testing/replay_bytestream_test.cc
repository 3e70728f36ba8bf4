#include "websocket/testing/replay_bytestream.h"

#include <cerrno>
#include <string>
#include <vector>

#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

std::string Shown(ReplayBytestream* stream, size_t min) {
  auto bytes = stream->Peek(min, kNever);
  return bytes.ok() ? std::string(AsChars(*bytes)) : "error";
}

TEST(ReplayBytestreamTest, BringsPieceByPieceAndThenTheEnd) {
  Recorded recorded;
  ReplayBytestream stream({"ab", "c", "defg", "h"}, &recorded);
  EXPECT_EQ(Shown(&stream, 0), "");
  EXPECT_EQ(Shown(&stream, 1), "ab");
  EXPECT_EQ(Shown(&stream, 3), "abc");
  stream.Consume(1);
  EXPECT_EQ(Shown(&stream, 1), "bc");
  EXPECT_EQ(Shown(&stream, 3), "bcdefg");
  stream.Consume(6);
  EXPECT_EQ(stream.left(), 1u);
  EXPECT_EQ(Shown(&stream, 5), "h");
  stream.Consume(1);
  EXPECT_EQ(Shown(&stream, 1), "");
}

TEST(ReplayBytestreamTest, ReadsExactlyAndSome) {
  Recorded recorded;
  ReplayBytestream stream({"ab", "cdef", "g"}, &recorded);
  char dst[8] = {};
  const IoSpan exact[] = {IoSpan(dst, 1), IoSpan(nullptr, 1), IoSpan(dst + 1, 2)};
  ASSERT_THAT(stream.Read(exact, kNever), IsOk());
  EXPECT_EQ(std::string(dst), "acd");
  uint8_t some[8];
  EXPECT_THAT(stream.ReadSome(absl::MakeSpan(some), 1, kNever), IsOkAndHolds(2u));
  const IoSpan too_much(dst, 2);
  EXPECT_THAT(stream.Read(absl::MakeConstSpan(&too_much, 1), kNever), IsErrno(EPIPE));
  EXPECT_THAT(stream.ReadSome(absl::MakeSpan(some), 5, kNever), IsOkAndHolds(1u));
  EXPECT_THAT(stream.ReadSome(absl::MakeSpan(some), 5, kNever), IsOkAndHolds(0u));
}

TEST(ReplayBytestreamTest, RecordsWhatIsDone) {
  Recorded recorded;
  ReplayBytestream stream({"x"}, &recorded);
  const IoSlice slices[] = {IoSlice("ab"), IoSlice("c")};
  EXPECT_THAT(stream.Write(slices, /*more=*/true, kNever), IsOk());
  EXPECT_THAT(stream.WriteTail(slices), IsOk());
  EXPECT_THAT(stream.Flush(kNever), IsOk());
  EXPECT_EQ(recorded.written, "abcabc");
  EXPECT_THAT(stream.Done(kNever), IsOk());
  EXPECT_THAT(stream.Done(kNever), IsErrno(EPIPE));
  EXPECT_THAT(stream.Write(slices, /*more=*/false, kNever), IsErrno(EPIPE));
  int calls = 0;
  stream.WhenReadable([&calls] { ++calls; });
  stream.WhenWritable([&calls] { ++calls; });
  stream.WhenReadable({});
  stream.WhenWritable({});
  EXPECT_EQ(calls, 2);
  stream.Abort();
  EXPECT_TRUE(recorded.done);
  EXPECT_TRUE(recorded.aborted);
  EXPECT_THAT(stream.Peek(1, kNever), IsErrno(EBADF));
  EXPECT_THAT(stream.Write(slices, /*more=*/false, kNever), IsErrno(EBADF));
}

TEST(ReplayBytestreamTest, CutsLoseNothing) {
  const std::string bytes = "some bytes, long enough for a few seeded cuts of any size";
  for (const std::vector<std::string>& pieces :
       {OnePiece(bytes), SingleBytes(bytes), SeededPieces(bytes, 1), SeededPieces(bytes, 2)}) {
    std::string joined;
    for (const std::string& piece : pieces) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    }
    EXPECT_EQ(joined, bytes);
  }
  EXPECT_TRUE(OnePiece("").empty());
  EXPECT_NE(SeededPieces(bytes, 1), SeededPieces(bytes, 2));
}

}  // namespace
}  // namespace halfpipe::websocket
