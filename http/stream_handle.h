#ifndef HALFPIPE_HTTP_STREAM_HANDLE_H_
#define HALFPIPE_HTTP_STREAM_HANDLE_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/handle/handle_type.h"

namespace halfpipe {

// Gives any bytestream a handle, so that tests can put the C calls on pairs and scripts.
//
// Example:
//   const int s = http_attach(StreamHandle::Make(std::move(stream)));
class StreamHandle final : public Bytestream, public HandleObject {
 public:
  // The number, positive; the table owns the stream.
  static int Make(BytestreamPtr stream) {
    return MakeBytestreamHandle(new StreamHandle(std::move(stream)));
  }

  void* Query(const void* type) override {
    return type == &kBytestreamType ? static_cast<Bytestream*>(this) : nullptr;
  }
  void Close() noexcept override { inner_->Abort(); }
  void Dispose() noexcept override { delete this; }

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
    return inner_->Write(slices, more, deadline);
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
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
  explicit StreamHandle(BytestreamPtr inner) : inner_(std::move(inner)) {}
  ~StreamHandle() override = default;

  const BytestreamPtr inner_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_HTTP_STREAM_HANDLE_H_
