// wscat: lines to WebSocket messages and back, as a client or for one peer. See tools/README.md.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/tcp_by_name.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "tools/wscat/escape.h"
#include "tools/wscat/exit_status.h"
#include "tools/wscat/options.h"
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

ExitStatus Converse(Runtime* runtime, const Options& options) {
  const bool client = options.destination.has_value();
  const Deadline deadline = Deadline::In(kOpenTime);
  absl::StatusOr<FdStreamPtr> socket = client ? Connect(runtime, *options.destination, deadline)
                                              : AcceptOne(runtime, *options.listen);
  if (!socket.ok()) return Fail(ExitStatus::kNoConnection, socket.status());

  websocket::Options stream_options;
  stream_options.message_bytes_max = options.message_bytes_max;
  if (client) {
    websocket::ClientUpgradeOptions request;
    request.target = options.destination->target;
    request.host = options.destination->host_field;
    request.deflate = options.deflate;
    websocket::ClientUpgradeResult result;
    const absl::Status upgraded =
        websocket::ClientUpgrade(runtime, socket->get(), request, &result, deadline);
    if (!upgraded.ok()) return Fail(ExitStatus::kRefused, upgraded);
    stream_options = websocket::StreamOptions(request, result, stream_options);
  } else {
    websocket::ServerUpgradeOptions upgrade;
    upgrade.deflate = options.deflate;
    upgrade.head_time_max = kOpenTime;
    websocket::ServerUpgradeResult result;
    const absl::Status upgraded = websocket::ServerUpgrade(
        runtime, socket->get(), upgrade,
        [](const websocket::UpgradeRequest&) { return websocket::UpgradeDecision::Accept(); },
        Deadline::In(2 * kOpenTime), &result);
    if (!upgraded.ok()) {
      static_cast<void>((*socket)->Close(Deadline::In(kRefuseTime)));
      return Fail(ExitStatus::kRefused, upgraded);
    }
    stream_options = websocket::StreamOptions(upgrade, result, stream_options);
  }
  websocket::Stream stream(runtime, BytestreamPtr(socket->release()), stream_options);

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
