#include "bytestream/user_message_socket.h"

#include <cerrno>
#include <cstdint>

#include "bytestream/base/errno_status.h"
#include "bytestream/iolist_of.h"
#include "bytestream/user_deadline.h"

namespace halfpipe {
namespace {

absl::Status UserStatus(int error) { return ErrnoStatus(error, "the user's message socket"); }

}  // namespace

int UserMessageSocket::Enter(bool busy) const {
  if (const int cancelled = runtime_->CheckCancelled()) return cancelled;
  if (closed_) return EBADF;
  return busy ? EBUSY : 0;
}

absl::Status UserMessageSocket::SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) {
  if (const int error = Enter(sending_)) return UserStatus(error);
  IolistOf list;
  if (!list.Convert(slices, 0)) return UserStatus(ENOMEM);
  sending_ = true;
  const int result = vfs_->msendl(vfs_, list.first(), list.last(), UserDeadline(deadline));
  int error = result == 0 ? 0 : UserError(errno);
  sending_ = false;
  if (closed_) error = EBADF;
  runtime_->CountOperation();
  return UserStatus(error);
}

absl::StatusOr<std::optional<size_t>> UserMessageSocket::ReceiveMessage(
    absl::Span<const IoSpan> slices, Deadline deadline) {
  if (const int error = Enter(receiving_)) return UserStatus(error);
  IolistOf list;
  if (!list.Convert(slices, 0)) return UserStatus(ENOMEM);
  receiving_ = true;
  const bool discard = slices.empty();
  const ssize_t size = vfs_->mrecvl(vfs_, discard ? nullptr : list.first(),
                                    discard ? nullptr : list.last(), UserDeadline(deadline));
  int error = size >= 0 ? 0 : UserError(errno);
  receiving_ = false;
  if (closed_) error = EBADF;
  runtime_->CountOperation();
  if (error == EPIPE) return std::optional<size_t>();
  if (error != 0) return UserStatus(error);
  return std::optional<size_t>(static_cast<size_t>(size));
}

}  // namespace halfpipe
