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
#include "http/core/upgrade.h"
#include "http/head_io.h"
#include "websocket/handshake/subprotocol.h"
#include "websocket/server_thread.h"

namespace halfpipe::websocket {
namespace {

std::vector<absl::string_view> ViewsOf(const std::vector<std::string>& texts) {
  return std::vector<absl::string_view>(texts.begin(), texts.end());
}

}  // namespace

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

// What serves the path of the request that comes first; it decides about the options of the
// handshake. Null: nothing does, or there is no good head, which the handshake will answer.
const Handler* ServerThread::PeekRoute(Connection* connection) {
  http::RequestHead head;
  http::HeadResult result;
  const absl::Status status =
      http::ReadRequestHead(connection->lower_.get(), plan_->options.http, &head, &result,
                            connection->handshake_deadline_);
  if (!status.ok() || result.error != http::HeadError::kNone) return nullptr;
  // Others may be asked for on the same connection after it.
  if (!http::AsksForUpgrade(head, "websocket")) return nullptr;
  http::RequestAddress address;
  if (http::CheckRequestAddress(head, &address) != http::UpgradeError::kNone) return nullptr;
  return plan_->handlers.Find(address.resource);
}

absl::Status ServerThread::Upgrade(Connection* connection, bool* answered) {
  const Handler* const routed = PeekRoute(connection);
  const Handler nothing;
  const Handler& first = routed != nullptr ? *routed : nothing;
  const std::vector<absl::string_view> subprotocols = ViewsOf(first.subprotocols);
  ServerUpgradeOptions options;
  options.subprotocols = subprotocols;
  options.deflate = first.options.deflate;
  options.limits = plan_->options.http;
  options.secure = connection->tls_ != nullptr;
  options.hosts = plan_->options.hosts;
  // What has passed is not given again, but for a moment in which a slow head gets its 408.
  options.head_time_max =
      absl::Nanoseconds(std::max<int64_t>(
          connection->handshake_deadline_.nanos() - runtime_->clock().NowNanos(), 0)) +
      absl::Milliseconds(1);
  options.keep_alive_time_max = plan_->options.keep_alive_time;
  options.answer_time_max = plan_->options.handshake_time;
  options.plain_requests_max = plan_->options.plain_requests_max;
  const Handler* handler = nullptr;
  const auto decide = [&](const UpgradeRequest& request) {
    return Decide(request, connection->tls_ != nullptr, routed, &handler);
  };
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
  Options stream_options = StreamOptions(options, result, handler->options);
  if (stream_options.ping_after_idle == absl::InfiniteDuration() &&
      stream_options.dead_after == absl::InfiniteDuration()) {
    stream_options.ping_after_idle = plan_->options.ping_after_idle;
    stream_options.dead_after = plan_->options.dead_after;
  }
  OpenConnection(connection, handler, stream_options);
  return absl::OkStatus();
}

// `routed` is what the handshake's options are of; null if plain requests came before on the
// connection, which is then without compression.
UpgradeDecision ServerThread::Decide(const UpgradeRequest& request, bool secure,
                                     const Handler* routed, const Handler** handler) {
  if (draining_) {
    UpgradeDecision decision = UpgradeDecision::Refuse(503, "The server is stopping.\n");
    decision.fields.push_back(
        {"Retry-After", absl::StrCat(absl::ToInt64Seconds(plan_->options.retry_after))});
    return decision;
  }
  *handler = plan_->handlers.Find(request.resource);
  if (*handler == nullptr) return UpgradeDecision::Refuse(404, "There is nothing here.\n");
  http::RequestAddress address;
  if (http::CheckRequestAddress(request.head, &address) == http::UpgradeError::kNone) {
    const OriginVerdict verdict =
        JudgeOrigin((*handler)->origin, request.head.fields, address.authority, secure);
    if (verdict != OriginVerdict::kAllowed) {
      return UpgradeDecision::Refuse(OriginVerdictStatus(verdict));
    }
  }
  if (*handler == routed) {
    return (*handler)->on_upgrade ? (*handler)->on_upgrade(request) : UpgradeDecision::Accept();
  }
  UpgradeRequest ours = request;
  ours.subprotocol = ChooseSubprotocol(request.head.fields, ViewsOf((*handler)->subprotocols));
  const std::string subprotocol(ours.subprotocol);
  UpgradeDecision decision =
      (*handler)->on_upgrade ? (*handler)->on_upgrade(ours) : UpgradeDecision::Accept();
  if (decision.status == 101 && !decision.subprotocol.has_value()) {
    decision.subprotocol = subprotocol;
  }
  return decision;
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
