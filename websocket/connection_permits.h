#ifndef HALFPIPE_WEBSOCKET_CONNECTION_PERMITS_H_
#define HALFPIPE_WEBSOCKET_CONNECTION_PERMITS_H_

#include <cstddef>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace halfpipe::websocket {

// Permits for connections that the threads of a server have in common: whoever wants to accept one
// takes a permit first, and when there is none is told of one that was given back. From any thread.
class ConnectionPermits {
 public:
  explicit ConnectionPermits(size_t count) : free_(count) {}
  ConnectionPermits(const ConnectionPermits&) = delete;
  ConnectionPermits& operator=(const ConnectionPermits&) = delete;

  // Takes one, and true; else keeps `when_free`, unless it is empty. Whichever thread gives a permit
  // back next calls all that are kept, once each; they may use this object. They do not have the
  // permit then: they may try again, and some find it gone.
  bool TryTake(absl::AnyInvocable<void()> when_free);

  void GiveBack();

 private:
  std::mutex mutex_;
  size_t free_;
  std::vector<absl::AnyInvocable<void()>> waiting_;
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_CONNECTION_PERMITS_H_
