#ifndef HALFPIPE_BYTESTREAM_TESTING_FAULT_BYTESTREAM_H_
#define HALFPIPE_BYTESTREAM_TESTING_FAULT_BYTESTREAM_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Which call of a FaultBytestream fails, and how. Outlives the stream.
class FaultPlan {
 public:
  // The `nth` call, counted from 0, fails with `error`, an errno.
  FaultPlan(int nth, int error) : left_(nth), error_(error) {}
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  // Whether calls count at present; they do at first. For a scenario that is about a part of what
  // it does.
  void set_armed(bool armed) { armed_ = armed; }

  // The direction goes on after the call that fails, whatever the errno is: as it does after a
  // shortage of the system's that has passed.
  void GoOn() { goes_on_ = true; }
  bool goes_on() const { return goes_on_; }

  bool hit() const { return left_ < 0; }

  // What it failed with, and whether that was a call of the outbound direction.
  int error() const { return error_; }
  bool outbound() const { return outbound_; }

  // Counts one call: 0, or the errno that it fails with.
  int Count(bool outbound) {
    if (left_ < 0 || !armed_ || left_-- > 0) return 0;
    outbound_ = outbound;
    return error_;
  }

 private:
  int left_;
  const int error_;
  bool armed_ = true;
  bool goes_on_ = false;
  bool outbound_ = false;
};

// A bytestream of which one call fails. Peek() of more than 0 bytes, Read(), ReadSome(), Write(),
// WriteTail(), Flush() and Done() count; the one that fails does nothing. After ETIMEDOUT,
// ECANCELED, EBUSY and EINVAL, or where the plan says so, the direction goes on; after any other
// errno it fails with that for ever.
class FaultBytestream final : public Bytestream {
 public:
  // `plan` is borrowed and outlives the stream.
  FaultBytestream(BytestreamPtr inner, FaultPlan* plan) : inner_(std::move(inner)), plan_(plan) {}

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override { inner_->Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override;
  absl::Status Flush(Deadline deadline) override;
  absl::Status Done(Deadline deadline) override;
  void Abort() noexcept override { inner_->Abort(); }
  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override;
  bool reads_ahead() const override { return inner_->reads_ahead(); }
  void Describe(StreamInfo* info) const override { inner_->Describe(info); }
  size_t buffered() const override { return read_error_ != 0 ? 0 : inner_->buffered(); }
  size_t tail_size() const override { return inner_->tail_size(); }
  bool reader_busy() const override { return inner_->reader_busy(); }
  bool writer_busy() const override { return inner_->writer_busy(); }

 private:
  int Count(int* sticky);

  const BytestreamPtr inner_;
  FaultPlan* const plan_;
  int read_error_ = 0;
  int write_error_ = 0;
};

// Runs `scenario(plan)` again and again, call 0 failing with `error`, then call 1 and so on, until
// it comes to its end without the fault having been hit. Each run starts from nothing and makes a
// FaultBytestream with the plan. Returns how many calls there were.
template <typename Scenario>
int SweepFaults(int error, Scenario scenario) {
  constexpr int kCallsMax = 1000;
  for (int nth = 0; nth < kCallsMax; ++nth) {
    SCOPED_TRACE(testing::Message() << "call " << nth << " fails with errno " << error);
    FaultPlan plan(nth, error);
    scenario(plan);
    if (!plan.hit() || testing::Test::HasFatalFailure()) return nth;
  }
  ADD_FAILURE() << "the scenario still makes calls after " << kCallsMax << " runs";
  return kCallsMax;
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_FAULT_BYTESTREAM_H_
