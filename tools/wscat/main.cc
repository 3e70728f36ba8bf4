// wscat: lines to WebSocket messages and back, as a client or for one peer. See tools/README.md.

#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "tools/wscat/escape.h"
#include "tools/wscat/exit_status.h"
#include "tools/wscat/opening.h"
#include "tools/wscat/options.h"
#include "tools/wscat/session.h"
#include "tools/wsecho/flags.h"
#include "tools/wsecho/standard_streams.h"
#include "tools/wsecho/termination.h"
#include "websocket/stream.h"

namespace halfpipe::tools {
namespace {

// What shells call the end by a signal.
constexpr int kSignalStatus = 128;

void Say(absl::string_view what) {
  std::fputs(absl::StrCat("wscat: ", what, "\n").c_str(), stderr);
}

ExitStatus Fail(ExitStatus status, absl::string_view why) {
  Say(EscapeForTerminal(why));
  return status;
}

ExitStatus Converse(Runtime* runtime, const Options& options) {
  Opened opened =
      options.listen.has_value() ? OpenServer(runtime, options) : OpenClient(runtime, options);
  if (opened.stream == nullptr) {
    if (!opened.refusal.empty()) Say(EscapeForTerminal(opened.refusal));
    if (!opened.why.empty()) Say(EscapeForTerminal(opened.why));
    return opened.failed;
  }

  if (!opened.subprotocol.empty()) {
    Say(absl::StrCat("the subprotocol is ", EscapeForTerminal(opened.subprotocol)));
  }

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
  if (!KeepStandardStreams()) return static_cast<int>(ExitStatus::kLocal);
  std::signal(SIGPIPE, SIG_IGN);
  const absl::StatusOr<Options> options = ParseOptions(Arguments(argc, argv));
  if (!options.ok()) {
    return static_cast<int>(Fail(ExitStatus::kUsage, options.status().message()));
  }
  if (options->help) {
    const int error = PrintOut(HelpText());
    if (error == 0) return static_cast<int>(ExitStatus::kClean);
    return static_cast<int>(
        Fail(ExitStatus::kLocal, absl::StrCat("standard output: ", ErrnoName(error))));
  }
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
  if (!started.ok()) return static_cast<int>(Fail(ExitStatus::kLocal, started.message()));
  static_cast<void>(work.Wait(Deadline::Never()));
  return signal != 0 ? kSignalStatus + signal : static_cast<int>(status);
}

}  // namespace
}  // namespace halfpipe::tools

int main(int argc, char** argv) { return halfpipe::tools::Main(argc, argv); }
