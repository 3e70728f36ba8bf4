#include "bytestream/framing/term_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/framing/direction_scope.h"
#include "bytestream/framing/message_spans.h"

namespace halfpipe {
namespace {

absl::Status EnterStatus(int error) {
  switch (error) {
    case EBADF:
      return ErrnoStatus(error, "the message socket is closed");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is in this direction of the message socket");
    case EPIPE:
      return ErrnoStatus(error, "the terminal message was sent");
    default:
      return ErrnoStatus(error, "the coroutine is ending");
  }
}

absl::Status TooLarge() {
  return ErrnoStatus(EMSGSIZE, "the message is larger than the memory for it");
}

}  // namespace

TermSocket::TermSocket(Runtime* runtime, MessageSocket* lower, absl::Span<const uint8_t> terminator)
    : runtime_(runtime), lower_(lower), terminator_size_(static_cast<uint8_t>(terminator.size())) {
  HALFPIPE_CHECK(terminator.size() <= kTerminatorBytesMax);
  if (!terminator.empty()) std::memcpy(terminator_, terminator.data(), terminator.size());
}

int TermSocket::Enter(bool busy) const {
  if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  if (closed_) return EBADF;
  return busy ? EBUSY : 0;
}

bool TermSocket::IsTerminator(absl::Span<const IoSlice> slices) const {
  if (TotalSize(slices) != terminator_size_) return false;
  const uint8_t* expected = terminator_;
  for (const IoSlice& slice : slices) {
    if (slice.size > 0 && std::memcmp(slice.data, expected, slice.size) != 0) return false;
    expected += slice.size;
  }
  return true;
}

absl::Status TermSocket::SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) {
  if (const int error = Enter(sending_)) return EnterStatus(error);
  if (end_sent_) return EnterStatus(EPIPE);
  if (IsTerminator(slices)) {
    return ErrnoStatus(EINVAL, "the message is the one that says the end");
  }
  DirectionScope busy(&sending_);
  absl::Status status = lower_->SendMessage(slices, deadline);
  return closed_ ? EnterStatus(EBADF) : status;
}

absl::Status TermSocket::SendTerminator(Deadline deadline) {
  if (end_sent_) return EnterStatus(EPIPE);
  DirectionScope busy(&sending_);
  const IoSlice slice(terminator_, terminator_size_);
  absl::Status status = lower_->SendMessage(absl::MakeConstSpan(&slice, 1), deadline);
  if (closed_) return EnterStatus(EBADF);
  if (status.ok()) end_sent_ = true;
  return status;
}

absl::Status TermSocket::Done(Deadline deadline) {
  if (const int error = Enter(sending_)) return EnterStatus(error);
  return SendTerminator(deadline);
}

absl::StatusOr<std::optional<size_t>> TermSocket::ReceiveMessage(absl::Span<const IoSpan> slices,
                                                                 Deadline deadline) {
  if (const int error = Enter(receiving_)) return EnterStatus(error);
  DirectionScope busy(&receiving_);
  return ReceiveNow(slices, deadline);
}

absl::StatusOr<std::optional<size_t>> TermSocket::ReceiveNow(absl::Span<const IoSpan> slices,
                                                             Deadline deadline) {
  if (end_received_) return std::optional<size_t>();
  if (terminator_size_ == 0) return ReceiveUnlessEmpty(slices, deadline);
  // As many bytes as the terminator has come to a place of ours, to be looked at; what follows goes
  // where it belongs.
  const size_t own = terminator_size_;
  uint8_t begin[kTerminatorBytesMax];
  SliceList<IoSpan> list;
  if (!list.Reserve(slices.size() + 2)) return ErrnoStatus(ENOMEM, "no memory for a list");
  list.Add(IoSpan(begin, own));
  const size_t capacity = slices.empty() ? SIZE_MAX : TotalSize(slices);
  size_t skip = own;
  for (const IoSpan& slice : slices) {
    const size_t offset = std::min(slice.size, skip);
    skip -= offset;
    if (slice.size == offset) continue;
    uint8_t* const data = slice.data != nullptr ? slice.data + offset : nullptr;
    list.Add(IoSpan(data, slice.size - offset));
  }
  if (slices.empty()) list.Add(IoSpan(nullptr, SIZE_MAX - own));
  const auto received = lower_->ReceiveMessage(list.slices(), deadline);
  if (closed_) return EnterStatus(EBADF);
  if (!received.ok()) return received.status();
  if (!received->has_value()) {
    return ErrnoStatus(ECONNRESET, "the messages ended without a terminal one");
  }
  const size_t size = **received;
  if (size == own && std::memcmp(begin, terminator_, own) == 0) return End();
  if (size > capacity) return TooLarge();
  if (!slices.empty()) {
    SliceCursor<IoSpan> to(slices);
    CopyTo(&to, absl::MakeConstSpan(begin, std::min(size, own)));
  }
  return received;
}

// The empty message is the end.
absl::StatusOr<std::optional<size_t>> TermSocket::ReceiveUnlessEmpty(
    absl::Span<const IoSpan> slices, Deadline deadline) {
  const auto received = lower_->ReceiveMessage(slices, deadline);
  if (closed_) return EnterStatus(EBADF);
  if (!received.ok()) return received.status();
  if (!received->has_value()) {
    return ErrnoStatus(ECONNRESET, "the messages ended without a terminal one");
  }
  return **received == 0 ? End() : received;
}

std::optional<size_t> TermSocket::End() {
  end_received_ = true;
  return std::nullopt;
}

absl::Status TermSocket::Finish(Deadline deadline) {
  if (const int error = Enter(sending_ || receiving_)) return EnterStatus(error);
  DirectionScope receiving(&receiving_);
  if (!end_sent_) {
    absl::Status status = SendTerminator(deadline);
    if (!status.ok()) return status;
  }
  DirectionScope sending(&sending_);
  while (!end_received_) {
    const auto dropped = ReceiveNow({}, deadline);
    if (!dropped.ok()) return dropped.status();
  }
  return absl::OkStatus();
}

}  // namespace halfpipe
