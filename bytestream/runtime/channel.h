#ifndef HALFPIPE_BYTESTREAM_RUNTIME_CHANNEL_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_CHANNEL_H_

#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/channel_core.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// One operation that Select() may perform; made by Channel<T>::SendClause() and ReceiveClause().
// May be copied, and used again and again.
using SelectClause = ChannelClause;

// Hands values of type T from coroutine to coroutine, without a buffer: a sender waits for a
// receiver, a receiver for a sender. T has to be movable. Any number of coroutines may send and
// receive; on either side the one that has waited longest comes first.
//
// Belongs to the thread of its runtime (borrowed, outlives it). Destroying a channel is Done().
//
// Example:
//   Channel<std::string> lines(&runtime);
//   bundle.Go([&] {
//     while (lines.Send(ReadLine(), Deadline::Never()).ok()) {
//     }
//   });
//   absl::StatusOr<std::optional<std::string>> line = lines.Receive(Deadline::In(absl::Seconds(1)));
//   if (line.ok() && line->has_value()) Print(**line);
//   lines.Done();
template <typename T>
class Channel {
 public:
  explicit Channel(Runtime* runtime) : core_(runtime, &Move) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Waits until a receiver has taken the value. Only then is `value` moved from: after an error it
  // is as it was.
  //   EPIPE      Done() was called
  //   ETIMEDOUT, ECANCELED  nothing was sent
  [[nodiscard]] absl::Status Send(T&& value, Deadline deadline) {
    SelectClause clause = SendClause(&value);
    const int error = PerformClause(&clause, deadline);
    if (error == 0) return absl::OkStatus();
    return ErrnoStatus(error, "the value was not sent to the channel");
  }
  [[nodiscard]] absl::Status Send(const T& value, Deadline deadline) {
    return Send(T(value), deadline);
  }

  // Waits for a value; nothing once Done() was called. ETIMEDOUT, ECANCELED: nothing was received.
  [[nodiscard]] absl::StatusOr<std::optional<T>> Receive(Deadline deadline) {
    std::optional<T> value;
    SelectClause clause = ReceiveClause(&value);
    const int error = PerformClause(&clause, deadline);
    if (error != 0 && error != EPIPE) {
      return ErrnoStatus(error, "no value was received from the channel");
    }
    return value;
  }

  // The same for Select(). *value is borrowed as long as the clause is used. That of a send clause
  // is moved from, that of a receive clause replaced, when the clause has been performed.
  [[nodiscard]] SelectClause SendClause(T* value) {
    return SelectClause(&core_, ChannelOp::kSend, value);
  }
  [[nodiscard]] SelectClause ReceiveClause(std::optional<T>* value) {
    return SelectClause(&core_, ChannelOp::kReceive, value);
  }

  // No value comes through any more. Senders that wait get EPIPE, receivers nothing; so does
  // whoever comes later. Never waits. Calling it again is fine.
  void Done() { core_.Done(); }
  bool done() const { return core_.done(); }

 private:
  static int Move(const ChannelClause& sender, const ChannelClause& receiver) {
    static_cast<std::optional<T>*>(receiver.value)
        ->emplace(std::move(*static_cast<T*>(sender.value)));
    return 0;
  }

  ChannelCore core_;
};

// What Select() did.
struct Selected {
  size_t index;  // of the clause
  // The clause's channel is done: no value went through it, nor will one; *value is as it was.
  bool done;
};

// Performs one of the clauses: the first that can be. Where several can be at once, each is as
// likely as the others, so that none is starved; the sequence of these draws is the same in each
// run. A clause whose channel is done can be performed at once, by telling so.
//
// Any number of clauses, of channels of any types, sending and receiving, one channel several times
// too; they belong to `runtime`. Without clauses it waits for the deadline. Deadline::Immediately()
// makes it a look with a default. Allocates nothing.
//   ETIMEDOUT, ECANCELED  no clause was performed
//
// Example:
//   std::optional<int> number;
//   std::string text = "tick";
//   SelectClause clauses[] = {numbers.ReceiveClause(&number), texts.SendClause(&text)};
//   absl::StatusOr<Selected> selected =
//       Select(&runtime, absl::MakeSpan(clauses), Deadline::In(absl::Seconds(1)));
[[nodiscard]] absl::StatusOr<Selected> Select(Runtime* runtime, absl::Span<SelectClause> clauses,
                                              Deadline deadline);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_CHANNEL_H_
