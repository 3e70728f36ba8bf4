#ifndef HALFPIPE_BYTESTREAM_NET_MULTI_LISTENER_H_
#define HALFPIPE_BYTESTREAM_NET_MULTI_LISTENER_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/net/accept_pacer.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// Several listening sockets, TCP or Unix or both, as one: what listener.h says, and one coroutine
// accepts from all of them. Fair: where several have connections they are taken in turn.
//
// Example:
//   IpAddress addresses[] = {IpAddress::Any(IpFamily::kIpv4, 80), IpAddress::Any(IpFamily::kIpv6, 80)};
//   absl::StatusOr<std::vector<int>> fds = TcpListenFds(absl::MakeSpan(addresses), options);
//   if (!fds.ok()) return fds.status();
//   MultiListener listener(&runtime, *fds, ListenerOptions());
//   absl::StatusOr<int> connection = listener.Accept(Deadline::Never());
class MultiListener {
 public:
  // Takes over `fds`, one or more, which are non-blocking. `runtime` is borrowed and outlives the
  // object.
  MultiListener(Runtime* runtime, absl::Span<const int> fds, ListenerOptions options);
  // As Abort(). No Accept() may be running.
  ~MultiListener();
  MultiListener(const MultiListener&) = delete;
  MultiListener& operator=(const MultiListener&) = delete;

  // As Listener::Accept(). `index` (may be null) gets the place in `fds` of the one it came from.
  absl::StatusOr<int> Accept(Deadline deadline, std::optional<IpAddress>* peer = nullptr,
                             size_t* index = nullptr);

  // Closes all sockets. A blocked Accept() and all later ones get EBADF. May be called twice.
  void Abort() noexcept;

  bool busy() const { return busy_; }
  size_t size() const { return size_; }

  // A socket, still owned by the listener. -1 once it is closed.
  int fd(size_t index) const { return entries_[index].fd; }

 private:
  IoResult AcceptOnce(sockaddr_storage* address, socklen_t* address_size, Deadline deadline);
  int AwaitAny(Deadline deadline);
  int WhyNoWait(EngineFd* entry);
  void OnReadable();

  Runtime* const runtime_;
  const ListenerOptions options_;
  const size_t size_;
  const std::unique_ptr<EngineFd[]> entries_;
  size_t next_ = 0;     // whose turn it is
  bool ready_ = false;  // one of them has become readable
  bool busy_ = false;
  bool aborted_ = false;
  WaiterList waiting_;
  AcceptPacer pacer_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_MULTI_LISTENER_H_
