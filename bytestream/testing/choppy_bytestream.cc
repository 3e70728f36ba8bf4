#include "bytestream/testing/choppy_bytestream.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "gtest/gtest.h"

namespace halfpipe {

ChoppyBytestream::~ChoppyBytestream() {
  if (testing::Test::HasFailure()) std::fprintf(stderr, "ChoppyBytestream: seed %u\n", seed_);
}

// Near `min` as a rule, and anything up to `max` now and then.
size_t ChoppyBytestream::Between(size_t min, size_t max) {
  HALFPIPE_CHECK(min <= max);
  const uint32_t draw = random_();
  const size_t width = draw % 4 == 0 ? max - min : std::min<size_t>(max - min, 7);
  return min + random_() % (width + 1);
}

size_t ChoppyBytestream::buffered() const { return std::min(shown_, inner_->buffered()); }

absl::StatusOr<absl::Span<uint8_t>> ChoppyBytestream::Peek(size_t min, Deadline deadline) {
  absl::StatusOr<absl::Span<uint8_t>> view = inner_->Peek(min, deadline);
  if (!view.ok()) return view;
  // What has been shown once stays visible.
  const size_t least = std::min(std::max(min, shown_), view->size());
  shown_ = min == 0 ? least : Between(least, view->size());
  return view->subspan(0, shown_);
}

void ChoppyBytestream::Consume(size_t count) {
  HALFPIPE_CHECK(count <= shown_);
  shown_ -= count;
  inner_->Consume(count);
}

absl::Status ChoppyBytestream::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  const absl::Status status = inner_->Read(slices, deadline);
  // Interrupted, it has put back what there was, and more.
  if (status.ok()) shown_ -= std::min(shown_, TotalSize(slices));
  return status;
}

absl::StatusOr<size_t> ChoppyBytestream::ReadSome(absl::Span<uint8_t> dst, size_t min,
                                                  Deadline deadline) {
  if (min >= 1 && min <= dst.size()) dst = dst.subspan(0, Between(min, dst.size()));
  const absl::StatusOr<size_t> size = inner_->ReadSome(dst, min, deadline);
  if (size.ok()) shown_ -= std::min(shown_, *size);
  return size;
}

absl::Status ChoppyBytestream::Write(absl::Span<const IoSlice> slices, bool more,
                                     Deadline deadline) {
  SliceCursor<IoSlice> cursor(slices);
  bool began = false;
  do {
    // A cut may fall anywhere, on the edge of a slice or not.
    const size_t size = Between(std::min<size_t>(cursor.Remaining(), 1), cursor.Remaining());
    std::vector<IoSlice> part;
    size_t gathered = 0;
    for (size_t i = 0; gathered < size; ++i) {
      IoSlice piece = cursor.Piece(i);
      piece.size = std::min(piece.size, size - gathered);
      gathered += piece.size;
      part.push_back(piece);
    }
    const bool last = size == cursor.Remaining();
    const absl::Status status = inner_->Write(part, last && more, deadline);
    const int error = StatusErrno(status);
    if (began && (error == ETIMEDOUT || error == ECANCELED)) {
      // To the caller it is one call, and its first byte has left.
      std::vector<IoSlice> rest;
      for (size_t i = 0; i < slices.size() && !cursor.done(); ++i) rest.push_back(cursor.Piece(i));
      return inner_->WriteTail(rest);
    }
    if (!status.ok()) return status;
    began = true;
    cursor.Advance(size);
  } while (!cursor.done());
  return absl::OkStatus();
}

}  // namespace halfpipe
