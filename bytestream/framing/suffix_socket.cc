#include "bytestream/framing/suffix_socket.h"

#include <cerrno>
#include <utility>

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

SuffixSocket::SuffixSocket(Runtime* runtime, BytestreamPtr lower, absl::Span<const uint8_t> suffix)
    : runtime_(runtime), lower_(std::move(lower)), scanner_(suffix) {}

int SuffixSocket::Enter(bool busy) const {
  if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  if (aborted_) return EBADF;
  return busy ? EBUSY : 0;
}

absl::Status SuffixSocket::SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) {
  if (const int error = Enter(sending_)) return EnterStatus(error);
  if (!scanner_.Delimits(slices)) {
    return ErrnoStatus(EINVAL, "the message has the delimiter in it");
  }
  absl::Status status;
  {
    DirectionScope busy(&sending_);
    SliceList<IoSlice> list;
    if (!list.Reserve(slices.size() + 1)) return ErrnoStatus(ENOMEM, "no memory for a list");
    for (const IoSlice& slice : slices) list.Add(slice);
    list.Add(IoSlice(scanner_.suffix().data(), scanner_.size()));
    status = lower_->Write(list.slices(), /*more=*/false, deadline);
  }
  runtime_->CountOperation();
  return status;
}

absl::StatusOr<std::optional<size_t>> SuffixSocket::ReceiveMessage(absl::Span<const IoSpan> slices,
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

absl::StatusOr<std::optional<size_t>> SuffixSocket::ReceiveNow(absl::Span<const IoSpan> slices,
                                                               Deadline deadline) {
  if (failure_ != 0) return Failure();
  const bool discard = slices.empty();
  if (skipping_) {
    if (absl::Status status = SkipMessage(deadline); !status.ok()) return status;
  }
  if (absl::Status status = CheckAside(slices, discard); !status.ok()) return status;
  return FillMessage(slices, discard, deadline);
}

// Whether `slices` can take what an interrupted call has left behind.
absl::Status SuffixSocket::CheckAside(absl::Span<const IoSpan> slices, bool discard) {
  if (discard || aside_.empty()) return absl::OkStatus();
  if (aside_.message_bytes() > TotalSize(slices)) {
    skipping_ = true;
    return TooLarge();
  }
  if (aside_.Fits(slices)) return absl::OkStatus();
  return ErrnoStatus(EINVAL, "the list wants bytes that an interrupted call has skipped");
}

// Receives a message into `slices`, from wherever an interrupted call has left it.
absl::StatusOr<std::optional<size_t>> SuffixSocket::FillMessage(absl::Span<const IoSpan> slices,
                                                                bool discard, Deadline deadline) {
  const IoSpan anything(nullptr, SIZE_MAX);
  if (discard) slices = absl::MakeConstSpan(&anything, 1);
  const size_t capacity = TotalSize(slices);
  size_t received = static_cast<size_t>(aside_.message_bytes());
  if (discard) aside_.Clear();
  SliceCursor<IoSpan> to(slices);
  to.Advance(received);
  for (;;) {
    absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(BytesNeeded(), deadline);
    if (!bytes.ok()) {
      if (received > 0 && IsInterruption(bytes.status())) {
        if (discard) {
          aside_.SaveDiscarded(received);
        } else if (!aside_.Save(slices, received)) {
          return Fail(ENOMEM);
        }
      }
      return bytes.status();
    }
    if (bytes->empty() && received == 0) return std::optional<size_t>();
    if (bytes->size() < BytesNeeded()) return Fail(ECONNRESET);
    const SuffixScanner::Result result = scanner_.Scan(bytes->subspan(scanned_));
    scanned_ += result.scanned;
    const size_t content = scanned_ - (result.found ? scanner_.size() : scanner_.matched());
    const bool fits = content <= capacity - received;
    // A message that the stream's buffer can hold stays there until its end has come.
    if (!result.found && fits && BytesNeeded() <= Bytestream::kPeekMax) continue;
    if (fits) CopyTo(&to, bytes->first(content));
    const size_t used = result.found ? scanned_ : content;
    lower_->Consume(used);
    scanned_ -= used;
    if (!fits) {
      skipping_ = !result.found;
      return TooLarge();
    }
    received += content;
    if (!result.found) continue;
    if (!discard) aside_.Restore(slices);
    return std::optional<size_t>(received);
  }
}

// Drops what is left of a message, and its delimiter.
absl::Status SuffixSocket::SkipMessage(Deadline deadline) {
  for (;;) {
    const size_t content = scanned_ - scanner_.matched();
    if (content > 0) lower_->Consume(content);
    scanned_ -= content;
    const absl::StatusOr<absl::Span<uint8_t>> bytes = lower_->Peek(BytesNeeded(), deadline);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < BytesNeeded()) return Fail(ECONNRESET);
    const SuffixScanner::Result result = scanner_.Scan(bytes->subspan(scanned_));
    scanned_ += result.scanned;
    if (result.found) break;
    runtime_->CountOperation();
  }
  lower_->Consume(std::exchange(scanned_, 0));
  skipping_ = false;
  return absl::OkStatus();
}

absl::Status SuffixSocket::TooLarge() {
  aside_.Clear();
  return ErrnoStatus(EMSGSIZE, "the message is larger than the memory for it");
}

absl::Status SuffixSocket::Fail(int error) {
  failure_ = error;
  return Failure();
}

absl::Status SuffixSocket::Failure() const {
  if (failure_ == ENOMEM) return ErrnoStatus(ENOMEM, "no memory to keep received bytes");
  return ErrnoStatus(failure_, "the stream ended inside a message");
}

absl::StatusOr<BytestreamPtr> SuffixSocket::Detach(Deadline deadline) {
  if (const int error = Enter(sending_ || receiving_)) return EnterStatus(error);
  if (failure_ != 0) return Failure();
  if (skipping_ || !aside_.empty()) {
    // Nobody else comes in until the stream is given back.
    DirectionScope receiving(&receiving_);
    DirectionScope sending(&sending_);
    absl::Status status = SkipMessage(deadline);
    if (!status.ok()) return status;
    aside_.Clear();
  }
  aborted_ = true;
  return std::move(lower_);
}

void SuffixSocket::Abort() noexcept {
  if (std::exchange(aborted_, true)) return;
  if (lower_ != nullptr) lower_->Abort();
}

}  // namespace halfpipe
