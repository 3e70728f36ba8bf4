#ifndef HALFPIPE_WEBSOCKET_SERVER_OPTIONS_H_
#define HALFPIPE_WEBSOCKET_SERVER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/core/limits.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/connection.h"
#include "websocket/core/close_code.h"
#include "websocket/handshake/host_policy.h"
#include "websocket/handshake/origin_policy.h"
#include "websocket/options.h"
#include "websocket/stream.h"
#include "websocket/upgrade.h"

namespace halfpipe::websocket {

// How a connection came to its end.
struct CloseReport {
  // The peer's: 1005 if its Close had none, 1006 if there was no Close (RFC 6455 section 7.1.5).
  uint16_t code = kCloseAbnormal;
  absl::string_view reason;
  // Why receiving ended: 0 by the peer's Close, else an errno: EPROTO (the peer broke the protocol
  // or a limit), ECONNRESET, ETIMEDOUT (a bound in time), EBADF (it was aborted here).
  int error = 0;
};

// What happens at one path, or at all paths below one. Two kinds:
//
// * Message handlers: on_message and the like are called as things happen. Between messages a
//   connection has no coroutine, no buffer and no stack.
// * Session handlers: `session` is called once and owns a coroutine until it returns, which ends the
//   connection (1000 unless it has sent a Close).
//
// All of them run in coroutines and may wait; for one connection one at a time. They are shared by
// the server's threads: with more than one, what they refer to besides the connection has to be safe
// for that. They return soon after a wait gave them ECANCELED or EBADF: the server is stopping.
struct Handler {
  absl::AnyInvocable<void(Connection&) const> on_open = nullptr;
  // The view is good until the handler returns.
  absl::AnyInvocable<void(Connection&, MessageView) const> on_message = nullptr;
  // Once for each on_open, whatever the end. Nothing can be sent any more.
  absl::AnyInvocable<void(Connection&, const CloseReport&) const> on_close = nullptr;

  absl::AnyInvocable<void(Connection&, Stream&) const> session = nullptr;

  // Looks at a good request before it is answered, and may refuse it. Does not wait. Empty: accepts.
  absl::AnyInvocable<UpgradeDecision(const UpgradeRequest&) const> on_upgrade = nullptr;

  // What we speak here; of what a client offers, the first one that we do is chosen.
  std::vector<std::string> subprotocols = {};
  // Whose web pages may connect. Its list is copied.
  OriginPolicy origin = {};
  // Limits, compression and manners of the connections here. close_time_max holds whatever has begun
  // the end, and for the end of the peer's stream behind both Closes too.
  Options options = {};
};

// Every bound of a server, with its default and the reason for it. Those of one connection's messages
// are in Handler::options.
struct ServerOptions {
  // Threads of its own, each with a Runtime and with listeners of its own.
  size_t threads = 1;

  // Connections at a time, of all threads and of each; while there are so many none is accepted, and
  // those that come wait in the system's queue. A connection at rest costs a few KiB, so this is
  // about what the machine bears when they all wake.
  size_t connections_max = 100'000;
  size_t connections_per_thread_max = SIZE_MAX;

  // Of each thread: opening handshakes with a coroutine, that is of clients that have begun to speak.
  // A handshake takes its time on the network, so there are more than the machine could serve at
  // once.
  size_t handshakes_max = 1024;
  // Of each thread: connections in a message handler or with part of a message. Those above it wait,
  // the longest-waiting first; their bytes stay in the system. Each takes a stack and a read buffer,
  // about 24 KiB.
  size_t at_work_max = 4096;
  // Session handlers are bounded by the connections alone.

  // From accept, and for later requests on the connection from their first byte, to the end of the
  // head. A round trip or four, on a bad line. Also how long a client may take to receive an answer,
  // and to end its stream behind the last one.
  absl::Duration handshake_time = absl::Seconds(10);
  // From the first byte of a message to its end. Bounds how long a peer can hold a coroutine with a
  // message that it does not finish; large messages on slow lines need it.
  absl::Duration message_time = absl::Minutes(1);
  // Memory for messages of message handlers that come in parts, of all connections together, shared
  // evenly by the threads. While there is none left those that need more wait, the longest-waiting
  // first, and their bytes stay in the system; one that would need all of it and more is refused
  // with 1009.
  size_t message_memory_max = size_t{256} << 20;

  // Liveness (see Options), for handlers whose options leave both out: a peer that has vanished is
  // gone after dead_after, and a proxy in between sees that the connection is in use.
  absl::Duration ping_after_idle = absl::Seconds(30);
  absl::Duration dead_after = absl::Minutes(2);

  // Of plain requests on one connection; and how long it waits for the next one, without a coroutine.
  size_t plain_requests_max = 100;
  absl::Duration keep_alive_time = absl::Seconds(15);

  // What a 503 tells a client that comes while the server is draining (Retry-After).
  absl::Duration retry_after = absl::Seconds(5);

  ConnectionLimits connection = {};
  http::Limits http = {};
  // Which hosts we are. All by default. The list is copied.
  HostPolicy hosts = {};

  // Connections that the system keeps until they are accepted.
  int backlog = 4096;
};

// Answers a GET or HEAD that asks for no upgrade. Does not wait.
using PlainHandler = absl::AnyInvocable<http::Response(const http::RequestHead&) const>;

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_SERVER_OPTIONS_H_
