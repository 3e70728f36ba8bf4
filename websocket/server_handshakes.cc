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
#include "websocket/server_thread.h"

namespace halfpipe::websocket {
namespace {

std::vector<absl::string_view> ViewsOf(const std::vector<std::string>& texts) {
  return std::vector<absl::string_view>(texts.begin(), texts.end());
}

}  // namespace

Options ConnectionOptions(const ServerOptions& server, Options options) {
  if (options.ping_after_idle == absl::InfiniteDuration() &&
      options.dead_after == absl::InfiniteDuration()) {
    options.ping_after_idle = server.ping_after_idle;
    options.dead_after = server.dead_after;
  }
  options.close_time_max = server.connection.close_time;
  return options;
}

void ServerThread::RunHandshake(Connection* connection) {
  connection->coroutine_ = runtime_->current();
  absl::Status status =
      connection->broken_ ? ErrnoStatus(EBADF, "the server is stopping") : StartTls(connection);
  bool answered = false;
  if (status.ok()) status = Upgrade(connection, &answered);
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

absl::Status ServerThread::StartTls(Connection* connection) {
  if (connection->tls_ == nullptr) return absl::OkStatus();
  auto tls = TlsStream::Accept(runtime_, std::move(connection->lower_), *connection->tls_,
                               connection->handshake_deadline_);
  if (!tls.ok()) {
    counters_.CountRefusal(0);
    // Whatever it was, there is nothing left to say it on.
    return ErrnoStatus(ECONNRESET, "no TLS");
  }
  connection->lower_ = BytestreamPtr(tls->release());
  return absl::OkStatus();
}

absl::Status ServerThread::Upgrade(Connection* connection, bool* answered) {
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
  options.keep_alive_time_max = plan_->options.keep_alive_time;
  options.answer_time_max = plan_->options.handshake_time;
  options.plain_requests_max = plan_->options.plain_requests_max;
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
  *answered = result.status != 0;
  if (!status.ok()) {
    if (StatusErrno(status) != ENOTSUP) counters_.CountRefusal(result.status);
    return status;
  }
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
