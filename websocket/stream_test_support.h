#ifndef HALFPIPE_WEBSOCKET_STREAM_TEST_SUPPORT_H_
#define HALFPIPE_WEBSOCKET_STREAM_TEST_SUPPORT_H_

// For tests of streams whose peer is the test itself.

#include <memory>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {

// A server's stream on simulated time, the client's end of its lower stream in the hands of the test.
class ServedStreamTest : public testing::Test {
 protected:
  // In place of the stream that there was.
  void Connect(Options options = {}, PairOptions pair = {}) {
    stream_.reset();
    auto [peer, lower] = MakePair(&runtime_, pair);
    peer_ = std::move(peer);
    stream_ = std::make_unique<Stream>(&runtime_, std::move(lower), options);
  }

  void FromPeer(const std::string& bytes) {
    const IoSlice slice(bytes);
    ASSERT_THAT(
        peer_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, Deadline::Immediately()),
        IsOk());
  }

  // All that has come to the peer until now, as far as it lies in its buffer.
  std::string ToPeer() {
    auto bytes = peer_->Peek(1, Deadline::Immediately());
    if (!bytes.ok()) return "";
    const std::string heard(AsChars(*bytes));
    peer_->Consume(bytes->size());
    return heard;
  }

  SimRuntime runtime_;
  BytestreamPtr peer_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_STREAM_TEST_SUPPORT_H_
