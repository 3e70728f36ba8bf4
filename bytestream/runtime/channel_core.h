#ifndef HALFPIPE_BYTESTREAM_RUNTIME_CHANNEL_CORE_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_CHANNEL_CORE_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/intrusive_list.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

class ChannelCore;
class ChannelWait;

enum class ChannelOp : uint8_t { kSend, kReceive };

// One operation on one channel that a coroutine wants done. Lives on the stack of that coroutine,
// and stands in the channel's queue while the coroutine waits.
struct ChannelClause {
  ChannelClause(ChannelCore* on, ChannelOp operation, void* at, size_t bytes = 0)
      : channel(on), value(at), size(bytes), op(operation) {}
  // Copies what is wanted. The copy stands in no queue, nor may what is assigned to.
  ChannelClause(const ChannelClause& other)
      : ChannelClause(other.channel, other.op, other.value, other.size) {}
  ChannelClause& operator=(const ChannelClause& other) {
    channel = other.channel;
    value = other.value;
    size = other.size;
    op = other.op;
    return *this;
  }

  ChannelCore* channel;
  // What to send, or where to receive to; what these mean is between the channel's users and its
  // Transfer function. Borrowed.
  void* value;
  size_t size;
  ChannelOp op;

  // Set while it waits.
  ChannelWait* wait = nullptr;
  ListLink link;
};

// One wait of one coroutine for the first of any number of clauses. The clauses stand in the queues
// of their channels; the coroutine waits once. The first event ends the wait, and from then on all
// clauses are dead: the channels pass them over and drop them. A transfer that has happened is not
// undone by a timeout or a cancellation that comes before the coroutine runs again.
//
// Example:
//   ChannelWait wait(runtime);
//   for (ChannelClause& clause : clauses) wait.Add(&clause);
//   const int error = wait.Wait(deadline);
//   for (ChannelClause& clause : clauses) clause.link.Unlink();
class ChannelWait {
 public:
  explicit ChannelWait(Runtime* runtime) : runtime_(runtime) {}
  ChannelWait(const ChannelWait&) = delete;
  ChannelWait& operator=(const ChannelWait&) = delete;

  // Puts `clause` at the end of its channel's queue. It must leave the queue before this object
  // goes.
  inline void Add(ChannelClause* clause);

  // 0: the clause ended_by() was performed. ETIMEDOUT or ECANCELED with ended_by() null: nothing
  // was done. Else ended_by() is the clause with that error: EPIPE (the channel is done, or gone),
  // or what the channel's Transfer function said.
  ABSL_ATTRIBUTE_ALWAYS_INLINE int Wait(Deadline deadline) {
    return runtime_->WaitInline(&waiter_, deadline);
  }

  ChannelClause* ended_by() const { return ended_by_; }

 private:
  friend class ChannelCore;

  bool live() const { return waiter_.owner != nullptr; }

  void EndBy(ChannelClause* clause, int error) {
    ended_by_ = clause;
    runtime_->Wake(&waiter_, error);
  }

  Runtime* const runtime_;
  ChannelClause* ended_by_ = nullptr;
  Waiter waiter_;
};

// Where senders and receivers meet: one direction, no buffer, values of a type that it does not
// know. All channels, those of C and Channel<T>, are made of it. It allocates nothing.
//
//   state | senders | receivers | send, receive
//   idle  | no      | no        | wait
//   full  | some    | no        | a receive takes from the first sender
//   empty | no      | some      | a send gives to the first receiver
//   done  | no      | no        | EPIPE
//
// (Senders and receivers of one coroutine that waits for both may stand there together.) Belongs to
// the thread of its runtime (borrowed, outlives it).
class ChannelCore {
 public:
  // Takes the value from the sender to the receiver: 0, or the errno that both get. Must not wait.
  using Transfer = int (*)(const ChannelClause& sender, const ChannelClause& receiver);

  ChannelCore(Runtime* runtime, Transfer transfer) : runtime_(runtime), transfer_(transfer) {}
  // Coroutines that wait get EPIPE. They look at nothing of the channel any more.
  ~ChannelCore();
  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;

  Runtime* runtime() const { return runtime_; }
  bool done() const { return done_; }

  // No transfers any more: coroutines that wait, and all later operations, get EPIPE.
  void Done();

  // True if Try() of such a clause does not give EAGAIN.
  bool Ready(ChannelOp op) { return done_ || FirstWaiting(Other(op)) != nullptr; }

  // Performs the clause, of this channel, with the one that has waited longest on the other side:
  // 0, or what Transfer said. EPIPE: done. EAGAIN: nobody is there, nothing was done.
  int Try(const ChannelClause& clause) {
    if (done_) return EPIPE;
    ChannelClause* const peer = FirstWaiting(Other(clause.op));
    if (peer == nullptr) return EAGAIN;
    const int error =
        clause.op == ChannelOp::kSend ? transfer_(clause, *peer) : transfer_(*peer, clause);
    peer->link.Unlink();
    peer->wait->EndBy(peer, error);
    return error;
  }

  // A number below `bound` (not 0), each equally likely; the same ones in each run of the program.
  uint32_t Draw(uint32_t bound) {
    random_ =
        random_ * 1664525 + 1013904223;  // Numerical Recipes; the upper bits are the good ones
    return static_cast<uint32_t>(uint64_t{random_} * bound >> 32);
  }

 private:
  friend class ChannelWait;
  using Queue = IntrusiveList<ChannelClause, &ChannelClause::link>;

  static ChannelOp Other(ChannelOp op) {
    return op == ChannelOp::kSend ? ChannelOp::kReceive : ChannelOp::kSend;
  }

  Queue& queue(ChannelOp op) { return op == ChannelOp::kSend ? senders_ : receivers_; }

  // The first one whose wait has not ended; drops those before it.
  ChannelClause* FirstWaiting(ChannelOp op) {
    Queue& waiting = queue(op);
    ChannelClause* first = waiting.Front();
    while (first != nullptr && !first->wait->live()) {
      first->link.Unlink();
      first = waiting.Front();
    }
    return first;
  }

  void EndAll(ChannelOp op);

  Runtime* const runtime_;
  const Transfer transfer_;
  Queue senders_;
  Queue receivers_;
  uint32_t random_ = 0;
  bool done_ = false;
};

inline void ChannelWait::Add(ChannelClause* clause) {
  clause->wait = this;
  clause->channel->queue(clause->op).PushBack(clause);
}

// Waits for one clause that Try() could not perform: what ChannelWait::Wait() says.
int WaitForClause(ChannelClause* clause, Deadline deadline);

// Performs one clause, waiting if it has to, as a whole call: 0, EPIPE, ETIMEDOUT, ECANCELED, or
// what Transfer said.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline int PerformClause(ChannelClause* clause, Deadline deadline) {
  Runtime* const runtime = clause->channel->runtime();
  int error = runtime->CheckCancelled();
  if (error != 0) return error;
  error = clause->channel->Try(*clause);
  if (error == EAGAIN) {
    error = WaitForClause(clause, deadline);
    if (error != ETIMEDOUT) return error;
  }
  runtime->CountQuickOperation();
  return error;
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_CHANNEL_CORE_H_
