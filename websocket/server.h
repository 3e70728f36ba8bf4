#ifndef HALFPIPE_WEBSOCKET_SERVER_H_
#define HALFPIPE_WEBSOCKET_SERVER_H_

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/tls/tls_context.h"
#include "websocket/connection.h"
#include "websocket/encoded_message.h"
#include "websocket/send_queue.h"
#include "websocket/server_counters.h"
#include "websocket/server_options.h"
#include "websocket/thread_link.h"

namespace halfpipe::websocket {

class ServerThread;
struct ServerPlan;

// A WebSocket server: listeners, opening handshakes, handlers by path, bounds on everything, and an
// end that drops nobody who comes to it in time.
//
// A connection of a message handler that is at rest, which is between messages, has no coroutine, no
// buffer and no stack. What it has is its object, about 2 KiB.
//
// Two ways to run:
// * Server(options): threads of its own, ServerOptions::threads of them, each with a Runtime. The
//   functions here may be called by any thread, unless they say otherwise. Listening sockets share
//   their port (SO_REUSEPORT), so that the system spreads connections over the threads.
// * Server(runtime, options): in coroutines of that runtime, on its thread, which is also the only
//   one to call anything here but Drain(), Stop(), Post(), SendTo() and counts().
//
// Life: Handle() and Listen...() first, then Start(). Drain() begins the end, Wait() waits for it;
// Stop() does both at once. Drain() and Stop() may be called at any time, also before Start(), which
// does not forget them.
//
// Drain (from any thread, never waits): no connection is accepted any more; those that the system
// has queued are accepted still, and their upgrades are answered with 503 and Retry-After; open ones
// get a Close with 1001 and go on until the peer's Close, messages that were on their way included;
// when the bound is over what is left is broken and its handlers' coroutines are cancelled. May be
// called again: the earliest bound counts.
//
// Example:
//   Server server;
//   server.Handle("/echo", {.on_message = [](Connection& connection, MessageView message) {
//                    (void)connection.Send(message);
//                  }});
//   auto address = server.ListenTcp(IpAddress::Any(IpFamily::kIpv4, 8080));
//   if (!address.ok()) return 1;
//   return server.Run().ok() ? 0 : 1;  // until somebody calls Drain()
class Server {
 public:
  explicit Server(ServerOptions options = {});
  // `runtime` is borrowed and outlives the object; ServerOptions::threads does not count.
  Server(Runtime* runtime, ServerOptions options);
  // As Stop(), and calls of Drain(), Stop() and Wait() that others are in come out first. Nobody begins
  // another call of anything. It is a fault, which is checked, where Stop() could not wait: in a handler, a
  // callback, or on another thread than the runtime's. Whatever handlers refer to outlives the object.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // What serves the path `path` ("/chat"), or all that begin with `prefix` ("/files/"). An exact
  // path comes first, then the longest prefix. Before Start(), which refuses what begins with no /
  // or has a query.
  void Handle(absl::string_view path, Handler handler);
  void HandlePrefix(absl::string_view prefix, Handler handler);

  // What answers plain requests, GET and HEAD: health checks, metrics, a page. Without one they are
  // refused with 426. Before Start().
  void HandlePlain(PlainHandler handler);

  // Where connections come from; before Start(), any number of them. With `tls` (borrowed, outlives
  // the object) they begin with TLS. Errors as TcpListenFd() and UnixListenFd(). Returns the address
  // in use, with the port that the system chose for 0. A Unix socket's file is the caller's to
  // remove.
  absl::StatusOr<IpAddress> ListenTcp(IpAddress address, const TlsContext* tls = nullptr);
  absl::Status ListenUnix(absl::string_view path, const TlsContext* tls = nullptr);
  // Takes over `fd`, a listening socket; it is closed on failure too. Errors as TcpAdoptListenerFd().
  absl::Status ListenFd(int fd, const TlsContext* tls = nullptr);

  // Begins to serve. EINVAL: it has begun already, or the options are out of range. EAGAIN, ENOMEM,
  // EMFILE, ...: a thread, a coroutine or a descriptor could not be had; nothing is served then.
  absl::Status Start();

