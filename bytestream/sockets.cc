// The C calls for time, descriptors, handles and any bytestream. Each looks up its handle, converts
// its arguments, calls the C++ object, lets go of everything and sets errno.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/clock.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/iolist.h"
#include "bytestream/iolist_convert.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;

int WaitForFd(int fd, bool writable, int64_t deadline) {
  Runtime& runtime = Runtime::Current();
  if (const int error = runtime.CheckCancelled()) return error;
  if (fd < 0) return EBADF;
  return runtime.engine().WaitForeignFd(fd, writable, Deadline::FromMillis(deadline));
}

// Runs function(stream), which returns an errno, on the bytestream behind `s`.
template <typename Function>
int WithBytestream(int s, Function function) {
  PinnedHandle pin(s);
  if (!pin) return EBADF;
  Bytestream* const stream = pin.Query<Bytestream>(kBytestreamType);
  if (stream == nullptr) return ENOTSUP;
  return function(stream);
}

int Send(int s, absl::Span<const IoSlice> slices, int64_t deadline) {
  return WithBytestream(s, [&](Bytestream* stream) {
    return StatusErrno(stream->Write(slices, /*more=*/false, Deadline::FromMillis(deadline)));
  });
}

int Receive(int s, absl::Span<const IoSpan> spans, int64_t deadline) {
  return WithBytestream(s, [&](Bytestream* stream) {
    return StatusErrno(stream->Read(spans, Deadline::FromMillis(deadline)));
  });
}

int SendList(int s, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  IolistSlices<IoSlice> list;
  const int invalid = list.Convert(first, last);
  return WithBytestream(s, [&](Bytestream* stream) {
    if (invalid != 0) return invalid;
    return StatusErrno(
        stream->Write(list.slices(), /*more=*/false, Deadline::FromMillis(deadline)));
  });
}

int ReceiveList(int s, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  IolistSlices<IoSpan> list;
  const int invalid = list.Convert(first, last);
  return WithBytestream(s, [&](Bytestream* stream) {
    if (invalid != 0) return invalid;
    return StatusErrno(stream->Read(list.slices(), Deadline::FromMillis(deadline)));
  });
}

// Drops everything up to the end of the stream; EPIPE is how it ends well.
int ReceiveToEnd(int s, int64_t deadline) {
  const Deadline until = Deadline::FromMillis(deadline);
  return WithBytestream(s, [&](Bytestream* stream) {
    for (;;) {
      const absl::StatusOr<absl::Span<uint8_t>> bytes = stream->Peek(1, until);
      if (!bytes.ok()) return StatusErrno(bytes.status());
      if (bytes->empty()) return EPIPE;
      stream->Consume(bytes->size());
      // A peer that sends without end must not keep the others from running.
      Runtime::Current().CountOperation();
    }
  });
}

}  // namespace
}  // namespace halfpipe

using halfpipe::Deadline;
using halfpipe::EndCall;
using halfpipe::FailCall;
using halfpipe::HandleTable;
using halfpipe::IoSlice;
using halfpipe::IoSpan;
using halfpipe::Runtime;

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
  if (buf == nullptr && len > 0) {
    return EndCall(halfpipe::WithBytestream(s, [](halfpipe::Bytestream*) { return EINVAL; }));
  }
  return EndCall(halfpipe::Send(s, absl::MakeConstSpan(&slice, 1), deadline));
}

int dill_brecv(int s, void* buf, size_t len, int64_t deadline) {
  const IoSpan span(buf, len);
  return EndCall(halfpipe::Receive(s, absl::MakeConstSpan(&span, 1), deadline));
}

int dill_bsendl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  return EndCall(halfpipe::SendList(s, first, last, deadline));
}

int dill_brecvl(int s, struct dill_iolist* first, struct dill_iolist* last, int64_t deadline) {
  if (first == nullptr && last == nullptr) return EndCall(halfpipe::ReceiveToEnd(s, deadline));
  return EndCall(halfpipe::ReceiveList(s, first, last, deadline));
}
