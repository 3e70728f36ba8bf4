#ifndef HALFPIPE_BYTESTREAM_NET_LISTENER_H_
#define HALFPIPE_BYTESTREAM_NET_LISTENER_H_

#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/accept_pacer.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/stream_info.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {

struct ListenerOptions {
  // What Accept() does while there is no descriptor or memory for a connection (EMFILE, ENFILE,
  // ENOMEM, ENOBUFS).
  //   false  fails at once; if the next call comes soon it pauses first, so that a loop that accepts
  //          and ignores errors does not turn without rest
  //   true   waits, with an attempt now and then, and fails only when its deadline has passed
  bool wait_for_resources = false;
};

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
class Listener : public StreamInfoSource {
 public:
  // Takes over `fd`, which is non-blocking. `runtime` is borrowed and outlives the object.
  Listener(Runtime* runtime, int fd, ListenerOptions options);
  Listener(Runtime* runtime, int fd) : Listener(runtime, fd, ListenerOptions()) {}
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
  //   EMFILE, ENFILE, ENOMEM, ENOBUFS   the connection stays in the queue; call again. Pauses
  //                          between attempts are AcceptPacer::kPauseNanosMin at first and grow to
  //                          kPauseNanosMax while this goes on; a deadline of 0 is not paused for
  absl::StatusOr<int> Accept(Deadline deadline, std::optional<IpAddress>* peer = nullptr);

  // Closes the socket. A blocked Accept() and all later ones get EBADF. May be called twice.
  void Abort() noexcept;

  void Describe(StreamInfo* info) const override { DescribeSocket(fd_, info); }
  bool busy() const { return busy_; }

  // The socket, still owned by the listener. -1 once it is closed.
  int fd() const { return fd_; }

 private:
  Runtime* const runtime_;
  const ListenerOptions options_;
  int fd_;
  EngineFd entry_;
  bool busy_ = false;
  AcceptPacer pacer_;
};

// The rules of ListenerOptions round accept_once(), which makes an attempt.
IoResult PacedAccept(AcceptPacer* pacer, const ListenerOptions& options, Deadline deadline,
                     absl::FunctionRef<IoResult()> accept_once);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_LISTENER_H_
