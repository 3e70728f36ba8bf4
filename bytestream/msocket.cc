#include "bytestream/msocket.h"

#include <cerrno>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/iolist_convert.h"
#include "bytestream/message_socket.h"

namespace halfpipe {
namespace {

// Finds the message socket behind `pin`, or says with *error why there is none.
MessageSocket* Socket(const PinnedHandle& pin, int* error) {
  if (!pin) {
    *error = EBADF;
    return nullptr;
  }
  MessageSocket* const socket = pin.Query<MessageSocket>(kMessageSocketType);
  *error = socket == nullptr ? ENOTSUP : 0;
  return socket;
}

int Send(int s, absl::Span<const IoSlice> slices, int64_t deadline) {
  int result;
  {
    PinnedHandle pin(s);
    MessageSocket* const socket = Socket(pin, &result);
    if (socket != nullptr && socket->sender_busy()) result = EBUSY;
    if (result == 0) {
      result = StatusErrno(socket->SendMessage(slices, Deadline::FromMillis(deadline)));
    }
  }
  return result == 0 ? 0 : FailCall(result);
}

ssize_t Receive(int s, absl::Span<const IoSpan> slices, int64_t deadline) {
  int error;
  size_t size = 0;
  {
    PinnedHandle pin(s);
    MessageSocket* const socket = Socket(pin, &error);
    if (socket != nullptr) {
      const auto message = socket->ReceiveMessage(slices, Deadline::FromMillis(deadline));
      error = message.ok() ? (message->has_value() ? 0 : EPIPE) : StatusErrno(message.status());
      if (error == 0) size = **message;
    }
  }
  return error == 0 ? static_cast<ssize_t>(size) : FailCall(error);
}

}  // namespace
}  // namespace halfpipe

extern "C" {

int dill_msend(int s, const void* buf, size_t len, int64_t deadline) {
  if (buf == nullptr && len > 0) return halfpipe::FailCall(EINVAL);
  const halfpipe::IoSlice slice(buf, len);
  return halfpipe::Send(s, absl::MakeConstSpan(&slice, 1), deadline);
}

int dill_msendl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  halfpipe::IolistSlices<halfpipe::IoSlice> list;
  if (const int error = list.Convert(first, last)) return halfpipe::FailCall(error);
  return halfpipe::Send(s, list.slices(), deadline);
}

ssize_t dill_mrecv(int s, void* buf, size_t len, int64_t deadline) {
  const halfpipe::IoSpan slice(buf, len);
  return halfpipe::Receive(s, absl::MakeConstSpan(&slice, 1), deadline);
}

ssize_t dill_mrecvl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  if (first == nullptr && last == nullptr) return halfpipe::Receive(s, {}, deadline);
  halfpipe::IolistSlices<halfpipe::IoSpan> list;
  if (const int error = list.Convert(first, last)) return halfpipe::FailCall(error);
  return halfpipe::Receive(s, list.slices(), deadline);
}

}  // extern "C"
