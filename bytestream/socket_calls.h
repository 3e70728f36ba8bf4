#ifndef HALFPIPE_BYTESTREAM_SOCKET_CALLS_H_
#define HALFPIPE_BYTESTREAM_SOCKET_CALLS_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/types/span.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/iolist.h"

namespace halfpipe {

// What bsend() and its kin, and msend() and its kin, do to an object, which may be null (EBADF);
// it is pinned for the length of the call. The results are those of the C calls as numbers: 0 or an
// errno, or a size or a negative errno. Neither sets errno nor lets others run at the end.

int SendBytes(HandleObject* object, absl::Span<const IoSlice> slices, int64_t deadline);
int SendBytes(HandleObject* object, dill_iolist* first, dill_iolist* last, int64_t deadline);
int ReceiveBytes(HandleObject* object, absl::Span<const IoSpan> spans, int64_t deadline);
// Two nulls for a list: everything up to the end, which is EPIPE.
int ReceiveBytes(HandleObject* object, dill_iolist* first, dill_iolist* last, int64_t deadline);

int SendOneMessage(HandleObject* object, absl::Span<const IoSlice> slices, int64_t deadline);
int SendOneMessage(HandleObject* object, dill_iolist* first, dill_iolist* last, int64_t deadline);
ssize_t ReceiveOneMessage(HandleObject* object, absl::Span<const IoSpan> spans, int64_t deadline);
// Two nulls for a list: one message is dropped.
ssize_t ReceiveOneMessage(HandleObject* object, dill_iolist* first, dill_iolist* last,
                          int64_t deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_SOCKET_CALLS_H_
