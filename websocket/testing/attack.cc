#include "websocket/testing/attack.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/heap_counter.h"
#include "bytestream/testing/sim_clock.h"
#include "websocket/core/protocol_error_status.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {
namespace {

// What the peer has under way; more than the largest frame that it sends at once.
constexpr size_t kChunkBytes = 64 * 1024;

class Siege {
 public:
  explicit Siege(const Attack& attack) : attack_(attack), memory_(attack.fill_bytes, '?') {
    auto [ours, peers] = MakePair(&runtime_, {.capacity_bytes = BufferPool::kBlockSize});
    peer_ = std::move(peers);
    stream_ = std::make_unique<Stream>(&runtime_, std::move(ours), attack.options);
    chunk_.reserve(kChunkBytes);
  }

  Damage Run() {
    Bundle bundle(&runtime_);
    HALFPIPE_CHECK(bundle.Go([this] { Send(); }).ok());
    if (attack_.reads) HALFPIPE_CHECK(bundle.Go([this] { Hear(); }).ok());
    HeapCounter heap;
    absl::Status status;
    while (status.ok() && !stream_->peer_close().has_value()) status = ReceiveOne();
    damage_.heap_bytes = heap.peak_bytes();
    damage_.error = StatusErrno(status);
    damage_.close_code = CloseCodeOf(status).value_or(0);
    damage_.deflate_bytes = stream_->deflate_memory_peak_bytes();
    damage_.deflate_bytes_left = stream_->deflate_memory_bytes();
    stream_.reset();
    bundle.Cancel();
    HALFPIPE_CHECK(bundle.Wait(Deadline::Never()) == 0);
    return damage_;
  }

 private:
  void Look() { damage_.blocks = std::max(damage_.blocks, runtime_.buffer_pool().blocks_in_use()); }

  void Send() {
    while (attack_.next(&chunk_)) {
      HALFPIPE_CHECK(chunk_.size() <= kChunkBytes);
      const IoSlice slice{absl::string_view(chunk_)};
      if (!peer_->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, Deadline::Never()).ok()) {
        return;
      }
      damage_.bytes_sent += chunk_.size();
      chunk_.clear();
      Look();
    }
  }

  void Hear() {
    for (;;) {
      auto bytes = peer_->Peek(1, Deadline::Never());
      if (!bytes.ok() || bytes->empty()) return;
      damage_.bytes_heard += bytes->size();
      peer_->Consume(bytes->size());
    }
  }

  absl::Status ReceiveOne() {
    const Deadline deadline = Deadline::In(absl::Minutes(1));
    absl::Status status;
    bool got = false;
    if (attack_.receiving == Receiving::kView) {
      auto view = stream_->ReceiveView(deadline);
      status = view.status();
      got = view.ok() && view->has_value();
    } else {
      const IoSpan whole(&memory_[0], memory_.size());
      auto info = attack_.receiving == Receiving::kFill
                      ? stream_->Receive(absl::MakeConstSpan(&whole, 1), deadline)
                      : stream_->Discard(deadline);
      status = info.status();
      got = info.ok() && info->has_value();
    }
    Look();
    if (got) ++damage_.messages;
    return StatusErrno(status) == EMSGSIZE ? absl::OkStatus() : status;
  }

  SimRuntime runtime_;
  const Attack& attack_;
  std::string memory_;
  std::string chunk_;
  BytestreamPtr peer_;
  std::unique_ptr<Stream> stream_;
  Damage damage_;
};

}  // namespace

Damage RunAttack(const Attack& attack) { return Siege(attack).Run(); }

}  // namespace halfpipe::websocket
