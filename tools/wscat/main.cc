// wscat: lines to WebSocket messages and back, as a client or for one peer. See tools/README.md.

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/tls/tls_context.h"
#include "tools/wscat/escape.h"
#include "tools/wscat/exit_status.h"
#include "tools/wscat/options.h"
#include "tools/wscat/request_flags.h"
#include "tools/wscat/session.h"
#include "tools/wsecho/endpoint.h"
#include "tools/wsecho/flags.h"
#include "tools/wsecho/listen.h"
#include "tools/wsecho/termination.h"
#include "websocket/client.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

namespace halfpipe::tools {
namespace {

// For the connection and the opening handshake.
constexpr absl::Duration kOpenTime = absl::Seconds(10);
// As browsers and others have it, more or less.
constexpr int kRedirectsMax = 5;
// For an answer that refuses to arrive.
constexpr absl::Duration kRefuseTime = absl::Seconds(2);
// What shells call the end by a signal.
constexpr int kSignalStatus = 128;

void Say(absl::string_view what) {
  std::fputs(absl::StrCat("wscat: ", what, "\n").c_str(), stderr);
}

ExitStatus Fail(ExitStatus status, const absl::Status& why) {
  Say(EscapeForTerminal(why.message()));
  return status;
}

absl::StatusOr<std::unique_ptr<FdStream>> AcceptOne(Runtime* runtime, Endpoint endpoint) {
  const absl::StatusOr<int> listening = ListenAt(&endpoint);
  if (!listening.ok()) return listening.status();
  const SocketFile file(endpoint.unix_path);
  Listener listener(runtime, *listening);
  std::fputs(absl::StrCat("listening on ", EndpointUrl(endpoint), "\n").c_str(), stderr);
  const absl::StatusOr<int> accepted = listener.Accept(Deadline::Never());
  if (!accepted.ok()) return accepted.status();
  return std::make_unique<FdStream>(runtime, *accepted);
}

// A connection that speaks WebSocket; or none, what to exit with, and what to say before that.
struct Opened {
  std::unique_ptr<websocket::Stream> stream;
  ExitStatus failed = ExitStatus::kClean;
  absl::Status why;
};

Opened Failed(ExitStatus status, absl::Status why) { return {nullptr, status, std::move(why)}; }

websocket::ClientOptions RequestOf(const Options& options, const TlsContext* tls) {
  const RequestOptions& said = options.request;
  websocket::ClientOptions client;
  client.fields = said.fields;
  client.cookies = said.cookies;
  client.bearer = said.bearer;
  if (said.basic.has_value()) {
    client.user = said.basic->user;
    client.password = said.basic->password;
  }
  client.origin = said.origin;
  if (said.follow) client.redirects_max = kRedirectsMax;
  client.tls = tls;
  client.stream.message_bytes_max = options.message_bytes_max;
  client.stream.deflate = options.deflate;
  return client;
}

absl::StatusOr<std::unique_ptr<websocket::Stream>> Connect(Runtime* runtime,
                                                           websocket::Client* client,
                                                           const Destination& destination) {
  const Deadline deadline = Deadline::In(kOpenTime);
  if (destination.unix_path.empty()) return client->Connect(destination.url, deadline);
  auto socket = UnixConnect(runtime, destination.unix_path, deadline);
  if (!socket.ok()) return socket.status();
  return client->ConnectOver(BytestreamPtr(socket->release()), "ws://localhost/", deadline);
}

Opened OpenClient(Runtime* runtime, const Options& options) {
  std::unique_ptr<TlsContext> tls;
  if (!options.trust_file.empty()) {
    TlsClientOptions trust;
    trust.trust.file = options.trust_file;
    auto context = TlsContext::ForClient(trust);
    if (!context.ok()) return Failed(ExitStatus::kUsage, context.status());
    tls = *std::move(context);
  }
  websocket::Client client(runtime, RequestOf(options, tls.get()));
  Opened opened;
  auto stream = Connect(runtime, &client, *options.destination);
  if (stream.ok()) {
    opened.stream = *std::move(stream);
    return opened;
  }
  const websocket::ClientResponse& response = client.response();
  if (!response.body.empty()) Say(EscapeForTerminal(response.body));
  if (StatusErrno(stream.status()) == EINVAL) return Failed(ExitStatus::kUsage, stream.status());
  return Failed(response.connected ? ExitStatus::kRefused : ExitStatus::kNoConnection,
                stream.status());
}

// For the one peer that connects.
Opened OpenServer(Runtime* runtime, const Options& options) {
  absl::StatusOr<std::unique_ptr<FdStream>> socket = AcceptOne(runtime, *options.listen);
  if (!socket.ok()) return Failed(ExitStatus::kNoConnection, socket.status());
  websocket::ServerUpgradeOptions upgrade;
  upgrade.deflate = options.deflate;
  upgrade.head_time_max = kOpenTime;
  upgrade.answer_time_max = kOpenTime;
  websocket::ServerUpgradeResult result;
  absl::Status upgraded = websocket::ServerUpgrade(
      runtime, socket->get(), upgrade,
      [](const websocket::UpgradeRequest&) { return websocket::UpgradeDecision::Accept(); },
      Deadline::In(2 * kOpenTime), &result);
  if (!upgraded.ok()) {
    static_cast<void>((*socket)->Close(Deadline::In(kRefuseTime)));
    return Failed(ExitStatus::kRefused, std::move(upgraded));
  }
  websocket::Options limits;
  limits.message_bytes_max = options.message_bytes_max;
  Opened opened;
  opened.stream = std::make_unique<websocket::Stream>(
      runtime, BytestreamPtr(socket->release()), websocket::StreamOptions(upgrade, result, limits));
  return opened;
}

ExitStatus Converse(Runtime* runtime, const Options& options) {
  Opened opened =
      options.destination.has_value() ? OpenClient(runtime, options) : OpenServer(runtime, options);
  if (opened.stream == nullptr) return Fail(opened.failed, opened.why);

  SessionOptions session_options;
  session_options.echo = options.echo;
  if (options.binary) session_options.line_type = websocket::MessageType::kBinary;
  session_options.ping = options.ping;
  session_options.close_code = options.close_code;
  session_options.close_reason = options.close_reason;
  session_options.escape = isatty(STDOUT_FILENO) == 1;
  Session session(runtime, opened.stream.get(), session_options);
  const ExitStatus status = session.Run();
  if (!session.message().empty()) Say(session.message());
  return status;
}

int Main(int argc, char** argv) {
  const absl::StatusOr<Options> options = ParseOptions(Arguments(argc, argv));
  if (!options.ok()) {
    return static_cast<int>(Fail(ExitStatus::kUsage, options.status()));
  }
  if (options->help) {
    std::fputs(HelpText().c_str(), stdout);
    return static_cast<int>(ExitStatus::kClean);
  }
  std::signal(SIGPIPE, SIG_IGN);
  TerminationSignals signals;
  Runtime runtime;
  ExitStatus status = ExitStatus::kLocal;
  int signal = 0;
  Bundle work(&runtime);
  Bundle watch(&runtime);
  absl::Status started = watch.Go([&] {
    if (signals.Wait(&runtime, Deadline::Never(), &signal) == 0) work.Cancel();
  });
  if (started.ok()) started = work.Go([&] { status = Converse(&runtime, *options); });
  if (!started.ok()) return static_cast<int>(Fail(ExitStatus::kLocal, started));
  static_cast<void>(work.Wait(Deadline::Never()));
  return signal != 0 ? kSignalStatus + signal : static_cast<int>(status);
}

}  // namespace
}  // namespace halfpipe::tools

int main(int argc, char** argv) { return halfpipe::tools::Main(argc, argv); }
