#ifndef HALFPIPE_BYTESTREAM_TESTING_STREAM_HANDLE_H_
#define HALFPIPE_BYTESTREAM_TESTING_STREAM_HANDLE_H_

#include <utility>

#include "bytestream/bytestream.h"
#include "bytestream/bytestream_handle.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/testing/forwarding_bytestream.h"

namespace halfpipe {

// Gives any bytestream a handle, so that tests can put the C calls on pairs and scripts.
//
// Example:
//   const int s = http_attach(StreamHandle::Make(std::move(stream)));
class StreamHandle final : public ForwardingBytestream, public HandleObject {
 public:
  // The number, positive; the table owns the stream.
  static int Make(BytestreamPtr stream) {
    return MakeBytestreamHandle(new StreamHandle(std::move(stream)));
  }

  void* Query(const void* type) override {
    return type == &kBytestreamType ? static_cast<Bytestream*>(this) : nullptr;
  }
  void Close() noexcept override { Abort(); }
  void Dispose() noexcept override { delete this; }

 private:
  using ForwardingBytestream::ForwardingBytestream;
  ~StreamHandle() override = default;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_STREAM_HANDLE_H_
