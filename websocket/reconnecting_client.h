#ifndef HALFPIPE_WEBSOCKET_RECONNECTING_CLIENT_H_
#define HALFPIPE_WEBSOCKET_RECONNECTING_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/entropy.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/callback_timer.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/sync.h"
#include "websocket/client.h"
#include "websocket/reconnect_policy.h"
#include "websocket/stream.h"

namespace halfpipe::websocket {

// What a ReconnectingClient calls; all in the coroutine of Run(), where they may wait. Each may be
// empty.
struct ReconnectHandlers {
  // After each connect, before anything is received: to say what is wanted, anew each time.
  absl::AnyInvocable<void(Stream&)> on_open = nullptr;
  absl::AnyInvocable<void(Stream&, MessageView)> on_message = nullptr;
  // After each end of a connection and each failed attempt, with the pause before the next one;
  // nothing: it gives up.
  absl::AnyInvocable<void(const ConnectionEnd&, std::optional<absl::Duration>)> on_end = nullptr;
  // Whether to try again, where the rules (IsWorthAnotherAttempt()) are not to decide.
  absl::AnyInvocable<std::optional<bool>(const ConnectionEnd&)> verdict = nullptr;
};

// A client that connects again when its connection ends: by the rules and with the pauses of
// reconnect_policy.h, a server's Retry-After obeyed. Belongs to the thread of its runtime.
//
// Messages are not kept: what is sent while there is no connection fails at once, and what was sent
// before the connection broke may or may not have arrived. Who needs more puts it into the messages
// and asks for what is missing in on_open.
//
// Example:
//   ReconnectingClient client(&runtime, "wss://example.org/feed", {}, {}, {
//       .on_open = [](Stream& stream) { stream.SendText("subscribe", deadline); },
//       .on_message = [](Stream&, MessageView message) { ... }});
//   bundle.Go([&] { client.Run(); });
class ReconnectingClient {
 public:
  // `runtime` is borrowed and outlives the object, as is `entropy`, of the pauses.
  ReconnectingClient(Runtime* runtime, std::string url, ClientOptions client_options,
                     const ReconnectOptions& options, ReconnectHandlers handlers,
                     Entropy* entropy = &Entropy::System());
  // Run() must have returned, and no Send() be running.
  ~ReconnectingClient();
  ReconnectingClient(const ReconnectingClient&) = delete;
  ReconnectingClient& operator=(const ReconnectingClient&) = delete;

  // How long an attempt may take, all of its way; and the end of a connection, from Close() or the
  // peer's Close on: a closing handshake that takes longer is broken off. 30 and 5 seconds by default.
  // (ClientOptions::stream.close_time_max bounds the part behind the peer's Close besides.)
  void set_connect_time(absl::Duration time) { connect_time_ = time; }
  void set_close_time(absl::Duration time) { close_time_ = time; }

  // Connects, receives and connects again, until
  //   OK          Close() was called
  //   ECANCELED   the coroutine was
  //   else        what the attempt failed with that it gave up after; ECONNRESET if that was a
  //               connection's end
  // EBUSY: it runs already. May be called again then.
  absl::Status Run();

  // Sends one message on the present connection. ECONNRESET, at once: there is none, or it broke;
  // nothing is kept for the next one. Else errors of Stream::Send(). Several coroutines may send.
  absl::Status Send(MessageType type, absl::Span<const uint8_t> payload, Deadline deadline);
  absl::Status SendText(absl::string_view text, Deadline deadline);

  // Ends it for good: Run() closes the connection with this, behind what is being sent, and returns,
  // or stops connecting or pausing. Never waits. EINVAL and EMSGSIZE as Stream::Done().
  absl::Status Close(int code, absl::string_view reason);

  bool connected() const { return live_ != nullptr; }
  // What the server said last.
  const ClientResponse& response() const { return client_.response(); }

 private:
  struct Live;

  absl::Status Attempt(std::unique_ptr<Stream>* stream, ConnectionEnd* end);
  ConnectionEnd Converse(std::unique_ptr<Stream> stream);
  void SendClose();
  static void Leave(Live* live);

  Runtime* const runtime_;
  const std::string url_;
  Client client_;
  ReconnectPolicy policy_;
  ReconnectHandlers handlers_;
  absl::Duration connect_time_ = absl::Seconds(30);
  absl::Duration close_time_ = absl::Seconds(5);
  Live* live_ = nullptr;       // while there is a connection
  Bundle* attempt_ = nullptr;  // while there is an attempt
  Notification closed_;
  CallbackTimer closing_timer_;
  Deadline closing_deadline_ = Deadline::Never();  // from Close() on
  int close_code_ = 0;
  std::string close_reason_;
  bool running_ = false;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_RECONNECTING_CLIENT_H_
