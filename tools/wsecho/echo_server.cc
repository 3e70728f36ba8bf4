#include "tools/wsecho/echo_server.h"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "http/core/upgrade.h"
#include "tools/wsecho/page.h"
#include "websocket/core/close_code.h"
#include "websocket/options.h"
#include "websocket/upgrade.h"

namespace halfpipe::tools {
namespace {

http::Response AnswerPlain(const http::RequestHead& head) {
  http::RequestAddress address;
  const bool good = http::CheckRequestAddress(head, &address) == http::UpgradeError::kNone;
  const absl::string_view path = address.resource.substr(0, address.resource.find('?'));
  if (!good || path != "/") return http::TextResponse(404, "There is nothing here but /\n");
  return http::TextResponse(200, std::string(EchoPage()), "text/html; charset=utf-8");
}

}  // namespace

EchoServer::EchoServer(Runtime* runtime, int listener_fd, const Options& options)
    : runtime_(runtime),
      options_(options),
      listener_(runtime, listener_fd),
      connections_(runtime) {}

EchoServer::~EchoServer() = default;

void EchoServer::Accept() {
  for (;;) {
    const absl::StatusOr<int> fd = listener_.Accept(Deadline::Never());
    if (fd.ok()) {
      // Without memory for a stack the connection is closed; its peer may try again.
      if (!connections_.Go([this, fd = *fd] { Serve(fd); }).ok()) close(*fd);
      runtime_->CountOperation();
      continue;
    }
    if (StatusErrno(fd.status()) == ECANCELED) return;
    // No descriptor or no memory: the connection waits in the queue until others have ended.
    if (runtime_->SleepUntil(Deadline::In(options_.accept_pause)) == ECANCELED) return;
  }
}

void EchoServer::Serve(int fd) {
  auto socket = std::make_unique<FdStream>(runtime_, fd);
  websocket::ServerUpgradeOptions upgrade;
  upgrade.deflate = options_.deflate;
  upgrade.head_time_max = options_.handshake_time;
  upgrade.answer_time_max = options_.handshake_time;
  websocket::ServerUpgradeResult result;
  // Each step has its bound, and there is a bound on how many there are.
  const absl::Status upgraded = websocket::ServerUpgradeOrPlain(
      runtime_, socket.get(), upgrade,
      [](const websocket::UpgradeRequest&) { return websocket::UpgradeDecision::Accept(); },
      AnswerPlain, Deadline::Never(), &result);
  if (!upgraded.ok()) {
    // The answer is to arrive, and it would not if unread bytes made the end a reset.
    static_cast<void>(socket->Close(Deadline::In(options_.close_time)));
    return;
  }
  websocket::Options options;
  options.message_bytes_max = options_.message_bytes_max;
  options = websocket::StreamOptions(upgrade, result, options);
  websocket::Stream stream(runtime_, BytestreamPtr(socket.release()), options);
  const uint64_t id = next_id_++;
  streams_.emplace(id, &stream);
  const absl::Cleanup forget = [this, id] { streams_.erase(id); };
  Echo(&stream);
}

void EchoServer::Echo(websocket::Stream* stream) {
  for (;;) {
    const auto message = stream->ReceiveView(Deadline::Never());
    if (!message.ok() || !message->has_value()) break;
    if (!stream->Send((*message)->type, (*message)->payload, Deadline::Never()).ok()) break;
  }
  static_cast<void>(stream->Close(websocket::kCloseNormal, "", Deadline::In(options_.close_time)));
}

void EchoServer::Stop() {
  listener_.Abort();
  // Each Done() may let others run, so that connections come to their ends meanwhile.
  for (auto next = streams_.begin(); next != streams_.end();) {
    const uint64_t id = next->first;
    static_cast<void>(next->second->Done(websocket::kCloseGoingAway, "the server is stopping",
                                         Deadline::Immediately()));
    next = streams_.upper_bound(id);
  }
  static_cast<void>(connections_.Wait(Deadline::In(options_.stop_time)));
  connections_.CancelAndJoin();
}

}  // namespace halfpipe::tools
