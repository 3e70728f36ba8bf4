#ifndef HALFPIPE_BYTESTREAM_TESTING_FORWARDING_BYTESTREAM_H_
#define HALFPIPE_BYTESTREAM_TESTING_FORWARDING_BYTESTREAM_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"

namespace halfpipe {

// Passes everything on to another bytestream: a base for doubles that change or watch one thing.
class ForwardingBytestream : public Bytestream {
 public:
  explicit ForwardingBytestream(BytestreamPtr inner) : inner_(std::move(inner)) {}

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
  bool reads_ahead() const override { return inner_->reads_ahead(); }
  void Describe(StreamInfo* info) const override { inner_->Describe(info); }
  size_t buffered() const override { return inner_->buffered(); }
  size_t tail_size() const override { return inner_->tail_size(); }
  bool reader_busy() const override { return inner_->reader_busy(); }
  bool writer_busy() const override { return inner_->writer_busy(); }

 protected:
  Bytestream& inner() const { return *inner_; }

 private:
  const BytestreamPtr inner_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FORWARDING_BYTESTREAM_H_
