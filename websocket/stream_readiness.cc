// What websocket::Stream offers to those that do not wait: to be told, and to send what is encoded.
//
// The lower stream has one callback for each direction. That of the outbound one serves the outbox
// and the user's WhenWritable() both; the outbox comes first.

#include <cerrno>
#include <memory>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "websocket/core/opcode.h"
#include "websocket/stream.h"
#include "websocket/stream_control.h"
#include "websocket/stream_deflate.h"

namespace halfpipe::websocket {

bool Stream::at_message_boundary() const {
  return !aborted_ && failure_ == 0 && !receiving_ && !skipping_ && !in_parts_ &&
         view_bytes_ == 0 && !view_in_aside_ && part_block_ == nullptr && aside_.empty() &&
         receiver_.at_message_boundary() && (deflate_ == nullptr || !deflate_->in_message) &&
         lower_->buffered() == 0;
}

void Stream::WhenReadable(Callback callback) {
  on_readable_ = nullptr;
  if (aborted_) return;
  if (!callback) return lower_->WhenReadable({});
  if (!receiving_ && failure_ == 0) ReleaseView();
  if (failure_ != 0 || receiver_.peer_closed() || receiver_.failed()) return callback();
  on_readable_ = std::move(callback);
  lower_->WhenReadable([this] { LowerReadable(); });
}

// The callback is the last thing to happen, here and elsewhere, because it may destroy the stream.
void Stream::LowerReadable() {
  if (on_readable_) std::exchange(on_readable_, nullptr)();
}

void Stream::WhenWritable(Callback callback) {
  on_writable_ = nullptr;
  if (aborted_) return;
  if (!callback) {
    if (NextQueued(/*pongs_only=*/false) == Queued::kNothing) lower_->WhenWritable({});
    return;
  }
  on_writable_ = std::move(callback);
  OfferWritable();
}

// Has LowerWritable() called when the lower stream can be written. False if it says at once that it
// can.
bool Stream::ArmWritable() {
  writable_at_once_ = false;
  arming_ = true;
  lower_->WhenWritable([this] { LowerWritable(); });
  arming_ = false;
  return !writable_at_once_;
}

void Stream::LowerWritable() {
  if (arming_) {
    writable_at_once_ = true;
    return;
  }
  FlushOutbox();
  OfferWritable();
}

// Calls the user's callback if a send would find its way, or its end. If not, whatever is in the way
// comes here again.
void Stream::OfferWritable() {
  if (!on_writable_) return;
  if (CheckMaySend().ok()) {
    if (sending_ || message_open_ || NextQueued(/*pongs_only=*/false) != Queued::kNothing) return;
    if (ArmWritable()) return;
  }
  std::exchange(on_writable_, nullptr)();
}

// To be called where there may be news for either callback, but it cannot be called since the
// stream is needed further.
void Stream::TellWaiting() {
  if (aborted_ || (!on_readable_ && !on_writable_)) return;
  if (teller_ == nullptr) {
    teller_ = std::make_unique<CallbackTimer>(runtime_, [this] { TellWaitingNow(); });
  }
  teller_->Set(Deadline::Immediately());
}

void Stream::TellWaitingNow() {
  // Whichever comes first may destroy the stream, and with it the timer that would bring the other.
  if (on_readable_ && (failure_ != 0 || receiver_.peer_closed())) {
    if (on_writable_) teller_->Set(Deadline::Immediately());
    return std::exchange(on_readable_, nullptr)();
  }
  OfferWritable();
}

absl::Status Stream::TrySendEncoded(absl::Span<const IoSlice> frames, bool compressed) {
  if (options_.role != Role::kServer) {
    return ErrnoStatus(EINVAL, "frames for all must not be masked, but a client's must");
  }
  if (compressed && deflate_ == nullptr) {
    return ErrnoStatus(EINVAL, "compression was not agreed on");
  }
  if (absl::Status status = CheckMaySend(); !status.ok()) return status;
  if (sender_busy()) return ErrnoStatus(ETIMEDOUT, "another sender is at work");
  absl::Status status;
  {
    NoWaitScope no_wait(runtime_);
    status = lower_->Write(frames, /*more=*/false, Deadline::Immediately());
  }
  if (status.ok() && compressed) deflate_->deflater.Reset();
  if (status.ok()) MarkMessage();
  return status;
}

}  // namespace halfpipe::websocket
