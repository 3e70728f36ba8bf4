#ifndef HALFPIPE_BYTESTREAM_RUNTIME_ENGINE_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_ENGINE_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

class Runtime;

// What an I/O operation came to: `error` is 0 and `count` the bytes (or the new descriptor), or
// `error` is an errno value.
struct IoResult {
  size_t count = 0;
  int error = 0;
};

// A descriptor as an engine knows it. A stream or listener has one as a member; the engine keeps
// the address, so it does not move between Attach() and Detach().
struct EngineFd {
  int fd = -1;
  uint32_t interest = 0;  // what the system is to report, 0: not registered; for the engine only
  bool detached = false;  // Detach() was called: every operation gives EBADF

  // Set by the owner, for a stream socket: a receive that leaves room free has taken all there was.
  bool byte_stream = false;
  // The last Receive() or Accept() took all there was, and nothing has been heard of more since.
  // It may have come nevertheless, so only who waits if it is not there may go by this.
  bool drained = false;
  // A receive may stop in front of what is there: urgent data, an end or an error has been seen.
  // For the engine only.
  bool receives_stop_short = false;

  // The coroutine that waits for each direction; at most one.
  WaiterList readers;
  WaiterList writers;

  // One-shot callbacks; empty unless armed.
  absl::AnyInvocable<void()> on_readable;
  absl::AnyInvocable<void()> on_writable;
};

// The gate to the system's I/O. Completion-shaped: a caller asks for an operation and gets its
// result, and readiness is the engine's own affair, so that an epoll and an io_uring engine serve
// the same callers.
//
// Contract of every operation that takes a Deadline:
// * It is done without suspending if it can finish at once, whatever the deadline.
// * It suspends only the calling coroutine. EINTR is never seen.
// * When it returns, the engine no longer touches the caller's memory. Bytes that landed count: a
//   completed operation beats a timeout or cancellation that happens at the same time.
// * errors: what the system said, but ECONNRESET for its own timeout of a dead peer; ETIMEDOUT,
//   ECANCELED (nothing transferred); EBADF after Detach().
class Engine {
 public:
  virtual ~Engine() = default;

  // The name to print: "epoll".
  virtual const char* name() const = 0;

  // Takes up `fd` (non-blocking, still owned by the caller), detaches it again. Detach() wakes
  // whoever waits with EBADF and drops the callbacks; it does not close.
  virtual void Attach(EngineFd* entry, int fd) = 0;
  virtual void Detach(EngineFd* entry) = 0;

  // One recvmsg(2) on a socket into the pieces (those beyond IOV_MAX are left out); count 0 is the
  // end of the stream. For a socket that may carry descriptors pass `message`, whose control buffer
  // is used and updated; its iovec is ignored. Flags of recvmsg that matter are set by the engine
  // (close-on-exec).
  virtual IoResult Receive(EngineFd* entry, absl::Span<const iovec> pieces, msghdr* message,
                           Deadline deadline) = 0;

  // One sendmsg(2), which may take fewer bytes than offered. Never raises SIGPIPE. `message` as
  // above.
  virtual IoResult Send(EngineFd* entry, absl::Span<const iovec> pieces, msghdr* message, bool more,
                        Deadline deadline) = 0;

  // Accepts one connection; count is the descriptor, non-blocking and close-on-exec. `address` (may
  // be null) gets the peer's.
  virtual IoResult Accept(EngineFd* entry, sockaddr_storage* address, socklen_t* address_size,
                          Deadline deadline) = 0;

  // Connects the socket of `entry`; ETIMEDOUT and ECANCELED leave it half open, to be closed.
  virtual int Connect(EngineFd* entry, const sockaddr* address, socklen_t address_size,
                      Deadline deadline) = 0;

  // Waits until the entry can be read (written) without blocking, or has failed. 0 or an errno.
  virtual int WaitReadable(EngineFd* entry, Deadline deadline) = 0;
  virtual int WaitWritable(EngineFd* entry, Deadline deadline) = 0;

  // As WaitReadable(), for a caller whose Receive() has found nothing and who has not waited since,
  // or whose entry is `drained`: saves looking again. May return 0 early; the caller receives again
  // whatever comes out.
  virtual int AwaitInput(EngineFd* entry, Deadline deadline) {
    return WaitReadable(entry, deadline);
  }

  // Arms the one-shot callback for when the entry is readable (writable) or has failed; if it is so
  // already, the next Poll() finds that out. Runs inside Poll(), in a NoWaitScope, and may detach
  // or destroy any entry. (Where the descriptor cannot be registered it runs at once, for the
  // operation will say why.) An empty one disarms.
  virtual void OnReadable(EngineFd* entry, absl::AnyInvocable<void()> callback) = 0;
  virtual void OnWritable(EngineFd* entry, absl::AnyInvocable<void()> callback) = 0;

  // Waits for a descriptor that is not attached, whoever owns it, as fdin(3) and fdout(3) do. It is
  // forgotten when the wait is over. EBADF: no such descriptor. EBUSY: another coroutine waits for
  // the same direction, or the descriptor is attached. A regular file is always ready.
  virtual int WaitForeignFd(int fd, bool writable, Deadline deadline) = 0;

  // Whoever waits for `fd` in WaitForeignFd() gets EBADF: it is about to be closed.
  virtual void ForgetForeignFd(int fd) = 0;

  // Takes events from the system and wakes the coroutines concerned, waiting for the first one at
  // most until `until`. Called by the scheduler alone.
  virtual void Poll(Deadline until) = 0;

  // Makes a Poll() that is waiting, or the next one, return. May be called from any thread.
  virtual void Wakeup() noexcept = 0;
};

// The engine for this machine, for coroutines of `runtime` (borrowed). HALFPIPE_ENGINE=epoll in the
// environment forces one; a name that is not known ends the process with a message. Takes no
// descriptor yet: that happens at the first wait, which fails with the system's errno if there is
// none.
std::unique_ptr<Engine> MakeEngine(Runtime* runtime);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_ENGINE_H_
