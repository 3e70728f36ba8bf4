#ifndef HALFPIPE_WEBSOCKET_SERVER_THREAD_H_
#define HALFPIPE_WEBSOCKET_SERVER_THREAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/callback_timer.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/sync.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/tls/tls_context.h"
#include "websocket/connection.h"
#include "websocket/connection_permits.h"
#include "websocket/drain_wish.h"
#include "websocket/message_assembly.h"
#include "websocket/path_table.h"
#include "websocket/server_counters.h"
#include "websocket/server_options.h"
#include "websocket/stream.h"
#include "websocket/thread_link.h"

namespace halfpipe::websocket {

// What the threads of a server have in common. Only `permits` and `drain` change once they have begun.
struct ServerPlan {
  explicit ServerPlan(ServerOptions server_options)
      : options(Own(std::move(server_options))), permits(options.connections_max) {}

  // A copy that lives as long as the plan: what options borrow is often a local of the caller's.
  absl::Span<const absl::string_view> Keep(absl::Span<const absl::string_view> texts);

  // What Keep() has made; deques, so that what is in them stays where it is.
  std::deque<std::string> kept_texts;
  std::deque<std::vector<absl::string_view>> kept_lists;

  const ServerOptions options;
  size_t threads = 1;
  PathTable<Handler> handlers;
  PlainHandler plain;
  ConnectionPermits permits;
  DrainWish drain;

 private:
  ServerOptions Own(ServerOptions server_options) {
    server_options.hosts.hosts = Keep(server_options.hosts.hosts);
    return server_options;
  }
};

// Those of a connection whose handler has `options`: where the server has a say, with its own.
Options ConnectionOptions(const ServerOptions& server, Options options);

// The part of a Server that lives on one runtime: its connections and all that happens to them. For
// the thread of that runtime, but for what says otherwise. Server is what users see.
class ServerThread final : private ConnectionHost {
 public:
  // All are borrowed and outlive the object.
  ServerThread(ServerPlan* plan, Runtime* runtime, uint32_t index, ThreadLink::Ref link);
  ~ServerThread() { Join(); }

  // Takes over `fd`, a listening socket that does not block, and accepts from it, with TLS if `tls`
  // (borrowed) is not null. ENOMEM.
  absl::Status Listen(int fd, const TlsContext* tls);

  // Takes a connection that was made in another way. EMFILE: there is no permit; ECANCELED: the
  // server is draining. It is closed then.
  absl::Status Serve(BytestreamPtr stream, const TlsContext* tls);

  // Begins to drain, or has it end earlier. Never waits.
  void Drain(Deadline deadline);
  // The same, if the plan says so.
  void DrainIfWanted();

  // Breaks what is left and waits for its coroutines, which are cancelled. May be called again, and
  // while another call is at work. Only where MayJoin().
  void Join();

  // False: nothing may wait here, or the wait would be for the caller itself.
  bool MayJoin() const;

  // Whether it is a coroutine of a handler's, or another one of this object's.
  bool IsOwn(const Coroutine* coroutine) const { return coroutines_.Contains(coroutine); }

  // Waits until a drain is over. ETIMEDOUT, ECANCELED.
  absl::Status WaitDrained(Deadline deadline) { return drained_.Wait(deadline); }

  // Null if that connection has ended.
  Connection* Find(uint64_t serial) const;

  Runtime* runtime() const { return runtime_; }
  // From any thread.
  const ServerCounters& counters() const { return counters_; }

 private:
  // How long a connection on which nothing has come is kept once the server is draining: a request
  // that is on its way still gets its 503.
  static constexpr absl::Duration kDrainGrace = absl::Seconds(1);
  // Until something is tried again that nothing will be told of: a queue whose stream said that it
  // would take more, and did not; a coroutine for which there is no memory; a stream that is said to
  // be readable where the system cannot wait for it; a peer that sends behind the end.
  static constexpr absl::Duration kRetryPause = absl::Milliseconds(10);

