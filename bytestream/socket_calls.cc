#include "bytestream/socket_calls.h"

#include <cerrno>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist_convert.h"
#include "bytestream/message_socket.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {
namespace {

// Runs function(stream), which returns an errno, on the bytestream that `object` is.
template <typename Function>
int WithBytestream(HandleObject* object, Function function) {
  PinnedHandle pin(object);
  if (!pin) return EBADF;
  Bytestream* const stream = pin.Query<Bytestream>(kBytestreamType);
  if (stream == nullptr) return ENOTSUP;
  return function(stream);
}

// The same for message sockets, with a size or a negative errno.
template <typename Function>
ssize_t WithMessageSocket(HandleObject* object, Function function) {
  PinnedHandle pin(object);
  if (!pin) return -EBADF;
  MessageSocket* const socket = pin.Query<MessageSocket>(kMessageSocketType);
  if (socket == nullptr) return -ENOTSUP;
  return function(socket);
}

// Drops everything up to the end of the stream; EPIPE is how it ends well.
int ReceiveToEnd(HandleObject* object, Deadline deadline) {
  return WithBytestream(object, [&](Bytestream* stream) {
    for (;;) {
      const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(1, deadline);
      if (!bytes.ok()) return StatusErrno(bytes.status());
      if (bytes->empty()) return EPIPE;
      stream->Consume(bytes->size());
      // A peer that sends without end must not keep the others from running.
      Runtime::Current().CountOperation();
    }
  });
}

}  // namespace

int SendBytes(HandleObject* object, absl::Span<const IoSlice> slices, int64_t deadline) {
  return WithBytestream(object, [&](Bytestream* stream) {
    return StatusErrno(stream->Write(slices, /*more=*/false, Deadline::FromMillis(deadline)));
  });
}

int SendBytes(HandleObject* object, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  IolistSlices<IoSlice> list;
  const int invalid = list.Convert(first, last);
  if (invalid == 0) return SendBytes(object, list.slices(), deadline);
  return WithBytestream(object, [&](Bytestream*) { return invalid; });
}

int ReceiveBytes(HandleObject* object, absl::Span<const IoSpan> spans, int64_t deadline) {
  return WithBytestream(object, [&](Bytestream* stream) {
    return StatusErrno(stream->Read(spans, Deadline::FromMillis(deadline)));
  });
}

int ReceiveBytes(HandleObject* object, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  if (first == nullptr && last == nullptr) {
    return ReceiveToEnd(object, Deadline::FromMillis(deadline));
  }
  IolistSlices<IoSpan> list;
  const int invalid = list.Convert(first, last);
  if (invalid == 0) return ReceiveBytes(object, list.slices(), deadline);
  return WithBytestream(object, [&](Bytestream*) { return invalid; });
}

int SendOneMessage(HandleObject* object, absl::Span<const IoSlice> slices, int64_t deadline) {
  return static_cast<int>(-WithMessageSocket(object, [&](MessageSocket* socket) -> ssize_t {
    if (socket->sender_busy()) return -EBUSY;
    return -StatusErrno(socket->SendMessage(slices, Deadline::FromMillis(deadline)));
  }));
}

int SendOneMessage(HandleObject* object, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  IolistSlices<IoSlice> list;
  if (const int invalid = list.Convert(first, last)) return invalid;
  return SendOneMessage(object, list.slices(), deadline);
}

ssize_t ReceiveOneMessage(HandleObject* object, absl::Span<const IoSpan> spans, int64_t deadline) {
  return WithMessageSocket(object, [&](MessageSocket* socket) -> ssize_t {
    const absl::StatusOr<std::optional<size_t>> message =
        socket->ReceiveMessage(spans, Deadline::FromMillis(deadline));
    if (!message.ok()) return -StatusErrno(message.status());
    return message->has_value() ? static_cast<ssize_t>(**message) : -EPIPE;
  });
}

ssize_t ReceiveOneMessage(HandleObject* object, dill_iolist* first, dill_iolist* last,
                          int64_t deadline) {
  if (first == nullptr && last == nullptr) {
    return ReceiveOneMessage(object, absl::Span<const IoSpan>(), deadline);
  }
  IolistSlices<IoSpan> list;
  if (const int invalid = list.Convert(first, last)) return -invalid;
  return ReceiveOneMessage(object, list.slices(), deadline);
}

}  // namespace halfpipe
