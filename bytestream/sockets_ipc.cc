// The C calls for Unix sockets.

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_object.h"
#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

int Listen(const char* addr, int backlog, void* memory) {
  if (addr == nullptr || backlog <= 0) return -EINVAL;
  if (const int error = CheckNewHandle()) return -error;
  const absl::StatusOr<int> fd = UnixListenFd(addr, backlog);
  if (!fd.ok()) return -StatusErrno(fd.status());
  const int number = MakeListenerHandleOrClose(&kIpcFamily, *fd, memory);
  // The file is ours, and would keep the next one out.
  if (number < 0) unlink(addr);
  return number;
}

int Accept(int s, void* memory, int64_t deadline) {
  return AcceptHandle(&kIpcFamily, s, /*peer=*/nullptr, memory, deadline);
}

int Connect(const char* addr, void* memory, int64_t deadline) {
  if (addr == nullptr) return -EINVAL;
  if (const int error = CheckNewHandle()) return -error;
  const absl::StatusOr<int> fd =
      UnixConnectFd(&Runtime::Current(), addr, Deadline::FromMillis(deadline));
  if (!fd.ok()) return -StatusErrno(fd.status());
  return MakeStreamHandleOrClose(&kIpcFamily, *fd, memory);
}

// 0 or an errno.
int MakePair(void* first_memory, void* second_memory, int s[2]) {
  if (s == nullptr) return EINVAL;
  if (const int error = CheckNewHandle()) return error;
  const absl::StatusOr<std::array<int, 2>> fds = UnixPairFds();
  if (!fds.ok()) return StatusErrno(fds.status());
  const int first = MakeStreamHandleOrClose(&kIpcFamily, (*fds)[0], first_memory);
  if (first < 0) {
    close((*fds)[1]);
    return -first;
  }
  const int second = MakeStreamHandleOrClose(&kIpcFamily, (*fds)[1], second_memory);
  if (second < 0) {
    static_cast<void>(HandleTable::Current().Close(first));
    return -second;
  }
  s[0] = first;
  s[1] = second;
  return 0;
}

int FromFd(int fd, void* memory) {
  if (const int error = CheckNewHandle()) return -error;
  const absl::Status adopted = UnixAdoptFd(fd);
  if (!adopted.ok()) return -StatusErrno(adopted);
  return MakeStreamHandle(&kIpcFamily, fd, memory);
}

int ListenerFromFd(int fd, void* memory) {
  if (const int error = CheckNewHandle()) return -error;
  const absl::Status adopted = UnixAdoptListenerFd(fd);
  if (!adopted.ok()) return -StatusErrno(adopted);
  return MakeListenerHandle(&kIpcFamily, fd, memory);
}

}  // namespace
}  // namespace halfpipe

using halfpipe::EndCall;
using halfpipe::EndCallWithResult;
using halfpipe::FailCall;

int dill_ipc_listen(const char* addr, int backlog) {
  return EndCallWithResult(halfpipe::Listen(addr, backlog, nullptr));
}

int dill_ipc_listen_mem(const char* addr, int backlog, struct dill_ipc_listener_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Listen(addr, backlog, mem));
}

int dill_ipc_accept(int s, int64_t deadline) {
  return EndCallWithResult(halfpipe::Accept(s, nullptr, deadline));
}

int dill_ipc_accept_mem(int s, struct dill_ipc_storage* mem, int64_t deadline) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Accept(s, mem, deadline));
}

int dill_ipc_connect(const char* addr, int64_t deadline) {
  return EndCallWithResult(halfpipe::Connect(addr, nullptr, deadline));
}

int dill_ipc_connect_mem(const char* addr, struct dill_ipc_storage* mem, int64_t deadline) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::Connect(addr, mem, deadline));
}

int dill_ipc_pair(int s[2]) { return EndCall(halfpipe::MakePair(nullptr, nullptr, s)); }

int dill_ipc_pair_mem(struct dill_ipc_pair_storage* mem, int s[2]) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCall(halfpipe::MakePair(mem->opaque, mem->opaque + sizeof(dill_ipc_storage), s));
}

int dill_ipc_done(int s, int64_t deadline) {
  return EndCall(halfpipe::DoneHandle(&halfpipe::kIpcFamily, s, deadline));
}

int dill_ipc_close(int s, int64_t deadline) {
  return EndCall(halfpipe::CloseSocketHandle(&halfpipe::kIpcFamily, s, deadline));
}

int dill_ipc_listener_fromfd(int fd) {
  return EndCallWithResult(halfpipe::ListenerFromFd(fd, nullptr));
}

int dill_ipc_listener_fromfd_mem(int fd, struct dill_ipc_listener_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::ListenerFromFd(fd, mem));
}

int dill_ipc_fromfd(int fd) { return EndCallWithResult(halfpipe::FromFd(fd, nullptr)); }

int dill_ipc_fromfd_mem(int fd, struct dill_ipc_storage* mem) {
  if (mem == nullptr) return FailCall(EINVAL);
  return EndCallWithResult(halfpipe::FromFd(fd, mem));
}
