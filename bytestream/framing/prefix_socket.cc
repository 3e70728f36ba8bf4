#include "bytestream/framing/prefix_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
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
    default:
      return ErrnoStatus(error, "the coroutine is ending");
  }
}

}  // namespace

PrefixSocket::PrefixSocket(Runtime* runtime, BytestreamPtr lower, const Options& options)
    : runtime_(runtime), lower_(std::move(lower)), options_(options) {
  HALFPIPE_CHECK(options.prefix_bytes >= 1 && options.prefix_bytes <= kPrefixBytesMax);
  HALFPIPE_CHECK(options.message_bytes_max <= kMessageBytesMax);
}

int PrefixSocket::Enter(bool busy) const {
  if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  if (aborted_) return EBADF;
  return busy ? EBUSY : 0;
}

absl::Status PrefixSocket::SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) {
  if (const int error = Enter(sending_)) return EnterStatus(error);
  const uint64_t size = TotalSize(slices);
  const uint64_t size_max = PrefixedSizeMax(options_.prefix_bytes);
  if (size > size_max) {
    return ErrnoStatus(EMSGSIZE, absl::StrCat("message of ", size, " bytes exceeds what ",
                                              options_.prefix_bytes, " bytes can say"));
  }
  absl::Status status;
  {
    DirectionScope busy(&sending_);
    uint8_t prefix[kPrefixBytesMax];
    const absl::Span<uint8_t> used = absl::MakeSpan(prefix, options_.prefix_bytes);
    EncodePrefix(size, options_.byte_order, used);
    SliceList<IoSlice> list;
    if (!list.Reserve(slices.size() + 1)) return ErrnoStatus(ENOMEM, "no memory for a list");
    list.Add(IoSlice(used.data(), used.size()));
    for (const IoSlice& slice : slices) list.Add(slice);
    status = lower_->Write(list.slices(), /*more=*/false, deadline);
  }
  runtime_->CountOperation();
  return status;
}

absl::StatusOr<std::optional<size_t>> PrefixSocket::ReceiveMessage(absl::Span<const IoSpan> slices,
                                                                   Deadline deadline) {
  if (const int error = Enter(receiving_)) return EnterStatus(error);
  absl::StatusOr<std::optional<size_t>> result = std::optional<size_t>();
  {
    DirectionScope busy(&receiving_);
    result = ReceiveNow(slices, deadline);
  }
  runtime_->CountOperation();
  return result;
}

absl::StatusOr<std::optional<size_t>> PrefixSocket::ReceiveNow(absl::Span<const IoSpan> slices,
                                                               Deadline deadline) {
  if (failure_ != 0) return Failure();
  const uint64_t capacity = slices.empty() ? kMessageBytesMax : TotalSize(slices);
  if (rest_ == Rest::kTooLarge) {
    if (absl::Status status = TakeRest(nullptr, deadline); !status.ok()) return status;
  }
  if (rest_ == Rest::kNone) {
    const size_t prefix_bytes = options_.prefix_bytes;
    const absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(prefix_bytes, deadline);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return std::optional<size_t>();
    if (bytes->size() < prefix_bytes) return Fail(ECONNRESET);
    const uint64_t size = DecodePrefix(bytes->first(prefix_bytes), options_.byte_order);
    if (size > options_.message_bytes_max) return Fail(EPROTO);
    if (size <= capacity && !HasSkips(slices)) {
      absl::Status status = TakeMessage(*bytes, slices, static_cast<size_t>(size), deadline);
      if (!status.ok()) return status;
      return std::optional<size_t>(size);
    }
    lower_->Consume(prefix_bytes);
    rest_size_ = rest_left_ = size;
    rest_ = Rest::kPartial;
  }
  absl::Status status = FillPartial(slices, capacity, deadline);
  if (!status.ok()) return status;
  return std::optional<size_t>(rest_size_);
}

