#ifndef HALFPIPE_WEBSOCKET_STREAM_CONTROL_H_
#define HALFPIPE_WEBSOCKET_STREAM_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/callback_timer.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/waiter.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

// What pings of our own carry, so that their pongs are known.
inline constexpr size_t kPingIdBytes = 8;

// Somebody whose ping waits for a sender to come to the end of its frame. In Stream::ping_queue_.
struct Stream::PingWaiter : Waiter {
  absl::Span<const uint8_t> payload;
  int64_t* sent_nanos = nullptr;  // null: nobody asks
};

// A ping whose pong is waited for; lives on the stack of who waits.
struct Stream::RoundTrip {
  ListLink link;
  Waiter* waiter = nullptr;  // once it waits for the pong
  uint8_t id[kPingIdBytes];
  int64_t sent_nanos = -1;
  int64_t nanos = -1;  // once the pong has come
  int error = 0;       // once none will
};

// What a Stream has beside itself with pings of its own or bounds in time. Private to it.
struct Stream::Control {
  Control(Runtime* runtime, absl::AnyInvocable<void()> watch) : timer(runtime, std::move(watch)) {}

  CallbackTimer timer;
  bool watching = false;                 // the timer is in use: the times below are kept
  int64_t heard_nanos = 0;               // when the last byte was received
  int64_t message_nanos = 0;             // when the last of a message was received or sent
  int64_t pinged_nanos = 0;              // when the last ping for liveness was due
  size_t buffered = 0;                   // below, when it was last looked at or consumed from
  bool unread = false;                   // and whether nobody was there to take it
  Deadline give_up = Deadline::Never();  // when a Close of our own accord has waited long enough

  uint8_t live_id[kPingIdBytes] = {};
  int64_t live_sent_nanos = -1;  // of a ping for liveness that has not been answered

  IntrusiveList<RoundTrip, &RoundTrip::link> round_trips;  // the first sent first
  std::optional<absl::Duration> round_trip_time;
  PongCallback on_pong;
  int pong_callbacks = 0;  // that were put there
};

// Inline: on the way of every frame and message.

// Bytes have come; to be called when those that are used have been consumed.
inline void Stream::MarkHeard() {
  if (control_ == nullptr || !control_->watching) return;
  control_->heard_nanos = runtime_->clock().NowNanos();
  control_->buffered = lower_->buffered();
}

// The same without news: bytes that were seen before have been consumed.
inline void Stream::NoteBuffered() {
  if (control_ != nullptr && control_->watching) control_->buffered = lower_->buffered();
}

inline void Stream::MarkMessage() {
  if (control_ != nullptr && control_->watching) {
    control_->message_nanos = runtime_->clock().NowNanos();
  }
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_STREAM_CONTROL_H_
