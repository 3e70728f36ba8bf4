#include "websocket/testing/replay_bytestream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "bytestream/base/errno_status.h"

namespace halfpipe::websocket {
namespace {

absl::Status Closed() { return ErrnoStatus(EBADF, "the stream was aborted"); }

}  // namespace

ReplayBytestream::ReplayBytestream(std::vector<std::string> pieces, Recorded* recorded)
    : pieces_(std::make_move_iterator(pieces.begin()), std::make_move_iterator(pieces.end())),
      recorded_(recorded) {}

size_t ReplayBytestream::left() const {
  size_t left = end_ - begin_;
  for (const std::string& piece : pieces_) left += piece.size();
  return left;
}

absl::StatusOr<absl::Span<uint8_t>> ReplayBytestream::Peek(size_t min, Deadline) {
  if (recorded_->aborted) return Closed();
  if (min > kPeekMax) return ErrnoStatus(EINVAL, "more than a buffer holds");
  std::string more;
  while (!pieces_.empty() && end_ - begin_ + more.size() < min) {
    more += pieces_.front();
    pieces_.pop_front();
  }
  if (!more.empty()) Append(more);
  return absl::MakeSpan(block_.get() + begin_, end_ - begin_);
}

void ReplayBytestream::Append(absl::string_view piece) {
  const size_t size = end_ - begin_;
  std::unique_ptr<uint8_t[]> block(new uint8_t[size + piece.size()]);
  if (size > 0) std::memcpy(block.get(), block_.get() + begin_, size);
  std::memcpy(block.get() + size, piece.data(), piece.size());
  block_ = std::move(block);
  begin_ = 0;
  end_ = size + piece.size();
}

void ReplayBytestream::Consume(size_t count) {
  begin_ += count;
  if (begin_ == end_) {
    block_.reset();
    begin_ = end_ = 0;
  }
}

// Moves up to `size` bytes that are there to `dst` (null: nowhere), at most one piece of them.
size_t ReplayBytestream::Take(uint8_t* dst, size_t size) {
  if (begin_ == end_) {
    if (pieces_.empty()) return 0;
    Append(pieces_.front());
    pieces_.pop_front();
  }
  const size_t count = std::min(size, end_ - begin_);
  if (dst != nullptr && count > 0) std::memcpy(dst, block_.get() + begin_, count);
  Consume(count);
  return count;
}

absl::Status ReplayBytestream::Read(absl::Span<const IoSpan> slices, Deadline) {
  if (recorded_->aborted) return Closed();
  if (left() < TotalSize(slices)) return ErrnoStatus(EPIPE, "the end of the stream");
  for (SliceCursor<IoSpan> to(slices); !to.done();) {
    to.Advance(Take(to.Front().data, to.Front().size));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ReplayBytestream::ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline) {
  if (recorded_->aborted) return Closed();
  size_t filled = 0;
  while (filled < min) {
    const size_t count = Take(dst.data() + filled, dst.size() - filled);
    if (count == 0 && pieces_.empty()) break;
    filled += count;
  }
  return filled;
}

absl::Status ReplayBytestream::Write(absl::Span<const IoSlice> slices, bool, Deadline) {
  return WriteTail(slices);
}

absl::Status ReplayBytestream::WriteTail(absl::Span<const IoSlice> slices) {
  if (recorded_->aborted) return Closed();
  if (recorded_->done) return ErrnoStatus(EPIPE, "the direction has ended");
  for (const IoSlice& slice : slices) {
    recorded_->written.append(reinterpret_cast<const char*>(slice.data), slice.size);
  }
  return absl::OkStatus();
}

absl::Status ReplayBytestream::Flush(Deadline) {
  return recorded_->aborted ? Closed() : absl::OkStatus();
}

absl::Status ReplayBytestream::Done(Deadline) {
  if (recorded_->aborted) return Closed();
  if (std::exchange(recorded_->done, true)) return ErrnoStatus(EPIPE, "the direction has ended");
  return absl::OkStatus();
}

void ReplayBytestream::WhenReadable(Callback callback) {
  if (callback) callback();
}

void ReplayBytestream::WhenWritable(Callback callback) {
  if (callback) callback();
}

std::vector<std::string> OnePiece(absl::string_view bytes) {
  std::vector<std::string> pieces;
  if (!bytes.empty()) pieces.emplace_back(bytes);
  return pieces;
}

std::vector<std::string> SingleBytes(absl::string_view bytes) {
  std::vector<std::string> pieces;
  for (const char byte : bytes) pieces.emplace_back(1, byte);
  return pieces;
}

std::vector<std::string> SeededPieces(absl::string_view bytes, uint32_t seed) {
  std::vector<std::string> pieces;
  std::mt19937 random(seed);
  while (!bytes.empty()) {
    const size_t large = random() % 16 == 0 ? random() % 700 : 0;
    const size_t size = std::min<size_t>(bytes.size(), 1 + random() % 9 + large);
    pieces.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return pieces;
}

}  // namespace halfpipe::websocket