// Receives a message for which there is room, its length included, which is still in the stream.
absl::Status PrefixSocket::TakeMessage(absl::Span<const uint8_t> buffered,
                                       absl::Span<const IoSpan> slices, size_t size,
                                       Deadline deadline) {
  const size_t prefix_bytes = options_.prefix_bytes;
  if (buffered.size() - prefix_bytes >= size) {
    SliceCursor<IoSpan> to(slices);
    CopyTo(&to, buffered.subspan(prefix_bytes, size));
    lower_->Consume(prefix_bytes + size);
    return absl::OkStatus();
  }
  SliceList<IoSpan> list;
  if (!list.Reserve(slices.size() + 1)) return ErrnoStatus(ENOMEM, "no memory for a list");
  uint8_t prefix[kPrefixBytesMax];
  list.Add(IoSpan(prefix, prefix_bytes));
  size_t left = size;
  for (const IoSpan& slice : slices) {
    const size_t here = std::min(slice.size, left);
    if (here > 0) list.Add(IoSpan(slice.data, here));
    left -= here;
  }
  absl::Status status = lower_->Read(list.slices(), deadline);
  return StatusErrno(status) == EPIPE ? Fail(ECONNRESET) : status;
}

// Receives the message of which rest_left_ bytes are still to come, from wherever an interrupted
// call has left it.
absl::Status PrefixSocket::FillPartial(absl::Span<const IoSpan> slices, uint64_t capacity,
                                       Deadline deadline) {
  if (rest_size_ > capacity) return TooLarge();
  const bool discard = slices.empty();
  if (discard) {
    aside_.Clear();
  } else if (!aside_.Fits(slices)) {
    return ErrnoStatus(EINVAL, "the list wants bytes that an interrupted call has dropped");
  }
  SliceCursor<IoSpan> to(slices);
  to.Advance(static_cast<size_t>(aside_.message_bytes()));
  absl::Status status = TakeRest(discard ? nullptr : &to, deadline);
  if (IsInterruption(status)) {
    const uint64_t received = rest_size_ - rest_left_;
    if (discard) {
      aside_.SaveDiscarded(received);
    } else if (!aside_.Save(slices, received)) {
      return Fail(ENOMEM);
    }
  } else if (status.ok() && !discard) {
    aside_.Restore(slices);
  }
  return status;
}

// Receives what is left of a message to where the cursor stands, or drops it (null).
absl::Status PrefixSocket::TakeRest(SliceCursor<IoSpan>* to, Deadline deadline) {
  while (rest_left_ > 0) {
    const size_t min =
        lower_->reads_ahead()
            ? 1
            : static_cast<size_t>(std::min<uint64_t>(rest_left_, Bytestream::kPeekMax));
    const absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(min, deadline);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return Fail(ECONNRESET);
    const size_t count = static_cast<size_t>(std::min<uint64_t>(bytes->size(), rest_left_));
    if (to != nullptr) CopyTo(to, bytes->first(count));
    lower_->Consume(count);
    rest_left_ -= count;
    if (rest_left_ > 0) runtime_->CountOperation();
  }
  rest_ = Rest::kNone;
  return absl::OkStatus();
}

absl::Status PrefixSocket::TooLarge() {
  aside_.Clear();
  rest_ = Rest::kTooLarge;
  return ErrnoStatus(EMSGSIZE, "the message is larger than the memory for it");
}

absl::Status PrefixSocket::Fail(int error) {
  failure_ = error;
  return Failure();
}

absl::Status PrefixSocket::Failure() const {
  if (failure_ == ENOMEM) return ErrnoStatus(ENOMEM, "no memory to keep received bytes");
  if (failure_ == EPROTO) {
    return ErrnoStatus(
        EPROTO, absl::StrCat("a length above message_bytes_max ", options_.message_bytes_max));
  }
  return ErrnoStatus(failure_, "the stream ended inside a message");
}

absl::StatusOr<BytestreamPtr> PrefixSocket::Detach() {
  if (aborted_) return EnterStatus(EBADF);
  if (sending_ || receiving_) return EnterStatus(EBUSY);
  if (failure_ != 0) return Failure();
  if (rest_ != Rest::kNone) {
    NoWaitScope no_wait(runtime_);
    absl::Status status = TakeRest(nullptr, Deadline::Immediately());
    if (StatusErrno(status) == ETIMEDOUT) {
      status = ErrnoStatus(ECONNRESET, "in the middle of a message that is being skipped");
    }
    if (!status.ok()) return status;
  }
  aborted_ = true;
  return std::move(lower_);
}

void PrefixSocket::Abort() noexcept {
  if (std::exchange(aborted_, true)) return;
  if (lower_ != nullptr) lower_->Abort();
}

}  // namespace halfpipe