  // Waits until the server has drained. With threads of its own it blocks the calling thread (which
  // must not be one of a Runtime that has something else to do), without it waits in the calling
  // coroutine. ETIMEDOUT, ECANCELED: it goes on; call again. EINVAL: it has not been started.
  // EDEADLK: the caller is a handler of this server, for which it would wait. Any number of callers at
  // a time.
  absl::Status Wait(Deadline deadline);

  // Start(), then Wait() for ever.
  absl::Status Run();

  // Begins to drain, see above. `bound` is from now on. Not in a signal handler: let a thread wait
  // for the signal.
  void Drain(absl::Duration bound);

  // Drain(0), then waits until nothing of the server runs any more: its handlers have returned, and
  // threads of its own have ended. Handlers get ECANCELED or EBADF from what they wait for, and it
  // waits for them as long as they take; nothing cuts that short, neither a time nor a cancellation.
  // Any number of callers at a time, from wherever they are, and while a drain is under way.
  //
  // Where it would wait for its own caller, or nothing may wait, it is Drain(0) alone and returns at
  // once: in handlers and hooks, in coroutines that a handler has made, in functions that were posted,
  // in callbacks of the runtime; with Server(runtime, options) on other threads, too. With threads of
  // its own it blocks the calling thread otherwise, as Wait() does.
  void Stop();

  // Takes a connection that was made in another way: on the runtime of Server(runtime, options),
  // after Start(). Closes it where it cannot: EMFILE, there is no permit; ECANCELED, draining;
  // EINVAL, with threads of its own.
  absl::Status Serve(BytestreamPtr stream, const TlsContext* tls = nullptr);

  // Has `function` run on the connection's thread, where it must not wait, if the connection is open
  // then. EBADF: no such thread, or it has ended; ENOMEM: too much is waiting there. Functions posted
  // to one connection run in their order.
  absl::Status Post(ConnectionId id, absl::AnyInvocable<void(Connection&)> function);

  // Connection::Enqueue() from any thread. What becomes of it is not told.
  absl::Status SendTo(ConnectionId id, const EncodedMessageRef& message,
                      SlowPolicy policy = SlowPolicy::kClose);

  // Of all threads, in sum.
  ServerCounts counts() const;

  const ThreadLink::Ref& link(size_t thread) const { return links_[thread]; }

 private:
  struct Listener {
    std::vector<int> fds;  // one for each thread; -1 once it is a thread's
    const TlsContext* tls;
  };
  class Call;
  struct ThreadStart {
    Server* server;
    size_t index;
  };

  absl::Status AddFd(int fd, const TlsContext* tls);
  static void* ThreadMain(void* start);
  void RunThread(size_t index);
  absl::Status ListenOn(ServerThread* thread, size_t index);
  absl::Status CheckOptions() const;
  absl::Status StartHere();
  absl::Status StartThreads();
  void JoinThreads();
  bool IsOwnThread() const;
  absl::Status WaitHere(Deadline deadline);
  absl::Status WaitForThreads(Deadline deadline);

  const std::unique_ptr<ServerPlan> plan_;
  Runtime* const runtime_;  // null: threads of its own
  std::vector<ThreadLink::Ref> links_;
  std::vector<Listener> listeners_;
  bool started_ = false;  // Start() has been called

  // On runtime_: kept to the end, whoever has stopped it.
  std::unique_ptr<ServerThread> here_;
  int calls_here_ = 0;    // on its thread, in progress
  WaiterList last_call_;  // the destructor's

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::vector<const ServerThread*> running_;  // by thread; null before and after
  ServerCounts ended_counts_;                 // of those that have ended
  absl::Status start_status_;
  std::vector<pthread_t> threads_;  // to be joined
  size_t begun_ = 0;
  size_t ended_ = 0;
  bool starting_ = false;
  bool joining_ = false;
  int calls_ = 0;  // on other threads, in progress
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_SERVER_H_
