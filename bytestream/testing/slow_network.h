#ifndef HALFPIPE_BYTESTREAM_TESTING_SLOW_NETWORK_H_
#define HALFPIPE_BYTESTREAM_TESTING_SLOW_NETWORK_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/stream_handle.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Two handles with a network between them that carries a few bytes at a time, so that whoever
// receives has many waits, each of them ended by an arrival. On the runtime of this thread.
//
// An end that is closed is the end of what the other one receives; what has not been carried by then
// is lost, as by a reset.
class SlowNetwork {
 public:
  explicit SlowNetwork(size_t piece_bytes)
      : piece_bytes_(piece_bytes), bundle_(&Runtime::Current()) {
    for (size_t i = 0; i < 2; ++i) {
      auto [outer, inner] = MakePair(&Runtime::Current());
      ends_[i] = StreamHandle::Make(std::move(outer));
      inner_[i] = std::move(inner);
    }
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(bundle_.Go([this, i] { Carry(inner_[i].get(), inner_[1 - i].get()); }).ok());
    }
  }
  SlowNetwork(const SlowNetwork&) = delete;
  SlowNetwork& operator=(const SlowNetwork&) = delete;

  // For the caller to close.
  const std::array<int, 2>& ends() const { return ends_; }

 private:
  void Carry(Bytestream* from, Bytestream* to) {
    for (;;) {
      const absl::StatusOr<absl::Span<uint8_t>> bytes = from->Peek(1, Deadline::Never());
      if (!bytes.ok() || bytes->empty()) break;
      const IoSlice piece(bytes->data(), std::min(bytes->size(), piece_bytes_));
      if (!to->WriteTail(absl::MakeConstSpan(&piece, 1)).ok()) break;
      from->Consume(piece.size);
      // So that it arrives before more comes.
      for (int i = 0; i < 3; ++i) {
        if (Runtime::Current().Yield() != 0) return;
      }
    }
    to->Abort();
  }

  const size_t piece_bytes_;
  std::array<int, 2> ends_;
  std::array<BytestreamPtr, 2> inner_;
  Bundle bundle_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_SLOW_NETWORK_H_
