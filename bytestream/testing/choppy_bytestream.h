#ifndef HALFPIPE_BYTESTREAM_TESTING_CHOPPY_BYTESTREAM_H_
#define HALFPIPE_BYTESTREAM_TESTING_CHOPPY_BYTESTREAM_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"

namespace halfpipe {

// A bytestream that cuts what goes through it in other places, so that code which relies on how
// bytes happen to arrive is found out. Peek() shows as little as it may, ReadSome() reads less than
// there is room for, and Write() is several writes of the stream below; a Read() is exact anyhow
// and goes through as it is. Cuts follow from the seed, which is printed when the test has failed.
//
// All promises of bytestream.h hold, a Write() is still all or nothing.
class ChoppyBytestream final : public Bytestream {
 public:
  ChoppyBytestream(BytestreamPtr inner, uint32_t seed)
      : inner_(std::move(inner)), seed_(seed), random_(seed) {}
  ~ChoppyBytestream() override;

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override;
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
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
  size_t buffered() const override;
  size_t tail_size() const override { return inner_->tail_size(); }
  bool reader_busy() const override { return inner_->reader_busy(); }
  bool writer_busy() const override { return inner_->writer_busy(); }

 private:
  size_t Between(size_t min, size_t max);

  const BytestreamPtr inner_;
  const uint32_t seed_;
  std::mt19937 random_;
  size_t shown_ = 0;  // bytes at the front of the buffer that Peek() has shown
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_CHOPPY_BYTESTREAM_H_
