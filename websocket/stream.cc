#include "websocket/stream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/time/time.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "websocket/stream_control.h"
#include "websocket/stream_deflate.h"

namespace halfpipe::websocket {
namespace {

// How long a client leaves it to the server to end the connection below.
constexpr absl::Duration kServerEndTime = absl::Seconds(1);

}  // namespace

Stream::Stream(Runtime* runtime, BytestreamPtr lower, const Options& options)
    : runtime_(runtime),
      lower_(std::move(lower)),
      options_(options),
      deflate_(MakeDeflate(options)),
      receiver_({.role = options.role,
                 .message_bytes_max = options.message_bytes_max,
                 .frame_bytes_max = options.frame_bytes_max,
                 .rsv_allowed = deflate_ != nullptr ? kRsv1 : uint8_t{0},
                 .encoded_bytes_max = EncodedBytesMax(options.message_bytes_max),
                 .fragments_max = options.fragments_per_message_max}) {
  HALFPIPE_CHECK(IsValid(options));
  BeginWatch();
}

Stream::~Stream() {
  HALFPIPE_CHECK(!receiving_ && !sending_);
  Abort();
  if (part_block_ != nullptr) runtime_->buffer_pool().Put(part_block_);
}

// The connection brings no more: `error` from now on, to all who wait for anything. What it has
// failed by first counts. What has been put aside stays until a receive ends or begins: a view of it
// may be in use, and a receive into it under way.
void Stream::Fail(int error, const char* text) {
  if (failure_ != 0) return;
  failure_ = error;
  failure_text_ = text;
  in_parts_ = false;
  ReleaseInflater();
  EndPings(ECONNRESET);
  EndRoundTrips(ECONNRESET);
  TellWaiting();
}

void Stream::Abort() noexcept {
  if (std::exchange(aborted_, true)) return;
  if (lower_ == nullptr) return;
  if (runtime_->ending()) ForgetWaiters();
  {
    NoWaitScope no_wait(runtime_);
    EndPings(EBADF);
    if (!close_state_.close_sent() && failure_ == 0) QueueClose(kCloseGoingAway, "");
    lower_->WhenWritable({});
  }
  DropCallbacks();
  lower_->Abort();
  while (Waiter* const waiter = send_queue_.PopFront()) runtime_->Wake(waiter, EBADF);
  if (piece_waiter_ != nullptr) runtime_->Wake(std::exchange(piece_waiter_, nullptr), EBADF);
  EndRoundTrips(EBADF);
}

// Those who wait are abandoned, and their stacks may have gone.
void Stream::ForgetWaiters() {
  send_queue_.Forget();
  ping_queue_.Forget();
  piece_waiter_ = nullptr;
  if (control_ != nullptr) control_->round_trips.Forget();
}

// Nobody is told of anything any more, nor is a bound in time kept.
void Stream::DropCallbacks() {
  on_readable_ = nullptr;
  on_writable_ = nullptr;
  teller_.reset();
  if (control_ != nullptr) control_->timer.Cancel();
}

absl::StatusOr<BytestreamPtr> Stream::Detach(int code, absl::string_view reason,
                                             Deadline deadline) {
  if (receiving_ || sender_busy()) {
    return ErrnoStatus(EBUSY, "another coroutine uses the WebSocket");
  }
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  receiving_ = true;  // nobody else receives from here on
  absl::Status status;
  if (!close_state_.close_sent()) status = Done(code, reason, deadline);
  if (status.ok()) status = DrainToClose(deadline);
  if (status.ok()) status = FlushClose(deadline);
  receiving_ = false;
  if (!status.ok()) {
    Abort();
    return status;
  }
  ReleaseView();
  DropCallbacks();
  EndRoundTrips(EBADF);
  lower_->WhenReadable({});
  lower_->WhenWritable({});
  aborted_ = true;
  return std::move(lower_);
}

// Drops what the peer sends behind the end of all messages, up to the end of its stream.
absl::Status Stream::DrainLower(Deadline deadline) {
  for (;;) {
    auto rest = lower_->Peek(1, deadline);
    if (!rest.ok()) return rest.status();
    if (rest->empty()) return absl::OkStatus();
    CountWork(rest->size());
    lower_->Consume(rest->size());
    runtime_->CountOperation();
    if (absl::Status status = LookAtClock(deadline); !status.ok()) return status;
  }
}

absl::Status Stream::Close(int code, absl::string_view reason, Deadline deadline) {
  if (receiving_ || sender_busy()) {
    return ErrnoStatus(EBUSY, "another coroutine uses the WebSocket");
  }
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  deadline = std::min(deadline, Deadline::In(options_.close_time_max));
  receiving_ = true;
  absl::Status status;
  if (!close_state_.close_sent() && failure_ == 0) status = Done(code, reason, deadline);
  if (status.ok()) status = DrainToClose(deadline);
  // Even after a breach of the protocol our Close should reach the peer: end the outbound direction
  // and let the peer end its own, since closing with unread bytes would reset the connection.
  absl::Status ended = FlushClose(deadline);
  ReleaseView();
  // Whoever ends first has to keep the connection's addresses for a while, and that is to be the
  // server (RFC 6455 section 7.1.1).
  bool server_ended = false;
  if (status.ok() && ended.ok() && options_.role == Role::kClient) {
    server_ended = DrainLower(std::min(deadline, Deadline::In(kServerEndTime))).ok();
  }
  if (ended.ok()) ended = lower_->Done(deadline);
  if (server_ended) {
    // It has our Close, and may be gone: whether it hears of our end is no matter.
    ended = absl::OkStatus();
  } else if (ended.ok()) {
    ended = DrainLower(deadline);
  }
  receiving_ = false;
  Abort();
  return status.ok() ? ended : status;
}

}  // namespace halfpipe::websocket
