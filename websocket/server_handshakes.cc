// The opening handshakes of a ServerThread.

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/tls/tls_stream.h"
#include "http/head_io.h"
#include "websocket/server_thread.h"

namespace halfpipe::websocket {
namespace {

std::vector<absl::string_view> ViewsOf(const std::vector<std::string>& texts) {
  return std::vector<absl::string_view>(texts.begin(), texts.end());
}

}  // namespace

absl::Span<const absl::string_view> ServerPlan::Keep(absl::Span<const absl::string_view> texts) {
  std::vector<absl::string_view>& views = kept_lists.emplace_back();
  for (const absl::string_view text : texts) {
    views.push_back(kept_texts.emplace_back(text.data(), text.size()));
  }
  return views;
}

Options ConnectionOptions(const ServerOptions& server, Options options) {
  if (options.ping_after_idle == absl::InfiniteDuration() &&
      options.dead_after == absl::InfiniteDuration()) {
    options.ping_after_idle = server.ping_after_idle;
    options.dead_after = server.dead_after;
  }
  return options;
}

// Reads requests up to the upgrade, or until the next one would have to be waited for.
void ServerThread::RunHandshake(Connection* connection) {
  connection->coroutine_ = runtime_->current();
  bool answered = false;
  bool begun = true;  // a request, as far as is known
  absl::Status status = connection->broken_ ? ErrnoStatus(EBADF, "the server is stopping")
                                            : StartTls(connection, &begun);
  while (status.ok()) {
    if (!begun && AwaitRequest(connection)) return LeaveWork(&handshakes_);
    status = Upgrade(connection, &answered);
    if (StatusErrno(status) != EAGAIN) break;
    status = absl::OkStatus();
    begun = false;
    runtime_->CountOperation();
  }
  if (!status.ok()) {
    // Where the client was answered it is to read the answer; see http::EndAfterAnswer().
    Finish(connection, answered && runtime_->CheckCancelled() == 0);
    return LeaveWork(&handshakes_);
  }
  if (connection->handler_->session) {
    LeaveWork(&handshakes_);
    return RunSession(connection);
  }
  SetState(connection, ConnectionState::kRunning);
  if (connection->handler_->on_open) connection->handler_->on_open(*connection);
  if (!TryPark(connection)) Enlist(connection, &messages_);
  LeaveWork(&handshakes_);
}

// `begun`: whether the client has said something behind its TLS.
absl::Status ServerThread::StartTls(Connection* connection, bool* begun) {
  if (connection->tls_ == nullptr || connection->secured_) return absl::OkStatus();
  auto tls = TlsStream::Accept(runtime_, std::move(connection->lower_), *connection->tls_,
                               connection->handshake_deadline_);
  if (!tls.ok()) {
    counters_.CountRefusal(0);
    // Whatever it was, there is nothing left to say it on.
    return ErrnoStatus(ECONNRESET, "no TLS");
  }
  connection->lower_ = BytestreamPtr(tls->release());
  connection->secured_ = true;
  *begun = connection->lower_->buffered() > 0;
  return absl::OkStatus();
}

// Leaves the connection without a coroutine until a request begins, or the time for that is over.
// False: one has begun, or the connection is broken.
bool ServerThread::AwaitRequest(Connection* connection) {
  if (connection->broken_) return false;
  const bool kept_alive = connection->plain_requests_ > 0;
  if (!Watch(connection, connection->lower_.get())) {
    if (kept_alive) {
      connection->handshake_deadline_ = Deadline::In(plan_->options.handshake_time);
    }
    return false;
  }
  connection->coroutine_ = nullptr;
  SetState(connection, kept_alive ? ConnectionState::kKeptAlive : ConnectionState::kAccepted);
  const Deadline deadline =
      kept_alive ? connection->keep_alive_deadline_ : connection->handshake_deadline_;
  connection->timer_.Set(draining_ ? std::min(deadline, Deadline::In(kDrainGrace)) : deadline);
  return true;
}

// Behind a plain request: whether another one has really begun. EAGAIN: not yet; ENOTSUP: none will,
// and that is no failure.
absl::Status ServerThread::PeekRequest(Connection* connection) {
  const auto bytes = connection->lower_->Peek(1, Deadline::Immediately());
  const int error = StatusErrno(bytes.status());
  if (error == 0 && !bytes->empty()) return absl::OkStatus();
  const bool over = connection->keep_alive_deadline_.ExpiredAt(runtime_->clock().NowNanos());
  if (error == ETIMEDOUT && !over) {
    // The system cannot wait for it, perhaps.
    static_cast<void>(runtime_->SleepUntil(Deadline::In(kRetryPause)));
    return ErrnoStatus(EAGAIN, "no request has begun");
  }
  if (error != 0 && error != ETIMEDOUT) return bytes.status();
  http::EndAfterAnswer(connection->lower_.get());
  return ErrnoStatus(ENOTSUP, "plain requests were answered, and no other one comes");
}

// Without a word (RFC 9112 section 9.5), and in order: the last answer may still be on its way.
void ServerThread::EndKeptAlive(Connection* connection) {
  connection->keep_alive_deadline_ = Deadline::Immediately();
  const absl::Status ended = connection->lower_->Done(Deadline::Immediately());
  if (StatusErrno(ended) != ETIMEDOUT) return Finish(connection, /*orderly=*/true);
  // The client has not read it. Waiting for that takes a coroutine.
  connection->handshake_deadline_ = Deadline::In(plan_->options.handshake_time);
  connection->timer_.Set(connection->handshake_deadline_);
  Enlist(connection, &handshakes_);
}

absl::Status ServerThread::Upgrade(Connection* connection, bool* answered) {
  if (connection->plain_requests_ > 0) {
    *answered = true;
    if (absl::Status status = PeekRequest(connection); !status.ok()) return status;
  }
  const Handler* handler = nullptr;
  std::vector<absl::string_view> subprotocols;
  UpgradeTerms terms;
  ServerUpgradeOptions options;
  options.terms = [&](absl::string_view resource) -> const UpgradeTerms* {
    handler = plan_->handlers.Find(resource);
    if (handler == nullptr) return nullptr;
    subprotocols = ViewsOf(handler->subprotocols);
    terms = {.subprotocols = subprotocols,
             .deflate = handler->options.deflate,
             .origin = handler->origin};
    return &terms;
  };
  options.limits = plan_->options.http;
  options.secure = connection->tls_ != nullptr;
  options.hosts = plan_->options.hosts;
  // What TLS has taken is not given again.
  options.head_time_max = absl::Nanoseconds(
      std::max<int64_t>(connection->handshake_deadline_.nanos() - runtime_->clock().NowNanos(), 0));
  options.answer_time_max = plan_->options.handshake_time;
  options.plain_requests_max = plan_->options.plain_requests_max - connection->plain_requests_;
  options.one_request = true;
  const auto decide = [&](const UpgradeRequest& request) { return Decide(request, handler); };
  ServerUpgradeResult result;
  absl::Status status;
  if (plan_->plain) {
    const auto plain = [this](const http::RequestHead& head) { return AnswerPlain(head); };
    status = ServerUpgradeOrPlain(runtime_, connection->lower_.get(), options, decide, plain,
                                  Deadline::Never(), &result);
  } else {
    status = ServerUpgrade(runtime_, connection->lower_.get(), options, decide, Deadline::Never(),
                           &result);
  }
  counters_.plain_requests.Add(result.plain_requests);
  connection->plain_requests_ += result.plain_requests;
  *answered = result.status != 0;
  if (!status.ok()) {
    const int error = StatusErrno(status);
    if (error == EAGAIN) {
      connection->keep_alive_deadline_ = Deadline::In(plan_->options.keep_alive_time);
    } else if (error != ENOTSUP) {
      counters_.CountRefusal(result.status);
    }
    return status;
  }
  // The bound of a drain was over while the last bytes of the answer left.
  if (connection->broken_) return ErrnoStatus(EBADF, "the server is stopping");
  connection->resource_ = std::move(result.resource);
  connection->subprotocol_ = std::move(result.subprotocol);
  OpenConnection(
      connection, handler,
      ConnectionOptions(plan_->options, StreamOptions(options, result, handler->options)));
  return absl::OkStatus();
}

UpgradeDecision ServerThread::Decide(const UpgradeRequest& request, const Handler* handler) {
  if (draining_) {
    UpgradeDecision decision = UpgradeDecision::Refuse(503, "The server is stopping.\n");
    decision.fields.push_back(
        {"Retry-After", absl::StrCat(absl::ToInt64Seconds(plan_->options.retry_after))});
    return decision;
  }
  if (handler == nullptr) return UpgradeDecision::Refuse(404, "There is nothing here.\n");
  return handler->on_upgrade ? handler->on_upgrade(request) : UpgradeDecision::Accept();
}

http::Response ServerThread::AnswerPlain(const http::RequestHead& head) {
  http::Response response = plan_->plain(head);
  if (draining_) response.close = true;
  return response;
}

void ServerThread::OpenConnection(Connection* connection, const Handler* handler,
                                  const Options& options) {
  connection->handler_ = handler;
  connection->stream_.emplace(runtime_, std::move(connection->lower_), options);
  connection->handshake_deadline_ = Deadline::Never();
  connection->timer_.Cancel();
  connection->opened_ = connection->counted_open_ = true;
  counters_.upgraded.Add();
  counters_.open.Add();
  // It was accepted before the drain began.
  if (draining_) static_cast<void>(connection->Close(kCloseGoingAway, "the server is stopping"));
}

}  // namespace halfpipe::websocket
