// What a hostile peer can try with a head, by class: floods, and bytes one by one. Counted are
// heap, blocks of the runtime's pool, bytes taken and looks at them, never time.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/heap_counter.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "http/core/head_error.h"
#include "http/core/head_parser.h"
#include "http/core/limits.h"
#include "http/core/message.h"
#include "http/head_io.h"

namespace halfpipe::http {
namespace {

// Up to two of the pair's, and the read buffer.
constexpr size_t kBlocks = 3;

// Counts the calls that look at the stream, and the bytes they were shown.
class LookCounter final : public ForwardingBytestream {
 public:
  using ForwardingBytestream::ForwardingBytestream;

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    ++looks;
    auto bytes = inner().Peek(min, deadline);
    if (bytes.ok()) most_buffered = std::max(most_buffered, bytes->size());
    return bytes;
  }

  size_t looks = 0;
  size_t most_buffered = 0;
};

struct Damage {
  HeadError error = HeadError::kNone;
  int status = 0;  // errno
  size_t head_size = 0;
  size_t heap_bytes = 0;
  size_t blocks = 0;
  size_t bytes_sent = 0;
  size_t looks = 0;
  size_t most_buffered = 0;
};

// Reads a head of what `next` gives, piece by piece, until it is read or refused.
Damage Attack(const std::function<std::string()>& next) {
  SimRuntime runtime;
  auto [ours, peer] = MakePair(&runtime, {.capacity_bytes = 4096});
  LookCounter stream(std::move(ours));
  Damage damage;
  Bundle bundle(&runtime);
  EXPECT_THAT(bundle.Go([&, peer = peer.get()] {
    for (;;) {
      const std::string piece = next();
      const IoSlice slice{absl::string_view(piece)};
      if (!peer->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, Deadline::Never()).ok()) {
        return;
      }
      damage.bytes_sent += piece.size();
      damage.blocks = std::max(damage.blocks, runtime.buffer_pool().blocks_in_use());
      // The reader sees each piece by itself.
      if (runtime.Yield() != 0) return;
    }
  }),
              IsOk());
  RequestHead head;
  HeadResult result;
  {
    HeapCounter heap;
    const absl::Status status =
        ReadRequestHead(&stream, Limits(), &head, &result, Deadline::Never());
    damage.heap_bytes = heap.peak_bytes();
    EXPECT_THAT(status, IsOk());
  }
  damage.error = result.error;
  damage.head_size = result.size;
  damage.looks = stream.looks;
  damage.most_buffered = stream.most_buffered;
  bundle.Cancel();
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  return damage;
}

// Gives `first`, then `piece` for ever.
std::function<std::string()> Forever(std::string first, std::string piece) {
  return [first = std::move(first), piece = std::move(piece), begun = false]() mutable {
    return std::exchange(begun, true) ? piece : first;
  };
}

// Class: a head without end, in each of the ways it can have none. Refused at the limit, with no
// more held than the read buffer.
TEST(HeadAttackTest, HeaderFlood) {
  const std::string line = "GET / HTTP/1.1\r\n";
  const struct {
    std::string first, piece;
    HeadError error;
    size_t bytes_max;
  } kFloods[] = {
      {"", "G", HeadError::kMethodTooLong, 8192},
      {"GET /", "x", HeadError::kTargetTooLong, 8192},
      {"GET /", "xxxxxxxxxxxxxxxx", HeadError::kTargetTooLong, 8192},
      {line, "X: y\r\n", HeadError::kTooManyFields, line.size() + 101 * 6},
      {line + "X: ", "y", HeadError::kFieldLineTooLong, line.size() + 8192},
      {line, "Name-without-a-colon", HeadError::kFieldLineTooLong, line.size() + 8192},
      {line, absl::StrCat("X: ", std::string(500, 'y'), "\r\n"), HeadError::kHeadTooLong, 16384},
  };
  for (const auto& flood : kFloods) {
    SCOPED_TRACE(flood.first + flood.piece.substr(0, 20));
    const Damage damage = Attack(Forever(flood.first, flood.piece));
    EXPECT_EQ(damage.error, flood.error) << HeadErrorText(damage.error);
    EXPECT_LE(damage.heap_bytes, 4096u + 2 * flood.piece.size());  // the peer's pieces
    EXPECT_LE(damage.blocks, kBlocks);
    EXPECT_LE(damage.most_buffered, 16384u);
    // What is on its way besides: the pipe, and a piece.
    EXPECT_LE(damage.bytes_sent, flood.bytes_max + 4096 + 2 * flood.piece.size() + 64);
  }
}

// Empty lines in front of a request are not skipped for ever (RFC 9112 section 2.2).
TEST(HeadAttackTest, EmptyLinesWithoutEnd) {
  const Damage damage = Attack(Forever("", "\r\n"));
  EXPECT_EQ(damage.error, HeadError::kEmptyStartLine);
  EXPECT_LE(damage.bytes_sent, 64u);
}

// Class: a long head byte by byte, which a parser that begins again each time pays for with the
// square of its length. The driver looks once for each byte that comes; the parser looks at each
// byte twice at most, also in heads larger than the driver takes.
TEST(HeadAttackTest, ByteByByteIsLinear) {
  std::string wire = absl::StrCat("GET /", std::string(4000, 'a'), " HTTP/1.1\r\n");
  for (int i = 0; i < 99; ++i) absl::StrAppend(&wire, "Name: ", std::string(110, 'v'), "\r\n");
  wire += "\r\n";
  ASSERT_LE(wire.size(), Limits().head_bytes_max);
  size_t at = 0;
  const Damage damage =
      Attack([&] { return at < wire.size() ? wire.substr(at++, 1) : std::string("!"); });
  EXPECT_EQ(damage.error, HeadError::kNone);
  EXPECT_EQ(damage.head_size, wire.size());
  EXPECT_LE(damage.looks, wire.size() + 8);
  EXPECT_LE(damage.heap_bytes, 4096u);
  EXPECT_LE(damage.blocks, kBlocks);

  Limits wide;
  wide.head_bytes_max = wide.field_line_bytes_max = 64 * 1024;
  wide.field_count_max = 1000;
  std::string large = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 400; ++i) absl::StrAppend(&large, "Name: ", std::string(140, 'v'), "\r\n");
  absl::StrAppend(&large, "Last: ", std::string(64 * 1024 - large.size() - 10, 'w'), "\r\n\r\n");
  ASSERT_EQ(large.size(), size_t{64} * 1024);
  RequestHeadParser parser(wide);
  RequestHead head;
  for (size_t size = 0; size < large.size(); ++size) {
    ASSERT_EQ(parser.Parse(absl::string_view(large).substr(0, size), &head).status,
              ParseStatus::kNeedMore);
  }
  ASSERT_EQ(parser.Parse(large, &head).status, ParseStatus::kDone);
  EXPECT_GE(parser.bytes_examined(), large.size());
  EXPECT_LE(parser.bytes_examined(), 2 * large.size());
}

}  // namespace
}  // namespace halfpipe::http
