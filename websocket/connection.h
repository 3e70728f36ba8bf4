#ifndef HALFPIPE_WEBSOCKET_CONNECTION_H_
#define HALFPIPE_WEBSOCKET_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/callback_timer.h"
#include "bytestream/runtime/coroutine.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "websocket/encoded_message.h"
#include "websocket/send_queue.h"
#include "websocket/server_counters.h"
#include "websocket/stream.h"
#include "websocket/thread_link.h"

namespace halfpipe {
class TlsContext;
}

namespace halfpipe::websocket {

class Connection;
class ServerThread;
struct Handler;

// Names a connection of a server for as long as the server lives, also when the connection has
// ended: no number is used twice.
struct ConnectionId {
  uint32_t thread = 0;
  uint64_t serial = 0;  // 0: of no connection

  friend bool operator==(const ConnectionId&, const ConnectionId&) = default;
};

// A connection's place in a set of connections (broadcast.h); ends with either.
class Membership {
 public:
  explicit Membership(const void* set) : set_(set) {}
  virtual ~Membership() = default;

 private:
  friend class Connection;
  const void* const set_;
  ListLink of_connection_;
};

// What of a server's options concerns one connection.
struct ConnectionLimits {
  // How long a Send() without a deadline of its own may wait for a peer that does not read.
  absl::Duration send_time = absl::Seconds(30);
  // Enqueue() and Broadcast.
  SendQueueLimits send_queue = {};
};

// Whatever a program wants to keep with a connection.
class ConnectionData {
 public:
  virtual ~ConnectionData() = default;
};

// Whose a connection is: told of what happens to it.
class ConnectionHost {
 public:
  // Its timer has fired.
  virtual void OnConnectionTimer(Connection* connection) = 0;
  // Abort() was called.
  virtual void OnConnectionBroken(Connection* connection) = 0;
  // Its queue is to be flushed again soon.
  virtual void RetryConnection(Connection* connection) = 0;
  // The way to its thread.
  virtual const ThreadLink::Ref& link() const = 0;

 protected:
  ~ConnectionHost() = default;
};

// Where a connection is in its life; server_thread.cc has the transitions.
enum class ConnectionState : uint8_t {
  kAccepted,   // nothing has come yet
  kQueued,     // something has, and there is no place among those at work
  kHandshake,  // a coroutine is at it
  kKeptAlive,  // plain requests were answered, and the next one has not begun
  kParked,     // at a message boundary, or before the peer's Close
  kRunning,    // a coroutine receives, or is in a handler
  kSession,    // a session handler has it
  kLingering,  // both Closes are through; the peer's end is awaited
  kGone,
};

// One connection of a Server, as its handlers see it. Belongs to the thread of its runtime. A
// handler's reference is good until the handler returns; for longer there is ConnectionRef, on the
// same thread, and id() with Server::Post() on others.
class Connection {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  ConnectionId id() const { return id_; }
  // Path and query that were asked for.
  absl::string_view resource() const { return resource_; }
  // The one that was agreed on; empty for none.
  absl::string_view subprotocol() const { return subprotocol_; }
  Runtime* runtime() const { return runtime_; }
  // The way to its thread, from others.
  const ThreadLink::Ref& link() const { return link_; }

  // False once either side has begun to close it, or it has failed.
  bool open() const;

  // Sends one message, behind what is queued. Errors as those of Stream::Send(): ETIMEDOUT and
  // ECANCELED (nothing was sent), EPIPE, ECONNRESET, EBADF, EINVAL. Several coroutines may send.
  absl::Status Send(MessageType type, absl::Span<const uint8_t> payload, Deadline deadline);
  absl::Status SendText(absl::string_view text, Deadline deadline);
  // The same, waiting at most ConnectionLimits::send_time.
  absl::Status Send(MessageView message);
  absl::Status SendText(absl::string_view text);

  // Sends a message as soon as the peer takes it, without waiting, and in order with others that
  // are queued. Works in callbacks. What finds no room (ConnectionLimits::send_queue):
  //   ENOBUFS  it was skipped, or the connection was broken, as `policy` says; so too where there is no
  //            memory for it to wait
  // Else EPIPE, ECONNRESET and EBADF as Send().
  absl::Status Enqueue(const EncodedMessageRef& message, SlowPolicy policy = SlowPolicy::kClose);

