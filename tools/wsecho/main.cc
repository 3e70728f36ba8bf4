// wsecho: a WebSocket server that sends every message back. See tools/README.md.

#include <cstdint>
#include <cstdio>
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
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "tools/wsecho/deflate_flags.h"
#include "tools/wsecho/echo_server.h"
#include "tools/wsecho/endpoint.h"
#include "tools/wsecho/flags.h"
#include "tools/wsecho/listen.h"
#include "tools/wsecho/termination.h"
#include "websocket/options.h"

namespace halfpipe::tools {
namespace {

constexpr int kUsage = 1;
constexpr int kCannotServe = 2;
// A day; nobody waits longer, and a clock has room for it.
constexpr uint64_t kHandshakeTimeoutMax = 86'400;

int Fail(int status, absl::string_view what) {
  std::fputs(absl::StrCat("wsecho: ", what, "\n").c_str(), stderr);
  return status;
}

int Serve(Endpoint endpoint, const EchoServer::Options& options) {
  TerminationSignals signals;
  Runtime runtime;
  const absl::StatusOr<int> fd = ListenAt(&endpoint);
  if (!fd.ok()) {
    return Fail(kCannotServe, absl::StrCat("cannot listen on ", EndpointUrl(endpoint), ": ",
                                           fd.status().message()));
  }
  const SocketFile file(endpoint.unix_path);
  EchoServer server(&runtime, *fd, options);
  Bundle accepting(&runtime);
  if (const absl::Status started = accepting.Go([&server] { server.Accept(); }); !started.ok()) {
    return Fail(kCannotServe, started.message());
  }
  std::puts(absl::StrCat("listening on ", EndpointUrl(endpoint)).c_str());
  std::fflush(stdout);

  int signal = 0;
  if (const int error = signals.Wait(&runtime, Deadline::Never(), &signal)) {
    return Fail(kCannotServe, ErrnoStatus(error, "cannot wait for signals").message());
  }
  accepting.CancelAndJoin();
  server.Stop();
  return 0;
}

int Main(int argc, char** argv) {
  EchoServer::Options options;
  std::string listen = "127.0.0.1:8080";
  bool help = false;
  FlagSet flags;
  DeflateFlags deflate;
  flags.Add("listen", &listen, "ADDRESS:PORT",
            "where to listen (127.0.0.1:8080); port 0 picks one; or unix:PATH");
  flags.Add("message_bytes_max", &options.message_bytes_max, "BYTES",
            "larger messages are refused with 1009 (16777216)");
  uint64_t handshake_timeout = static_cast<uint64_t>(absl::ToInt64Seconds(options.handshake_time));
  flags.Add("handshake_timeout", &handshake_timeout, "SECONDS",
            "an unfinished handshake is answered with 408 and ended (10)");
  deflate.Declare(&flags);
  flags.Add("help", &help, "print this");
  std::vector<std::string> others;
  absl::Status status = flags.Parse(Arguments(argc, argv), &others);
  if (help) {
    std::fputs(absl::StrCat("Sends every WebSocket message back.\n\n", flags.Help()).c_str(),
               stdout);
    return 0;
  }
  if (!status.ok()) return Fail(kUsage, status.message());
  if (!others.empty()) return Fail(kUsage, absl::StrCat("what is ", others.front(), "?"));
  const absl::StatusOr<websocket::DeflateOptions> deflate_options = deflate.Options();
  if (!deflate_options.ok()) return Fail(kUsage, deflate_options.status().message());
  options.deflate = *deflate_options;
  if (handshake_timeout < 1 || handshake_timeout > kHandshakeTimeoutMax) {
    return Fail(kUsage, absl::StrCat("--handshake_timeout is 1..", kHandshakeTimeoutMax));
  }
  options.handshake_time = absl::Seconds(static_cast<int64_t>(handshake_timeout));
  std::optional<Endpoint> endpoint = ParseEndpoint(listen);
  if (!endpoint.has_value()) {
    return Fail(kUsage,
                absl::StrCat("--listen=", listen, " is neither ADDRESS:PORT nor unix:PATH"));
  }
  return Serve(*std::move(endpoint), options);
}

}  // namespace
}  // namespace halfpipe::tools

int main(int argc, char** argv) { return halfpipe::tools::Main(argc, argv); }
