// The C calls for TCP.

#include <cerrno>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/c_call.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_convert.h"
#include "bytestream/sockets_object.h"
#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

int Listen(dill_ipaddr* addr, int backlog, void* memory) {
  if (addr == nullptr || backlog <= 0) return -EINVAL;
  std::optional<IpAddress> address = FromIpaddr(addr);
  if (!address.has_value()) return -EINVAL;
  if (const int error = CheckNewHandle()) return -error;
  TcpListenOptions options;
  options.backlog = backlog;
  const absl::StatusOr<int> fd = TcpListenFd(&*address, options);
  if (!fd.ok()) return -StatusErrno(fd.status());
  const int number = MakeListenerHandleOrClose(&kTcpFamily, *fd, memory);
  if (number >= 0) ToIpaddr(*address, addr);
  return number;
}

int Accept(int s, dill_ipaddr* addr, void* memory, int64_t deadline) {
  std::optional<IpAddress> peer;
  const int number = AcceptHandle(&kTcpFamily, s, &peer, memory, deadline);
  if (number >= 0 && addr != nullptr && peer.has_value()) ToIpaddr(*peer, addr);
  return number;
}

int Connect(const dill_ipaddr* addr, void* memory, int64_t deadline) {
  if (addr == nullptr) return -EINVAL;
  const std::optional<IpAddress> address = FromIpaddr(addr);
  if (!address.has_value()) return -EINVAL;
  if (const int error = CheckNewHandle()) return -error;
  const absl::StatusOr<int> fd =
      TcpConnectFd(&Runtime::Current(), *address, Deadline::FromMillis(deadline));
  if (!fd.ok()) return -StatusErrno(fd.status());
  return MakeStreamHandleOrClose(&kTcpFamily, *fd, memory);
}

int FromFd(int fd, void* memory) {
  if (const int error = CheckNewHandle()) return -error;
  const absl::Status adopted = TcpAdoptFd(fd);
  if (!adopted.ok()) return -StatusErrno(adopted);
  return MakeStreamHandle(&kTcpFamily, fd, memory);
}

int ListenerFromFd(int fd, void* memory) {
  if (const int error = CheckNewHandle()) return -error;
  const absl::Status adopted = TcpAdoptListenerFd(fd);
  if (!adopted.ok()) return -StatusErrno(adopted);
  return MakeListenerHandle(&kTcpFamily, fd, memory);
}

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCall;
using halfpipe::EndCallWithResult;
using halfpipe::FailCall;

int dill_tcp_listen(struct dill_ipaddr* addr, int backlog) {
  return EndCallWithResult(halfpipe::Listen(addr, backlog, nullptr));
}

int dill_tcp_listen_mem(struct dill_ipaddr* addr, int backlog,
                        struct dill_tcp_listener_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Listen(addr, backlog, mem));
}

int dill_tcp_accept(int s, struct dill_ipaddr* addr, int64_t deadline) {
  return EndCallWithResult(halfpipe::Accept(s, addr, nullptr, deadline));
}

int dill_tcp_accept_mem(int s, struct dill_ipaddr* addr, struct dill_tcp_storage* mem,
                        int64_t deadline) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Accept(s, addr, mem, deadline));
}

int dill_tcp_connect(const struct dill_ipaddr* addr, int64_t deadline) {
  return EndCallWithResult(halfpipe::Connect(addr, nullptr, deadline));
}

int dill_tcp_connect_mem(const struct dill_ipaddr* addr, struct dill_tcp_storage* mem,
                         int64_t deadline) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Connect(addr, mem, deadline));
}

int dill_tcp_done(int s, int64_t deadline) {
  return EndCall(halfpipe::DoneHandle(&halfpipe::kTcpFamily, s, deadline));
}

int dill_tcp_close(int s, int64_t deadline) {
  return EndCall(halfpipe::CloseSocketHandle(&halfpipe::kTcpFamily, s, deadline));
}

int dill_tcp_listener_fromfd(int fd) {
  return EndCallWithResult(halfpipe::ListenerFromFd(fd, nullptr));
}

int dill_tcp_listener_fromfd_mem(int fd, struct dill_tcp_listener_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::ListenerFromFd(fd, mem));
}

int dill_tcp_fromfd(int fd) { return EndCallWithResult(halfpipe::FromFd(fd, nullptr)); }

int dill_tcp_fromfd_mem(int fd, struct dill_tcp_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::FromFd(fd, mem));
}
