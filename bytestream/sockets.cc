// The C calls for time, descriptors, handles and any bytestream. Each looks up its handle, converts
// its arguments, calls the C++ object, lets go of everything and sets errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/iolist.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/socket_calls.h"

namespace halfpipe {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;

int WaitForFd(int fd, bool writable, int64_t deadline) {
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return error;
  if (fd < 0) return EBADF;
  return runtime.engine().WaitForeignFd(fd, writable, Deadline::FromMillis(deadline));
}

}  // namespace
}  // namespace halfpipe

using halfpipe::Deadline;
using halfpipe::EndCall;
using halfpipe::FailCall;
using halfpipe::HandleTable;
using halfpipe::IoSlice;
using halfpipe::IoSpan;
using halfpipe::ReceiveBytes;
using halfpipe::Runtime;
using halfpipe::SendBytes;

static halfpipe::HandleObject* Find(int s) { return HandleTable::Current().Find(s); }

int64_t dill_now(void) { return halfpipe::Clock::Current().NowNanos() / halfpipe::kNanosPerMilli; }

int dill_msleep(int64_t deadline) {
  const int error = Runtime::Current().SleepUntil(Deadline::FromMillis(deadline));
  return error == 0 ? 0 : FailCall(error);
}

int dill_fdin(int fd, int64_t deadline) {
  return EndCall(halfpipe::WaitForFd(fd, /*writable=*/false, deadline));
}

int dill_fdout(int fd, int64_t deadline) {
  return EndCall(halfpipe::WaitForFd(fd, /*writable=*/true, deadline));
}

int dill_fdclean(int fd) {
  if (fd >= 0) Runtime::Current().engine().ForgetForeignFd(fd);
  return 0;
}

int dill_hclose(int h) {
  const int error = HandleTable::Current().Close(h);
  return error == 0 ? 0 : FailCall(error);
}

int dill_hown(int h) {
  int owned = 0;
  const int error = HandleTable::Current().Own(h, &owned);
  return error == 0 ? owned : FailCall(error);
}

int dill_bsend(int s, const void* buf, size_t len, int64_t deadline) {
  const IoSlice slice(buf, len);
  if (buf != nullptr || len == 0) {
    return EndCall(SendBytes(Find(s), absl::MakeConstSpan(&slice, 1), deadline));
  }
  // A list that is no list says so after the handle has been looked at.
  return EndCall(SendBytes(Find(s), nullptr, nullptr, deadline));
}

int dill_brecv(int s, void* buf, size_t len, int64_t deadline) {
  const IoSpan span(buf, len);
  return EndCall(ReceiveBytes(Find(s), absl::MakeConstSpan(&span, 1), deadline));
}

int dill_bsendl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  return EndCall(SendBytes(Find(s), first, last, deadline));
}

int dill_brecvl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  return EndCall(ReceiveBytes(Find(s), first, last, deadline));
}
