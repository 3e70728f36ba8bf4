// wsecho: a WebSocket server that sends every message back. See tools/README.md.

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/tls/tls_context.h"
#include "tools/wsecho/echo_service.h"
#include "tools/wsecho/endpoint.h"
#include "tools/wsecho/flags.h"
#include "tools/wsecho/listen.h"
#include "tools/wsecho/options.h"
#include "tools/wsecho/standard_streams.h"
#include "tools/wsecho/termination.h"
#include "websocket/server.h"

namespace halfpipe::tools {
namespace {

constexpr int kUsage = 1;
constexpr int kCannotServe = 2;

int Fail(int status, absl::string_view what) {
  std::fputs(absl::StrCat("wsecho: ", what, "\n").c_str(), stderr);
  return status;
}

absl::StatusOr<std::unique_ptr<TlsContext>> MakeTls(const EchoOptions& options) {
  if (!options.tls()) return std::unique_ptr<TlsContext>();
  TlsServerOptions tls;
  tls.identity.certificates.file = options.tls_certificate;
  tls.identity.key.file = options.tls_key;
  tls.alpn = {"http/1.1"};
  return TlsContext::ForServer(tls);
}

// The port in use replaces port 0.
absl::Status Listen(websocket::Server* server, Endpoint* endpoint, const TlsContext* tls) {
  if (!endpoint->unix_path.empty()) return server->ListenUnix(endpoint->unix_path, tls);
  const absl::StatusOr<IpAddress> address = server->ListenTcp(endpoint->address, tls);
  if (address.ok()) endpoint->address = *address;
  return address.status();
}

int Serve(EchoOptions options, const TlsContext* tls) {
  TerminationSignals signals;
  Runtime runtime;
  websocket::Server server(&runtime, options.server);
  AddEcho(&server, options.connection);

  const absl::Status listening = Listen(&server, &options.listen, tls);
  const std::string url = EndpointUrl(options.listen, options.tls());
  if (!listening.ok()) {
    return Fail(kCannotServe, absl::StrCat("cannot listen on ", url, ": ", listening.message(),
                                           ": ", ErrnoName(StatusErrno(listening))));
  }
  const SocketFile file(options.listen.unix_path);
  if (const absl::Status started = server.Start(); !started.ok()) {
    return Fail(kCannotServe, started.message());
  }
  // Whoever has closed standard output does not want to know.
  static_cast<void>(PrintOut(absl::StrCat("listening on ", url, "\n")));

  int signal = 0;
  if (const int error = signals.Wait(&runtime, Deadline::Never(), &signal)) {
    return Fail(kCannotServe, absl::StrCat("cannot wait for signals: ", ErrnoName(error)));
  }
  server.Drain(options.drain_time);
  static_cast<void>(server.Wait(Deadline::Never()));
  return 0;
}

int Main(int argc, char** argv) {
  if (!KeepStandardStreams()) return kCannotServe;
  std::signal(SIGPIPE, SIG_IGN);
  absl::StatusOr<EchoOptions> options = ParseEchoOptions(Arguments(argc, argv));
  if (!options.ok()) return Fail(kUsage, options.status().message());
  if (options->help) {
    const int error = PrintOut(EchoHelpText());
    if (error == 0) return 0;
    return Fail(kCannotServe, absl::StrCat("standard output: ", ErrnoName(error)));
  }
  const absl::StatusOr<std::unique_ptr<TlsContext>> tls = MakeTls(*options);
  if (!tls.ok()) return Fail(kUsage, tls.status().message());
  return Serve(*std::move(options), tls->get());
}

}  // namespace
}  // namespace halfpipe::tools

int main(int argc, char** argv) { return halfpipe::tools::Main(argc, argv); }
