#include "tools/wscat/session.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/engine.h"
#include "tools/wscat/escape.h"
#include "tools/wscat/line_splitter.h"
#include "websocket/core/close_code.h"

namespace halfpipe::tools {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

// A pipe that is ready for writing takes this much without blocking (PIPE_BUF).
constexpr size_t kWriteBytes = 4096;

constexpr absl::Duration kPingTime = absl::Seconds(10);

bool SpeaksOfAnError(int code, int our_code) {
  return code != websocket::kCloseNormal && code != websocket::kCloseGoingAway &&
         code != websocket::kCloseNoStatus && code != our_code;
}

}  // namespace

ExitStatus Session::Run() {
  if (options_.ping) {
    // If it fails, so does what follows, and that is told.
    static_cast<void>(stream_->Ping({}, Deadline::In(kPingTime)));
  }
  {
    Bundle lines(runtime_);
    absl::Status started;
    if (!options_.echo) started = lines.Go([this] { SendLines(); });
    if (started.ok()) {
      Converse();
    } else {
      FailLocally("no memory to read the input", ENOMEM);
    }
  }
  const ExitStatus status = Judge();
  static_cast<void>(stream_->Close(options_.close_code, options_.close_reason,
                                   Deadline::In(options_.close_time)));
  return status;
}

// Receives until nothing more comes.
void Session::Converse() {
  for (;;) {
    const auto message = stream_->ReceiveView(Deadline::Never());
    if (!message.ok()) {
      received_ = message.status();
      return;
    }
    if (!message->has_value()) return;
    ++progress_;
    if (!Take(**message)) return;
  }
}

// Sends a message back, or writes it out. False: nothing more is to be received.
bool Session::Take(const websocket::MessageView& message) {
  if (options_.echo) {
    received_ = stream_->Send(message.type, message.payload, Deadline::Never());
    return received_.ok();
  }
  int error = 0;
  if (options_.escape) {
    error = WriteOut(absl::StrCat(EscapeForTerminal(message.text()), "\n"));
  } else {
    error = WriteOut(message.text());
    if (error == 0) error = WriteOut("\n");
  }
  if (error == 0) return true;
  if (error != ECANCELED) FailLocally("standard output", error);
  return false;
}

// The other coroutine: lines, then the Close.
void Session::SendLines() {
  ReadAndSend();
  CloseAndWatch();
}

// Sends what is read until its end, or until nothing more can be sent.
void Session::ReadAndSend() {
  const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  LineSplitter lines(options_.line_bytes_max);
  for (;;) {
    if (const int error = runtime_->engine().WaitForeignFd(options_.in_fd, /*writable=*/false,
                                                           Deadline::Never())) {
      if (error != ECANCELED) FailLocally("standard input", error);
      return;
    }
    const ssize_t count = read(options_.in_fd, buffer.get(), kReadBytes);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) return FailLocally("standard input", errno);
    if (count == 0) break;
    if (!lines.Add(absl::string_view(buffer.get(), static_cast<size_t>(count)))) {
      return FailLocally("standard input: a line is too long", EMSGSIZE);
    }
    while (const std::optional<absl::string_view> line = lines.Next()) {
      if (!SendLine(*line)) return;
    }
    runtime_->CountOperation();
  }
  if (const std::optional<absl::string_view> line = lines.Last()) {
    static_cast<void>(SendLine(*line));
  }
}

bool Session::SendLine(absl::string_view line) {
  ++line_number_;
  const absl::Span<const uint8_t> payload(reinterpret_cast<const uint8_t*>(line.data()),
                                          line.size());
  const absl::Status sent = stream_->Send(options_.line_type, payload, Deadline::Never());
  if (sent.ok()) return true;
  if (StatusErrno(sent) == EINVAL) {
    FailLocally(absl::StrCat("line ", line_number_, " is not UTF-8 (--binary sends any bytes)"),
                EINVAL);
  }
  // Everything else ends the receiving direction too, which tells it.
  return false;
}

// Sends our Close, and breaks the connection when the peer has been silent for too long after it.
void Session::CloseAndWatch() {
  const absl::Status done =
      stream_->Done(options_.close_code, options_.close_reason, Deadline::In(options_.close_time));
  if (!done.ok() && StatusErrno(done) != ETIMEDOUT) return;
  uint64_t before;
  do {
    before = progress_;
    if (runtime_->SleepUntil(Deadline::In(options_.close_time)) != 0) return;
  } while (writing_ || progress_ != before);
  timed_out_ = true;
  stream_->Abort();
}

void Session::FailLocally(absl::string_view what, int error) {
  local_failure_ = true;
  message_ = absl::StrCat(what, ": ", ErrnoName(error));
}

int Session::WriteOut(absl::string_view bytes) {
  writing_ = true;
  int error = 0;
  while (error == 0 && !bytes.empty()) {
    error = runtime_->engine().WaitForeignFd(options_.out_fd, /*writable=*/true, Deadline::Never());
    if (error != 0) break;
    const ssize_t count = write(options_.out_fd, bytes.data(), std::min(bytes.size(), kWriteBytes));
    if (count < 0 && errno != EAGAIN && errno != EINTR) error = errno;
    if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
    ++progress_;
  }
  writing_ = false;
  return error;
}

// What the end means.
ExitStatus Session::Judge() {
  if (local_failure_) return ExitStatus::kLocal;
  if (timed_out_) {
    message_ = "the peer did not answer our Close";
    return ExitStatus::kBroken;
  }
  const std::optional<websocket::CloseInfo> close = stream_->peer_close();
  if (!close.has_value()) {
    // Whoever cancels knows why.
    if (StatusErrno(received_) != ECANCELED) message_ = std::string(received_.message());
    return ExitStatus::kBroken;
  }
  if (!SpeaksOfAnError(close->code, options_.close_code)) return ExitStatus::kClean;
  message_ =
      absl::StrCat("the peer closed with ", close->code, " ", EscapeForTerminal(close->reason));
  return ExitStatus::kPeerError;
}

}  // namespace halfpipe::tools
