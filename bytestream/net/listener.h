#ifndef HALFPIPE_BYTESTREAM_NET_LISTENER_H_
#define HALFPIPE_BYTESTREAM_NET_LISTENER_H_

#include <optional>

#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// A listening socket, TCP or Unix, from which connections are accepted one by one.
//
// Lifetime: no Accept() may be running when the object is destroyed; Abort() first, then let the
// caller come out.
//
// Example:
//   IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, 0);
//   absl::StatusOr<int> fd = TcpListenFd(&address, TcpListenOptions());
//   if (!fd.ok()) return fd.status();
//   Listener listener(&runtime, *fd);
//   absl::StatusOr<int> connection = listener.Accept(Deadline::Never());
class Listener {
 public:
  // Takes over `fd`, which is non-blocking. `runtime` is borrowed and outlives the object.
  Listener(Runtime* runtime, int fd);
  // As Abort(). Not final: an object in storage of the caller's may be derived from it.
  virtual ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Waits for a connection and returns its socket, non-blocking and close-on-exec, which the caller
  // owns. `peer` (may be null) gets its address, nothing for a Unix socket. Connections that failed
  // before they were accepted are passed over.
  //
  // Errors:
  //   ETIMEDOUT, ECANCELED   no connection was taken, none is lost; call again
  //   EBUSY                  another coroutine is in Accept()
  //   EBADF                  Abort() was called, before or during the call
  //   EMFILE, ENFILE, ENOMEM, ENOBUFS   the connection stays in the queue; call again after
  //                          descriptors or memory have been freed, not at once
  absl::StatusOr<int> Accept(Deadline deadline, std::optional<IpAddress>* peer = nullptr);

  // Closes the socket. A blocked Accept() and all later ones get EBADF. May be called twice.
  void Abort() noexcept;

  bool busy() const { return busy_; }

  // The socket, still owned by the listener. -1 once it is closed.
  int fd() const { return fd_; }

 private:
  Runtime* const runtime_;
  int fd_;
  EngineFd entry_;
  bool busy_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_LISTENER_H_
