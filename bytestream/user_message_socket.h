#ifndef HALFPIPE_BYTESTREAM_USER_MESSAGE_SOCKET_H_
#define HALFPIPE_BYTESTREAM_USER_MESSAGE_SOCKET_H_

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/socket_vfs.h"

namespace halfpipe {

// An msock_vfs of the user's as a MessageSocket. One coroutine in each direction, others get EBUSY.
// Errors of the user's functions are passed on as they are.
class UserMessageSocket final : public MessageSocket {
 public:
  // `runtime` is borrowed and outlives the object.
  explicit UserMessageSocket(Runtime* runtime) : runtime_(runtime) {}

  // The user's table, borrowed as long as the user's object lives; null until it is known.
  void set_vfs(dill_msock_vfs* vfs) { vfs_ = vfs; }
  dill_msock_vfs* vfs() const { return vfs_; }

  // The user's object is closed: present and later calls fail with EBADF.
  void Close() { closed_ = true; }

  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) override;
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline deadline) override;
  bool sender_busy() const override { return sending_; }

 private:
  int Enter(bool busy) const;

  Runtime* const runtime_;
  dill_msock_vfs* vfs_ = nullptr;
  bool sending_ = false;
  bool receiving_ = false;
  bool closed_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_USER_MESSAGE_SOCKET_H_
