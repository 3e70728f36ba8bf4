#include "bytestream/msocket.h"

#include <cerrno>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/socket_calls.h"

namespace halfpipe {
namespace {

HandleObject* Find(int s) { return HandleTable::Current().Find(s); }

int SendResult(int error) { return error == 0 ? 0 : FailCall(error); }

ssize_t ReceiveResult(ssize_t result) {
  return result >= 0 ? result : FailCall(static_cast<int>(-result));
}

}  // namespace
}  // namespace halfpipe

extern "C" {

using halfpipe::Find;

int dill_msend(int s, const void* buf, size_t len, int64_t deadline) {
  if (buf == nullptr && len > 0) return halfpipe::FailCall(EINVAL);
  const halfpipe::IoSlice slice(buf, len);
  return halfpipe::SendResult(
      halfpipe::SendOneMessage(Find(s), absl::MakeConstSpan(&slice, 1), deadline));
}

int dill_msendl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  return halfpipe::SendResult(halfpipe::SendOneMessage(Find(s), first, last, deadline));
}

ssize_t dill_mrecv(int s, void* buf, size_t len, int64_t deadline) {
  const halfpipe::IoSpan slice(buf, len);
  return halfpipe::ReceiveResult(
      halfpipe::ReceiveOneMessage(Find(s), absl::MakeConstSpan(&slice, 1), deadline));
}

ssize_t dill_mrecvl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  return halfpipe::ReceiveResult(halfpipe::ReceiveOneMessage(Find(s), first, last, deadline));
}

}  // extern "C"
