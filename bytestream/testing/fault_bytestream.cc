#include "bytestream/testing/fault_bytestream.h"

#include <cerrno>

#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

constexpr char kMessage[] = "injected fault";

bool GoesOn(int error) {
  return error == ETIMEDOUT || error == ECANCELED || error == EBUSY || error == EINVAL;
}

}  // namespace

int FaultBytestream::Count(int* sticky) {
  if (*sticky != 0) return *sticky;
  const int error = plan_->Count(/*outbound=*/sticky == &write_error_);
  if (!GoesOn(error) && !plan_->goes_on()) *sticky = error;
  return error;
}

absl::StatusOr<absl::Span<uint8_t>> FaultBytestream::Peek(size_t min, Deadline deadline) {
  if (min == 0 && read_error_ == 0) return inner_->Peek(min, deadline);
  if (const int error = Count(&read_error_)) return ErrnoStatus(error, kMessage);
  return inner_->Peek(min, deadline);
}

absl::Status FaultBytestream::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  if (const int error = Count(&read_error_)) return ErrnoStatus(error, kMessage);
  return inner_->Read(slices, deadline);
}

absl::StatusOr<size_t> FaultBytestream::ReadSome(absl::Span<uint8_t> dst, size_t min,
                                                 Deadline deadline) {
  if (const int error = Count(&read_error_)) return ErrnoStatus(error, kMessage);
  return inner_->ReadSome(dst, min, deadline);
}

absl::Status FaultBytestream::Write(absl::Span<const IoSlice> slices, bool more,
                                    Deadline deadline) {
  if (const int error = Count(&write_error_)) return ErrnoStatus(error, kMessage);
  return inner_->Write(slices, more, deadline);
}

absl::Status FaultBytestream::WriteTail(absl::Span<const IoSlice> slices) {
  if (const int error = Count(&write_error_)) return ErrnoStatus(error, kMessage);
  return inner_->WriteTail(slices);
}

absl::Status FaultBytestream::Flush(Deadline deadline) {
  if (const int error = Count(&write_error_)) return ErrnoStatus(error, kMessage);
  return inner_->Flush(deadline);
}

absl::Status FaultBytestream::Done(Deadline deadline) {
  if (const int error = Count(&write_error_)) return ErrnoStatus(error, kMessage);
  return inner_->Done(deadline);
}

void FaultBytestream::WhenReadable(Callback callback) {
  if (callback && read_error_ != 0) return callback();
  inner_->WhenReadable(std::move(callback));
}

void FaultBytestream::WhenWritable(Callback callback) {
  if (callback && write_error_ != 0) return callback();
  inner_->WhenWritable(std::move(callback));
}

}  // namespace halfpipe
