#define DILL_DISABLE_RAW_NAMES
#include "bytestream/ipc_descriptors.h"

#include <cerrno>
#include <cstdint>

#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/sockets_object.h"

namespace halfpipe {
namespace {

// Runs function(stream), which returns a result or a negative errno, on the Unix connection `s`.
template <typename Function>
int WithUnixStream(int s, Function function) {
  PinnedHandle pin(s);
  if (!pin) return -EBADF;
  FdStream* const stream = pin.Query<FdStream>(kIpcFamily.stream);
  return stream != nullptr ? function(stream) : -ENOTSUP;
}

}  // namespace
}  // namespace halfpipe

int dill_ipc_sendfd(int s, int fd, int64_t deadline) {
  return halfpipe::EndCallWithResult(halfpipe::WithUnixStream(s, [&](halfpipe::FdStream* stream) {
    return -halfpipe::StatusErrno(
        stream->SendDescriptor(fd, halfpipe::Deadline::FromMillis(deadline)));
  }));
}

int dill_ipc_recvfd(int s, int64_t deadline) {
  return halfpipe::EndCallWithResult(halfpipe::WithUnixStream(s, [&](halfpipe::FdStream* stream) {
    const absl::StatusOr<int> fd =
        stream->ReceiveDescriptor(halfpipe::Deadline::FromMillis(deadline));
    return fd.ok() ? *fd : -halfpipe::StatusErrno(fd.status());
  }));
}
