// Pings of websocket::Stream's own and its bounds in time: round trips, liveness, idleness, and the
// rate of control frames.
//
// One timer for each connection that has any bound. Receiving and sending only note the time; the
// timer, when it fires, looks at what has become of it and is set for what is left.

#include "websocket/stream_control.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "bytestream/base/errno_status.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// `nanos` and `duration` later; Never() if that is no time.
Deadline After(int64_t nanos, absl::Duration duration) {
  const int64_t more = absl::ToInt64Nanoseconds(duration);  // saturates
  return more > INT64_MAX - nanos ? Deadline::Never() : Deadline::AtNanos(nanos + more);
}

}  // namespace

Stream::Control& Stream::MakeControl() {
  if (control_ == nullptr) control_ = std::make_unique<Control>(runtime_, [this] { Watch(); });
  return *control_;
}

// ---- Round trips --------------------------------------------------------------------------------

absl::StatusOr<absl::Duration> Stream::MeasureRoundTrip(Deadline deadline) {
  if (aborted_) return ErrnoStatus(EBADF, "the WebSocket is closed");
  if (peer_close_met_) return ErrnoStatus(EPIPE, "the peer's Close has come");
  RoundTrip trip;
  options_.entropy->Fill(absl::MakeSpan(trip.id));
  // Listed before it is sent: the pong may be here before the send has come back.
  MakeControl().round_trips.PushBack(&trip);
  absl::Status status = SendPing(absl::MakeConstSpan(trip.id), &trip.sent_nanos, deadline);
  if (status.ok() && trip.nanos < 0 && trip.error == 0) {
    Waiter waiter;
    trip.waiter = &waiter;
    status = ErrnoStatus(runtime_->Wait(&waiter, deadline), "waiting for a pong");
  }
  trip.link.Unlink();
  runtime_->CountOperation();
  if (trip.nanos >= 0) return absl::Nanoseconds(trip.nanos);
  if (trip.error != 0) return ErrnoStatus(trip.error, "the connection ended before the pong");
  return status;
}

std::optional<absl::Duration> Stream::round_trip_time() const {
  return control_ != nullptr ? control_->round_trip_time : std::nullopt;
}

void Stream::OnPong(PongCallback callback) {
  Control& control = MakeControl();
  control.on_pong = std::move(callback);
  ++control.pong_callbacks;
}

void Stream::PongCame(absl::Span<const uint8_t> payload) {
  if (control_ == nullptr) return;
  Control& control = *control_;
  const auto is = [payload](const uint8_t* id) {
    return payload.size() == kPingIdBytes && std::memcmp(payload.data(), id, kPingIdBytes) == 0;
  };
  const int64_t now = runtime_->clock().NowNanos();
  if (control.live_sent_nanos >= 0 && is(control.live_id)) {
    control.round_trip_time = absl::Nanoseconds(now - std::exchange(control.live_sent_nanos, -1));
  }
  RoundTrip* answered = control.round_trips.Front();
  while (answered != nullptr && !(answered->sent_nanos >= 0 && is(answered->id))) {
    answered = control.round_trips.Next(answered);
  }
  if (answered != nullptr) {
    control.round_trip_time = absl::Nanoseconds(now - answered->sent_nanos);
    // The peer may leave out those before it; those that have not been sent stay.
    RoundTrip* trip = control.round_trips.Front();
    for (bool last = false; !last;) {
      RoundTrip* const next = control.round_trips.Next(trip);
      last = trip == answered;
      if (trip->sent_nanos >= 0 && trip->sent_nanos <= answered->sent_nanos) {
        trip->nanos = now - trip->sent_nanos;
        trip->link.Unlink();
        if (trip->waiter != nullptr) runtime_->Wake(trip->waiter);
      }
      trip = next;
    }
  }
  if (!control.on_pong) return;
  // It may put another one, or none, in its place.
  PongCallback callback = std::exchange(control.on_pong, nullptr);
  const int before = control.pong_callbacks;
  NoWaitScope no_wait(runtime_);
  callback(payload);
  if (control.pong_callbacks == before) control.on_pong = std::move(callback);
}

void Stream::EndRoundTrips(int error) {
  if (control_ == nullptr) return;
  while (RoundTrip* const trip = control_->round_trips.PopFront()) {
    trip->error = error;
    if (trip->waiter != nullptr) runtime_->Wake(trip->waiter, error);
  }
}

// ---- Bounds in time -----------------------------------------------------------------------------

