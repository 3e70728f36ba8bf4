#ifndef HALFPIPE_WEBSOCKET_TESTING_COUNTING_BYTESTREAM_H_
#define HALFPIPE_WEBSOCKET_TESTING_COUNTING_BYTESTREAM_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/testing/forwarding_bytestream.h"

namespace halfpipe::websocket {

// What a CountingBytestream has seen.
struct WriteCounts {
  int writes = 0;       // calls of Write() and WriteTail(), whatever came of them
  int writes_more = 0;  // those of them that allowed the bytes to be held back
  size_t bytes = 0;     // in those calls
};

// A bytestream that counts the writes and passes everything on.
class CountingBytestream final : public ForwardingBytestream {
 public:
  // `counts` is borrowed and outlives the stream.
  CountingBytestream(BytestreamPtr inner, WriteCounts* counts)
      : ForwardingBytestream(std::move(inner)), counts_(counts) {}

  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override {
    Count(slices);
    if (more) ++counts_->writes_more;
    return inner().Write(slices, more, deadline);
  }
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override {
    Count(slices);
    return inner().WriteTail(slices);
  }

 private:
  void Count(absl::Span<const IoSlice> slices) {
    ++counts_->writes;
    counts_->bytes += TotalSize(slices);
  }

  WriteCounts* const counts_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_TESTING_COUNTING_BYTESTREAM_H_
