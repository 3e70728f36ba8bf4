#ifndef HALFPIPE_WEBSOCKET_TESTING_COUNTING_BYTESTREAM_H_
#define HALFPIPE_WEBSOCKET_TESTING_COUNTING_BYTESTREAM_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"

namespace halfpipe::websocket {

// What a CountingBytestream has seen.
struct WriteCounts {
  int writes = 0;       // calls of Write() and WriteTail(), whatever came of them
  int writes_more = 0;  // those of them that allowed the bytes to be held back
  size_t bytes = 0;     // in those calls
};

// A bytestream that counts the writes and passes everything on.
class CountingBytestream final : public Bytestream {
 public:
  // `counts` is borrowed and outlives the stream.
  CountingBytestream(BytestreamPtr inner, WriteCounts* counts)
      : inner_(std::move(inner)), counts_(counts) {}

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override {
    return inner_->Peek(min, deadline);
  }
  void Consume(size_t count) override { inner_->Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override {
    return inner_->Read(slices, deadline);
  }
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override {
    return inner_->ReadSome(dst, min, deadline);
  }
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override {
    Count(slices);
    if (more) ++counts_->writes_more;
    return inner_->Write(slices, more, deadline);
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    Count(slices);
    return inner_->WriteTail(slices);
  }
  absl::Status Flush(Deadline deadline) override { return inner_->Flush(deadline); }
  absl::Status Done(Deadline deadline) override { return inner_->Done(deadline); }
  void Abort() noexcept override { inner_->Abort(); }
  void WhenReadable(Callback callback) override { inner_->WhenReadable(std::move(callback)); }
  void WhenWritable(Callback callback) override { inner_->WhenWritable(std::move(callback)); }
  size_t buffered() const override { return inner_->buffered(); }
  size_t tail_size() const override { return inner_->tail_size(); }
  bool reader_busy() const override { return inner_->reader_busy(); }
  bool writer_busy() const override { return inner_->writer_busy(); }

 private:
  void Count(absl::Span<const IoSlice> slices) {
    ++counts_->writes;
    counts_->bytes += TotalSize(slices);
  }

  const BytestreamPtr inner_;
  WriteCounts* const counts_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_COUNTING_BYTESTREAM_H_
