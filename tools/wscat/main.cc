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
#include "bytestream/net/tcp_by_name.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "http/core/basic_auth.h"
#include "http/core/cookie.h"
#include "http/core/header_list.h"
#include "http/core/redirect.h"
#include "http/core/response.h"
#include "tools/wscat/escape.h"
#include "tools/wscat/exit_status.h"
#include "tools/wscat/options.h"
#include "tools/wscat/request_flags.h"
#include "tools/wscat/session.h"
#include "tools/wsecho/endpoint.h"
#include "tools/wsecho/flags.h"
#include "tools/wsecho/listen.h"
#include "tools/wsecho/termination.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

namespace halfpipe::tools {
namespace {

// For the connection and the opening handshake.
constexpr absl::Duration kOpenTime = absl::Seconds(10);
// For an answer that refuses to arrive.
constexpr absl::Duration kRefuseTime = absl::Seconds(2);
// What shells call the end by a signal.
constexpr int kSignalStatus = 128;

using FdStreamPtr = std::unique_ptr<FdStream>;

void Say(absl::string_view what) {
  std::fputs(absl::StrCat("wscat: ", what, "\n").c_str(), stderr);
}

ExitStatus Fail(ExitStatus status, const absl::Status& why) {
  Say(EscapeForTerminal(why.message()));
  return status;
}

absl::StatusOr<FdStreamPtr> Connect(Runtime* runtime, const Destination& destination,
                                    Deadline deadline) {
  if (!destination.unix_path.empty()) {
    return UnixConnect(runtime, destination.unix_path, deadline);
  }
  return TcpConnectByName(runtime, destination.host, destination.port, deadline);
}

absl::StatusOr<FdStreamPtr> AcceptOne(Runtime* runtime, Endpoint endpoint) {
  const absl::StatusOr<int> listening = ListenAt(&endpoint);
  if (!listening.ok()) return listening.status();
  const SocketFile file(endpoint.unix_path);
  Listener listener(runtime, *listening);
  std::fputs(absl::StrCat("listening on ", EndpointUrl(endpoint), "\n").c_str(), stderr);
  const absl::StatusOr<int> accepted = listener.Accept(Deadline::Never());
  if (!accepted.ok()) return accepted.status();
  return std::make_unique<FdStream>(runtime, *accepted);
}

// A connection that speaks WebSocket, and how its stream is to be made; or what to exit with, and
// what to say before that.
struct Opened {
  ExitStatus failed = ExitStatus::kClean;
  absl::Status why;
  FdStreamPtr socket;
  websocket::Options stream;
};

Opened Failed(ExitStatus status, absl::Status why) {
  Opened opened;
  opened.failed = status;
  opened.why = std::move(why);
  return opened;
}

// Asks one server. `with_secrets`: what was meant for the first one goes along.
absl::Status Ask(Runtime* runtime, const Destination& destination, const Options& options,
                 bool with_secrets, Opened* opened, websocket::ClientUpgradeResult* result,
                 Deadline deadline) {
  const RequestOptions& said = options.request;
  std::vector<http::Field> fields;
  std::vector<http::Cookie> cookies;
  websocket::ClientUpgradeOptions request;
  request.target = destination.target;
  request.host = destination.host_field;
  request.deflate = options.deflate;
  request.origin = said.origin;
  if (with_secrets) {
    for (const http::OwnedField& field : said.fields) fields.push_back({field.name, field.value});
    for (const http::OwnedField& cookie : said.cookies) {
      cookies.push_back({cookie.name, cookie.value});
    }
    request.extra_fields = fields;
    request.cookies = cookies;
    request.bearer = said.bearer;
    if (said.basic.has_value()) {
      request.basic = http::BasicCredentials{said.basic->user, said.basic->password};
    }
  }
  absl::Status upgraded =
      websocket::ClientUpgrade(runtime, opened->socket.get(), request, result, deadline);
  if (upgraded.ok()) opened->stream = websocket::StreamOptions(request, *result, opened->stream);
  return upgraded;
}

// As a client, to where redirects lead if that is wanted.
Opened OpenClient(Runtime* runtime, const Options& options) {
  const Deadline deadline = Deadline::In(kOpenTime);
  Destination destination = *options.destination;
  http::RedirectChain chain(destination.url);
  for (;;) {
    absl::StatusOr<FdStreamPtr> socket = Connect(runtime, destination, deadline);
    if (!socket.ok()) return Failed(ExitStatus::kNoConnection, socket.status());
    Opened opened;
    opened.socket = *std::move(socket);
    opened.stream.message_bytes_max = options.message_bytes_max;
    websocket::ClientUpgradeResult result;
    absl::Status upgraded =
        Ask(runtime, destination, options, chain.credentials_allowed(), &opened, &result, deadline);
    if (upgraded.ok()) return opened;
    const int error = StatusErrno(upgraded);
    if (error == EINVAL) return Failed(ExitStatus::kUsage, std::move(upgraded));
    const bool redirect = error == EACCES && http::IsRedirectStatus(result.status);
    if (!options.request.follow || !redirect || destination.url.empty()) {
      if (!result.body.empty()) Say(EscapeForTerminal(result.body));
      return Failed(ExitStatus::kRefused, std::move(upgraded));
    }
    const http::RedirectError bad = chain.Follow(result.status, result.location);
    if (bad != http::RedirectError::kNone) {
      return Failed(ExitStatus::kRefused, ErrnoStatus(EACCES, http::RedirectErrorText(bad)));
    }
    absl::StatusOr<Destination> next = ParseDestination(chain.url());
    if (!next.ok()) return Failed(ExitStatus::kRefused, next.status());
    destination = *std::move(next);
  }
}

// For the one peer that connects.
Opened OpenServer(Runtime* runtime, const Options& options) {
  absl::StatusOr<FdStreamPtr> socket = AcceptOne(runtime, *options.listen);
  if (!socket.ok()) return Failed(ExitStatus::kNoConnection, socket.status());
  Opened opened;
  opened.socket = *std::move(socket);
  websocket::ServerUpgradeOptions upgrade;
  upgrade.deflate = options.deflate;
  upgrade.head_time_max = kOpenTime;
  upgrade.answer_time_max = kOpenTime;
  websocket::ServerUpgradeResult result;
  absl::Status upgraded = websocket::ServerUpgrade(
      runtime, opened.socket.get(), upgrade,
      [](const websocket::UpgradeRequest&) { return websocket::UpgradeDecision::Accept(); },
      Deadline::In(2 * kOpenTime), &result);
  if (!upgraded.ok()) {
    static_cast<void>(opened.socket->Close(Deadline::In(kRefuseTime)));
    return Failed(ExitStatus::kRefused, std::move(upgraded));
  }
  opened.stream.message_bytes_max = options.message_bytes_max;
  opened.stream = websocket::StreamOptions(upgrade, result, opened.stream);
  return opened;
}

ExitStatus Converse(Runtime* runtime, const Options& options) {
  Opened opened =
      options.destination.has_value() ? OpenClient(runtime, options) : OpenServer(runtime, options);
  if (opened.socket == nullptr) return Fail(opened.failed, opened.why);
  websocket::Stream stream(runtime, BytestreamPtr(opened.socket.release()), opened.stream);

  SessionOptions session_options;
  session_options.echo = options.echo;
  if (options.binary) session_options.line_type = websocket::MessageType::kBinary;
  session_options.ping = options.ping;
  session_options.close_code = options.close_code;
  session_options.close_reason = options.close_reason;
  session_options.escape = isatty(STDOUT_FILENO) == 1;
  Session session(runtime, &stream, session_options);
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