  struct ListenerEntry {
    EngineFd entry;
    const TlsContext* tls = nullptr;
  };
  // Connections that need a coroutine, and places for so many.
  struct Work {
    size_t places = 0;
    size_t taken = 0;
    IntrusiveList<Connection, &Connection::work_link_> waiting;
    void (ServerThread::*run)(Connection*) = nullptr;
  };
  // A place for a connection's number; serial numbers have it in their lower half.
  struct Slot {
    Connection* connection = nullptr;
    uint32_t generation = 0;
  };

  // ConnectionHost
  void OnConnectionTimer(Connection* connection) override;
  void OnConnectionBroken(Connection* connection) override;
  void RetryConnection(Connection* connection) override;
  const ThreadLink::Ref& link() const override { return link_; }

  // Accepting, server_accept.cc.
  void AcceptLoop(ListenerEntry* listener);
  IoResult AcceptOne(ListenerEntry* listener);
  bool TakePermit();
  void GiveBackPermit();
  void WakePermitWaiters();
  void DrainBacklog();
  void Admit(BytestreamPtr stream, const TlsContext* tls);

  // The opening handshake, server_handshakes.cc.
  void RunHandshake(Connection* connection);
  absl::Status StartTls(Connection* connection, bool* begun);
  bool AwaitRequest(Connection* connection);
  absl::Status PeekRequest(Connection* connection);
  void EndKeptAlive(Connection* connection);
  absl::Status Upgrade(Connection* connection, bool* answered);
  UpgradeDecision Decide(const UpgradeRequest& request, const Handler* handler);
  http::Response AnswerPlain(const http::RequestHead& head);
  void OpenConnection(Connection* connection, const Handler* handler, const Options& options);

  // The life of a connection, server_thread.cc.
  void OnReadable(Connection* connection);
  template <typename Source>
  bool Watch(Connection* connection, Source* source);
  void Enlist(Connection* connection, Work* work);
  void Pump(Work* work);
  void LeaveWork(Work* work);
  void RunMessages(Connection* connection);
  absl::StatusOr<std::optional<MessageView>> Receive(Connection* connection,
                                                     MessageAssembly* assembly);
  bool TryPark(Connection* connection);
  void RunSession(Connection* connection);
  void EndConnection(Connection* connection, const absl::Status& status);
  void Finish(Connection* connection, bool orderly);
  void Linger(Connection* connection);
  void DropInput(Connection* connection);
  void Break(Connection* connection);
  void StopCoroutine(Connection* connection);
  void Destroy(Connection* connection);
  void SetState(Connection* connection, ConnectionState state);
  void OnRetryTimer();
  void AbortAll();
  void CheckDrained();
  Connection* NewConnection();
  void ForgetNumber(const Connection* connection);

  ServerPlan* const plan_;
  Runtime* const runtime_;
  const uint32_t index_;
  const ThreadLink::Ref link_;
  ServerCounters counters_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  IntrusiveList<Connection, &Connection::all_link_> connections_;
  IntrusiveList<Connection, &Connection::retry_link_> retries_;
  size_t connection_count_ = 0;
  Work handshakes_;
  Work messages_;
  std::vector<std::unique_ptr<ListenerEntry>> listeners_;
  WaiterList permit_waiters_;
  CallbackTimer retry_timer_;
  CallbackTimer drain_timer_;
  MessageBudget message_budget_;
  Deadline drain_deadline_ = Deadline::Never();
  Notification drained_;
  Connection* parking_ = nullptr;  // Watch() is at work for it
  bool readable_at_once_ = false;
  bool draining_ = false;
  bool backlog_drained_ = false;
  bool aborting_ = false;
  bool joining_ = false;  // nothing is started any more
  bool joined_ = false;
  WaiterList join_waiters_;  // further calls of Join()
  Bundle acceptors_;
  Bundle coroutines_;  // all others; end before what they use
};

// Has OnReadable() called when there is something to read in `source`, the connection's stream or the
// one below. False: there is now, and nothing is called.
template <typename Source>
bool ServerThread::Watch(Connection* connection, Source* source) {
  parking_ = connection;
  readable_at_once_ = false;
  source->WhenReadable([this, connection] { OnReadable(connection); });
  parking_ = nullptr;
  return !readable_at_once_;
}

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_SERVER_THREAD_H_
