#ifndef HALFPIPE_WEBSOCKET_TESTING_REPLAY_BYTESTREAM_H_
#define HALFPIPE_WEBSOCKET_TESTING_REPLAY_BYTESTREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"

namespace halfpipe::websocket {

// What was done to a ReplayBytestream.
struct Recorded {
  std::string written;  // Every byte, in order.
  bool done = false;
  bool aborted = false;
};

// A bytestream whose other end has said everything already: it brings `pieces`, no two of them by
// one step, then the end of the stream, and takes all that is written. It never waits, so one
// coroutine is enough and everything that happens follows from the pieces: for running the same
// bytes in many cuts, quickly.
//
// Peek() brings no more than it must, and each piece moves the buffer to a heap block of the exact
// size, so that a sanitizer sees a view that was kept for too long or reads beyond its end.
class ReplayBytestream final : public Bytestream {
 public:
  // `recorded` is borrowed and outlives the stream.
  ReplayBytestream(std::vector<std::string> pieces, Recorded* recorded);

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override;
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override;
  absl::Status Flush(Deadline deadline) override;
  absl::Status Done(Deadline deadline) override;
  void Abort() noexcept override { recorded_->aborted = true; }
  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override;
  size_t buffered() const override { return end_ - begin_; }
  size_t tail_size() const override { return 0; }
  bool reader_busy() const override { return false; }
  bool writer_busy() const override { return false; }

  // Bytes that no function has asked for yet.
  size_t left() const;

 private:
  void Append(absl::string_view piece);
  size_t Take(uint8_t* dst, size_t size);

  std::deque<std::string> pieces_;
  Recorded* const recorded_;
  std::unique_ptr<uint8_t[]> block_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Ways to cut bytes into pieces: all of them in one; one by one; as `seed` has it, from single
// bytes to some hundreds.
std::vector<std::string> OnePiece(absl::string_view bytes);
std::vector<std::string> SingleBytes(absl::string_view bytes);
std::vector<std::string> SeededPieces(absl::string_view bytes, uint32_t seed);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_REPLAY_BYTESTREAM_H_
