#ifndef HALFPIPE_TOOLS_WSCAT_SESSION_H_
#define HALFPIPE_TOOLS_WSCAT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"
#include "tools/wscat/exit_status.h"
#include "websocket/stream.h"

namespace halfpipe::tools {

// A conversation over an open WebSocket: lines of a descriptor become messages, messages become
// lines of another one; or every message is sent back. The connection is closed when it has ended.
//
// Descriptors are waited for, so neither standard input nor a full pipe behind standard output
// holds up the other direction. They are borrowed, and may be of any kind.
//
// Example:
//   Session session(&runtime, &stream, SessionOptions());
//   const ExitStatus status = session.Run();
struct SessionOptions {
  bool echo = false;
  websocket::MessageType line_type = websocket::MessageType::kText;
  bool ping = false;
  int close_code = 1000;
  std::string close_reason;
  int in_fd = 0;
  int out_fd = 1;
  bool escape = false;  // What the peer sent goes through EscapeForTerminal().

  // After our Close: how long the peer may be silent.
  absl::Duration close_time = absl::Seconds(10);
  // The longest line that is read. Bytes.
  size_t line_bytes_max = size_t{256} << 20;
};

class Session {
 public:
  // All are borrowed and outlive the object.
  Session(Runtime* runtime, websocket::Stream* stream, const SessionOptions& options)
      : runtime_(runtime), stream_(stream), options_(options) {}

  // Runs until the connection has ended. Waits; a cancellation breaks the connection. To be called
  // once.
  ExitStatus Run();

  // Why it ended, for people, where that is more than the status says; may be empty. What the peer
  // said in it is escaped.
  const std::string& message() const { return message_; }

 private:
  void Converse();
  bool Take(const websocket::MessageView& message);
  void SendLines();
  void ReadAndSend();
  bool SendLine(absl::string_view line);
  void CloseAndWatch();
  void FailLocally(absl::string_view what, int error);
  int WriteOut(absl::string_view bytes);
  ExitStatus Judge();

  Runtime* const runtime_;
  websocket::Stream* const stream_;
  const SessionOptions& options_;
  std::string message_;
  uint64_t line_number_ = 0;
  uint64_t progress_ = 0;  // Grows with every message and every write.
  bool writing_ = false;   // The output holds us up, not the peer.
  bool local_failure_ = false;
  bool timed_out_ = false;
  absl::Status received_;  // Why nothing more is received.
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSCAT_SESSION_H_
