#include "websocket/reconnecting_client.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "http/core/response.h"
#include "websocket/core/close_argument_status.h"
#include "websocket/core/close_code.h"

namespace halfpipe::websocket {

// A connection and those that use it; the last one to leave destroys it.
struct ReconnectingClient::Live {
  std::unique_ptr<Stream> stream;
  Bundle* closing;  // of a Close that waits for its turn; as long as it is live_
  int users = 1;    // Run() is the first
};

ReconnectingClient::ReconnectingClient(Runtime* runtime, std::string url,
                                       ClientOptions client_options,
                                       const ReconnectOptions& options, ReconnectHandlers handlers,
                                       Entropy* entropy)
    : runtime_(runtime),
      url_(std::move(url)),
      client_(runtime, std::move(client_options)),
      policy_(options, entropy),
      handlers_(std::move(handlers)),
      closed_(runtime),
      closing_timer_(runtime, [this] {
        if (live_ != nullptr) live_->stream->Abort();
      }) {}

ReconnectingClient::~ReconnectingClient() { HALFPIPE_CHECK(!running_); }

void ReconnectingClient::Leave(Live* live) {
  if (--live->users == 0) delete live;
}

absl::Status ReconnectingClient::Run() {
  if (running_) return ErrnoStatus(EBUSY, "the client is running");
  running_ = true;
  const absl::Cleanup stopped = [this] { running_ = false; };
  for (;;) {
    if (closed_.HasBeenNotified()) return absl::OkStatus();
    std::unique_ptr<Stream> stream;
    ConnectionEnd end;
    absl::Status status = Attempt(&stream, &end);
    if (status.ok() && closed_.HasBeenNotified()) {
      // Close() came between the end of the attempt's coroutine and here.
      static_cast<void>(stream->Close(close_code_, close_reason_, closing_deadline_));
    } else if (status.ok()) {
      end = Converse(std::move(stream));
      status = ErrnoStatus(ECONNRESET, "the connection has ended");
    }
    if (closed_.HasBeenNotified()) return absl::OkStatus();
    if (const int error = runtime_->CheckCancelled()) {
      return ErrnoStatus(error, "the coroutine is being cancelled");
    }
    std::optional<bool> verdict;
    if (handlers_.verdict) verdict = handlers_.verdict(end);
    const std::optional<absl::Duration> pause = policy_.Next(end, verdict);
    if (handlers_.on_end) handlers_.on_end(end, pause);
    if (!pause.has_value()) return status;
    const absl::Status paused = closed_.Wait(Deadline::In(*pause));
    if (StatusErrno(paused) == ECANCELED) return paused;
  }
}

// In a coroutine of its own, so that Close() can end it. On failure *end tells of it.
absl::Status ReconnectingClient::Attempt(std::unique_ptr<Stream>* stream, ConnectionEnd* end) {
  absl::Status status;
  Bundle attempt(runtime_);
  attempt_ = &attempt;
  const absl::Cleanup over = [this] { attempt_ = nullptr; };
  absl::Status started = attempt.Go([&] {
    auto connected = client_.Connect(url_, Deadline::In(connect_time_));
    status = connected.status();
    if (connected.ok()) *stream = *std::move(connected);
  });
  if (!started.ok()) {
    // The response is that of an attempt before.
    end->error = StatusErrno(started);
    return started;
  }
  if (const int error = attempt.Wait(Deadline::Never())) {
    attempt.CancelAndJoin();
    status = ErrnoStatus(error, "the coroutine is being cancelled");
  }
  const ClientResponse& response = client_.response();
  end->error = StatusErrno(status);
  end->status = response.status;
  const std::string* const retry_after = http::FindOnly(response.fields, "Retry-After");
  const std::string* const date = http::FindOnly(response.fields, "Date");
  if (retry_after != nullptr) {
    end->retry_after = ParseRetryAfter(*retry_after, date != nullptr ? *date : "");
  }
  return status;
}

// The life of one connection.
ConnectionEnd ReconnectingClient::Converse(std::unique_ptr<Stream> stream) {
  const int64_t began = runtime_->clock().NowNanos();
  Bundle closing(runtime_);
  Live* const live = live_ = new Live{std::move(stream), &closing};
  if (handlers_.on_open) handlers_.on_open(*live->stream);
  ConnectionEnd end;
  for (;;) {
    const auto message = live->stream->ReceiveView(Deadline::Never());
    if (message.ok() && message->has_value()) {
      if (handlers_.on_message) handlers_.on_message(*live->stream, **message);
      continue;
    }
    const auto peer_close = live->stream->peer_close();
    // Of our own: a breach by the peer was answered with a Close, and it would breach again.
    const bool breach = StatusErrno(message.status()) == EPROTO;
    end.close_code = peer_close.has_value() ? peer_close->code
                     : breach               ? kCloseProtocolError
                                            : kCloseAbnormal;
    break;
  }
  live_ = nullptr;
  closing_timer_.Cancel();
  end.lasted = absl::Nanoseconds(runtime_->clock().NowNanos() - began);
  // Nothing waits for senders: those inside come out when it is closed.
  if (!live->stream->sender_busy() && live->stream->peer_close().has_value()) {
    static_cast<void>(live->stream->Close(close_code_ != 0 ? close_code_ : kCloseNormal,
                                          close_reason_,
                                          std::min(closing_deadline_, Deadline::In(close_time_))));
  }
  live->stream->Abort();
  closing.CancelAndJoin();
  Leave(live);
  return end;
}

absl::Status ReconnectingClient::Send(MessageType type, absl::Span<const uint8_t> payload,
                                      Deadline deadline) {
  Live* const live = live_;
  if (live == nullptr) return ErrnoStatus(ECONNRESET, "there is no connection now");
  ++live->users;
  absl::Status status = live->stream->Send(type, payload, deadline);
  Leave(live);
  if (StatusErrno(status) == EBADF) return ErrnoStatus(ECONNRESET, "the connection has ended");
  return status;
}

absl::Status ReconnectingClient::SendText(absl::string_view text, Deadline deadline) {
  return Send(MessageType::kText,
              absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()),
              deadline);
}

absl::Status ReconnectingClient::Close(int code, absl::string_view reason) {
  if (absl::Status status = ToStatus(CheckCloseArguments(code, reason)); !status.ok()) {
    return status;
  }
  if (closed_.HasBeenNotified()) return absl::OkStatus();
  close_code_ = code;
  close_reason_ = std::string(reason);
  closing_deadline_ = Deadline::In(close_time_);
  closed_.Notify();
  if (attempt_ != nullptr) attempt_->Cancel();
  if (live_ != nullptr) SendClose();
  return absl::OkStatus();
}

// The peer's answer ends Converse(); or the end of its time does.
void ReconnectingClient::SendClose() {
  closing_timer_.Set(closing_deadline_);
  NoWaitScope no_wait(runtime_);
  Stream* const stream = live_->stream.get();
  absl::Status status = stream->Done(close_code_, close_reason_, Deadline::Immediately());
  if (StatusErrno(status) == ETIMEDOUT) {
    // Behind a message under way, which it is not to cut.
    const auto close = [this, stream] {
      static_cast<void>(stream->Done(close_code_, close_reason_, closing_deadline_));
    };
    status = ErrnoStatus(live_->closing->StartLater(close, "close"), "no coroutine to close in");
  }
  // EPIPE: a Close has gone out already, and may still be answered.
  if (!status.ok() && StatusErrno(status) != EPIPE) closing_timer_.Set(Deadline::Immediately());
}

}  // namespace halfpipe::websocket
