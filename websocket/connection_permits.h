#ifndef HALFPIPE_WEBSOCKET_CONNECTION_PERMITS_H_
#define HALFPIPE_WEBSOCKET_CONNECTION_PERMITS_H_

#include <cstddef>
#include <deque>
#include <mutex>

#include "absl/functional/any_invocable.h"

namespace halfpipe::websocket {

// Permits for connections that the threads of a server have in common: whoever wants to accept one
// takes a permit first, and when there is none is told of one that was given back. From any thread.
class ConnectionPermits {
 public:
  explicit ConnectionPermits(size_t count) : free_(count) {}
  ConnectionPermits(const ConnectionPermits&) = delete;
  ConnectionPermits& operator=(const ConnectionPermits&) = delete;

  // Takes one, and true; else keeps `when_free`, which is called once, by whichever thread gives a
  // permit back, after those that wait already. It does not have the permit then: it may try again.
  bool TryTake(absl::AnyInvocable<void()> when_free);

  void GiveBack();

  size_t free() const;

 private:
  mutable std::mutex mutex_;
  size_t free_;
  std::deque<absl::AnyInvocable<void()>> waiting_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CONNECTION_PERMITS_H_