// False: it is one too many. Counts the second from a frame on, so that no clock has to tick.
bool Stream::CountControlFrame() {
  if (options_.control_frames_per_second_max == 0) return true;
  const int64_t now = runtime_->clock().NowNanos();
  if (control_frames_ == 0 || now - control_window_nanos_ >= kNanosPerSecond) {
    control_window_nanos_ = now;
    control_frames_ = 0;
  }
  return ++control_frames_ <= options_.control_frames_per_second_max;
}

void Stream::BeginWatch() {
  const absl::Duration never = absl::InfiniteDuration();
  if (options_.ping_after_idle == never && options_.dead_after == never &&
      options_.idle_time_max == never) {
    return;
  }
  Control& control = MakeControl();
  control.watching = true;
  control.heard_nanos = control.message_nanos = control.pinged_nanos = runtime_->clock().NowNanos();
  control.timer.Set(
      After(control.heard_nanos,
            std::min({options_.ping_after_idle, options_.dead_after, options_.idle_time_max})));
}

void Stream::Watch() {
  if (aborted_ || failure_ != 0) return;
  const int64_t now = runtime_->clock().NowNanos();
  if (peer_close_met_) control_->give_up = Deadline::Never();
  if (control_->give_up.ExpiredAt(now)) {
    return GiveUp("the peer has not answered a Close within close_time_max");
  }
  const Deadline peer = WatchPeer(now);
  if (failure_ != 0) return;
  const Deadline idle = WatchIdle(now);  // which may set the other one
  control_->timer.Set(std::min({peer, idle, control_->give_up}));
}

// Whether the peer is there. When to look again.
Deadline Stream::WatchPeer(int64_t now) {
  // Nothing is to be heard of it behind its Close, and nothing to be asked.
  if (peer_close_met_) return Deadline::Never();
  Control& control = *control_;
  NoticeUnread(now);
  const Deadline dead = After(control.heard_nanos, options_.dead_after);
  if (dead.ExpiredAt(now)) {
    GiveUp("nothing has come from the peer within dead_after");
    return Deadline::Never();
  }
  Deadline ping =
      After(std::max(control.heard_nanos, control.pinged_nanos), options_.ping_after_idle);
  if (ping.ExpiredAt(now)) {
    options_.entropy->Fill(absl::MakeSpan(control.live_id));
    control.live_sent_nanos = -1;
    control.pinged_nanos = now;
    live_ping_queued_ = true;
    FlushOutbox();
    ping = After(now, options_.ping_after_idle);
  }
  return std::min(dead, ping);
}

// Bytes that nobody has taken yet are a sign of life. Whoever receives takes all there are, but for
// what it waits to be more; where nobody does the lower stream is asked, unless a view into its
// buffer is in use: then the program is at work on what has come.
void Stream::NoticeUnread(int64_t now) {
  Control& control = *control_;
  if (lower_->reader_busy()) {
    control.unread = false;
    const size_t buffered = lower_->buffered();
    if (buffered > std::exchange(control.buffered, buffered)) control.heard_nanos = now;
    return;
  }
  control.unread = view_bytes_ > 0;
  if (!control.unread) {
    NoWaitScope no_wait(runtime_);
    const auto bytes = lower_->Peek(1, Deadline::Immediately());
    control.unread = bytes.ok() && !bytes->empty();
  }
  control.buffered = lower_->buffered();
  if (control.unread) control.heard_nanos = now;
}

// Whether there are messages. When to look again.
Deadline Stream::WatchIdle(int64_t now) {
  if (peer_close_met_ || close_state_.close_sent()) return Deadline::Never();
  int64_t since = control_->message_nanos;
  // One that is being sent is one, though it may take its time; the sender has a bound of its own.
  if (sending_) since = now;
  // So is one that is on its way, or that nobody has taken yet.
  if (receiver_.in_message() || control_->unread) since = std::max(since, control_->heard_nanos);
  const Deadline idle = After(since, options_.idle_time_max);
  if (!idle.ExpiredAt(now)) return idle;
  control_->give_up = After(now, options_.close_time_max);
  QueueClose(kCloseGoingAway, "no message within idle_time_max");
  return Deadline::Never();
}

// Breaks the connection for a bound in time. Whoever is inside the lower stream comes out.
void Stream::GiveUp(const char* why) {
  Fail(ECONNRESET, why);
  if (!close_state_.close_sent()) QueueClose(kCloseGoingAway, why);
  close_queued_ = pong_queued_ = live_ping_queued_ = false;
  lower_->Abort();
}

}  // namespace halfpipe::websocket
