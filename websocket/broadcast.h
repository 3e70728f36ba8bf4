#ifndef HALFPIPE_WEBSOCKET_BROADCAST_H_
#define HALFPIPE_WEBSOCKET_BROADCAST_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "websocket/connection.h"
#include "websocket/encoded_message.h"
#include "websocket/send_queue.h"
#include "websocket/stream.h"
#include "websocket/thread_link.h"

namespace halfpipe::websocket {

class BroadcastPart;

// A set of connections of servers that get the same messages: a room, a topic. A message is encoded
// once, and once for each size of window with compression; its bytes are shared, by the members of
// all threads, and copied only where a member's connection has taken a part of it. Sending waits for
// nobody: what a member does not take at once waits in its queue (ConnectionLimits::send_queue), and
// what finds no room there is treated by `policy`. Members of other threads are reached by one
// Post() for each thread.
//
// Order: each member gets the messages of one sending thread in the order they were sent, behind what
// was queued for it before.
//
// Join() and Leave() are for the connection's thread, as in its handlers; Send() and the rest for any.
// A connection that begins to end leaves by itself. May end before its members and their servers; but
// a room that handlers refer to is declared before the server.
//
// Example:
//   Broadcast room;
//   Server server;
//   server.Handle("/chat", {.on_open = [&](Connection& c) { room.Join(c); },
//                           .on_message = [&](Connection&, MessageView message) {
//                             (void)room.Send(message.type, message.text());
//                           }});
class Broadcast {
 public:
  explicit Broadcast(SlowPolicy policy = SlowPolicy::kClose) : policy_(policy) {}
  // Its members are so no longer. Messages that are on their way still arrive.
  ~Broadcast();
  Broadcast(const Broadcast&) = delete;
  Broadcast& operator=(const Broadcast&) = delete;

  // Makes `connection` a member. False: it is one already, or it has begun to end, or there is no
  // memory.
  bool Join(Connection& connection);

  // False: it was no member.
  bool Leave(Connection& connection);

  // Sends one message to all members, but for `except`, if that is one. Errors of
  // EncodedMessage::Make(); ENOMEM: too much waits at some thread, whose members do not get it.
  absl::Status Send(MessageType type, absl::string_view payload, ConnectionId except = {});
  absl::Status Send(const EncodedMessageRef& message, ConnectionId except = {});

  // How many there are, of all threads; as of some moment.
  size_t member_count() const;

 private:
  // Members of one thread.
  struct Place {
    ThreadLink::Ref link;
    BroadcastPart* part;
  };

  BroadcastPart* FindPart(const ThreadLink::Ref& link, bool make);

  const SlowPolicy policy_;
  mutable std::mutex mutex_;
  std::vector<Place> places_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_BROADCAST_H_