  // Begins the closing handshake with a Close, behind what is queued, and does not wait. Messages
  // of the peer's that are on their way are still delivered; its answer and the end are waited for
  // in Options::close_time_max. A second call does nothing. EINVAL and EMSGSIZE as
  // Stream::Done().
  absl::Status Close(int code, absl::string_view reason);

  // Breaks the connection at once.
  void Abort();

  // The messages below, for all that is not here; after the opening handshake only. In a message
  // handler receiving is the server's affair.
  Stream& stream() { return *stream_; }

  // Keeps `membership` until it is deleted or this connection begins to end, and deletes it then.
  // False, with nothing done: it has begun.
  bool Join(Membership* membership);
  // The membership in `set`; null if there is none.
  Membership* FindMembership(const void* set);

  // The program's own.
  std::unique_ptr<ConnectionData> data;

 private:
  friend class ConnectionRef;
  friend class ServerThread;

  Connection(ConnectionHost* host, Runtime* runtime, ConnectionId id,
             const ConnectionLimits* limits, ServerCounters* counters);
  ~Connection();

  void Ref() { ++references_; }
  void Unref();

  absl::Status MaySend() const;
  absl::Status WaitForQueue(Deadline deadline);
  absl::Status TrySend(const EncodedMessageRef& message);
  void Counted(const absl::Status& status, size_t payload_size);
  void FlushQueue();
  void ArmQueue();
  void DropQueue(int error);
  void TryClose();
  void BeginToEnd();
  Bytestream* lower() { return stream_.has_value() ? stream_->lower() : lower_.get(); }

  ConnectionHost* const host_;
  Runtime* const runtime_;
  const ThreadLink::Ref link_;
  const ConnectionId id_;
  const ConnectionLimits* const limits_;
  ServerCounters* counters_;  // null once it has ended
  const Handler* handler_ = nullptr;
  const TlsContext* tls_ = nullptr;  // of the listener it came by
  BytestreamPtr lower_;              // until there is a stream
  std::optional<Stream> stream_;
  CallbackTimer timer_;
  std::string resource_;
  std::string subprotocol_;

  SendQueue queue_;
  WaiterList queue_waiters_;  // Send()s that wait for the queue to be empty
  IntrusiveList<Membership, &Membership::of_connection_> memberships_;
  std::string close_reason_;
  int close_code_ = 0;

  ListLink all_link_;                                 // of the thread's connections
  ListLink work_link_;                                // of those that wait for a place
  ListLink retry_link_;                               // of those to be looked at again soon
  Coroutine* coroutine_ = nullptr;                    // that is at work for it
  Deadline handshake_deadline_ = Deadline::Never();   // of the head that is read or awaited
  Deadline keep_alive_deadline_ = Deadline::Never();  // to begin another request
  Deadline close_deadline_ = Deadline::Never();       // set once the end has begun
  uint32_t references_ = 1;                           // the thread's own
  size_t plain_requests_ = 0;                         // answered
  int end_error_ = 0;                                 // why we broke it
  ConnectionState state_ = ConnectionState::kAccepted;
  bool secured_ = false;       // TLS has been set up
  bool opened_ = false;        // on_open was called, on_close was not
  bool close_wanted_ = false;  // Close() was called, the Close is not sent yet
  bool closing_ = false;       // Close() was called
  bool broken_ = false;        // Abort() was called
  bool flushing_ = false;
  bool counted_open_ = false;
};

// Keeps a connection's object, which may then have ended: all its functions say so (EBADF). Belongs
// to the connection's thread, as its copies do.
class ConnectionRef {
 public:
  ConnectionRef() = default;
  explicit ConnectionRef(Connection& connection) : connection_(&connection) { connection.Ref(); }
  ConnectionRef(const ConnectionRef& other) : connection_(other.connection_) {
    if (connection_ != nullptr) connection_->Ref();
  }
  ConnectionRef(ConnectionRef&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  ConnectionRef& operator=(ConnectionRef other) noexcept {
    std::swap(connection_, other.connection_);
    return *this;
  }
  ~ConnectionRef() {
    if (connection_ != nullptr) connection_->Unref();
  }

  explicit operator bool() const { return connection_ != nullptr; }
  Connection* operator->() const { return connection_; }
  Connection& operator*() const { return *connection_; }

 private:
  Connection* connection_ = nullptr;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CONNECTION_H_
