// The functions that stand between our object files and the C library: __wrap_NAME is what a call
// of NAME comes to, __real_NAME what it would have come to (ld(1), --wrap).

#include "bytestream/testing/syscall_faults.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "absl/types/span.h"

namespace halfpipe {
namespace {

thread_local SyscallHook* current_hook = nullptr;

// What the hook says about a call: 0, an errno or kShortTransfer.
int Ask(Syscall call, int fd) {
  SyscallHook* const hook = current_hook;
  if (hook == nullptr) return 0;
  const int answer = hook->OnSyscall(call, fd);
  return answer == kShortTransfer && !CanBeShort(call) ? 0 : answer;
}

template <typename Result>
Result Fail(int error, Result result) {
  errno = error;
  return result;
}

// The call, unless the hook lets it fail.
template <typename Function, typename... Arguments>
auto Pass(Syscall call, int fd, Function* real, Arguments... arguments)
    -> decltype(real(arguments...)) {
  const int answer = Ask(call, fd);
  if (answer > 0) return Fail(answer, static_cast<decltype(real(arguments...))>(-1));
  return real(arguments...);
}

// The same for `size` bytes at `buffer`.
template <typename Function, typename Buffer, typename... Arguments>
ssize_t Transfer(Syscall call, int fd, Function* real, Buffer* buffer, size_t size,
                 Arguments... arguments) {
  const int answer = Ask(call, fd);
  if (answer > 0) return Fail<ssize_t>(answer, -1);
  return real(fd, buffer, answer == kShortTransfer ? std::min<size_t>(size, 1) : size,
              arguments...);
}

// The same for a message: of its pieces the first byte.
template <typename Message>
ssize_t TransferMessage(Syscall call, int fd, ssize_t (*real)(int, Message*, int), Message* message,
                        int flags) {
  const int answer = Ask(call, fd);
  if (answer > 0) return Fail<ssize_t>(answer, -1);
  if (answer != kShortTransfer) return real(fd, message, flags);
  msghdr one = *message;
  iovec piece = {};
  for (size_t i = 0; i < one.msg_iovlen && piece.iov_len == 0; ++i) {
    piece = {one.msg_iov[i].iov_base, std::min<size_t>(one.msg_iov[i].iov_len, 1)};
  }
  one.msg_iov = &piece;
  one.msg_iovlen = 1;
  const ssize_t result = real(fd, &one, flags);
  if constexpr (!std::is_const_v<Message>) {
    message->msg_namelen = one.msg_namelen;
    // A receive from a stream that leaves room free has taken all there is, unless control data
    // stopped it: which is what a system would say of this one.
    const bool stopped = result > 0 && message->msg_controllen == 0;
    message->msg_controllen = one.msg_controllen;
    message->msg_flags = one.msg_flags | (stopped ? MSG_CTRUNC : 0);
  }
  return result;
}

}  // namespace

SyscallHook* SetSyscallHook(SyscallHook* hook) { return std::exchange(current_hook, hook); }

int SyscallTrace::OnSyscall(Syscall call, int) {
  if (set_.Contains(call)) calls_.push_back(call);
  return 0;
}

size_t SyscallTrace::Count(Syscall call) const {
  return static_cast<size_t>(std::count(calls_.begin(), calls_.end(), call));
}

int SyscallFault::OnSyscall(Syscall call, int) {
  if (!armed_ || !set_.Contains(call)) return 0;
  if (left_ < 0) {
    if (!goes_on_ || call != call_ || error_ == 0) return 0;
    ++count_;
    return error_;
  }
  if (left_-- > 0) return 0;
  call_ = call;
  const absl::Span<const int> errors = SyscallErrors(call);
  error_ = fixed_ != 0 ? fixed_ : which_ < errors.size() ? errors[which_] : 0;
  if (error_ != 0) ++count_;
  return error_;
}

int ShortTransfers::OnSyscall(Syscall call, int) {
  if (!CanBeShort(call)) return 0;
  ++count_;
  return kShortTransfer;
}

int InterruptedCalls::OnSyscall(Syscall call, int) {
  if (!CanBeInterrupted(call)) return 0;
  interrupted_ ^= uint64_t{1} << static_cast<int>(call);
  if ((interrupted_ >> static_cast<int>(call) & 1) == 0) return 0;
  ++count_;
  return EINTR;
}

}  // namespace halfpipe

using halfpipe::Ask;
using halfpipe::current_hook;
using halfpipe::Fail;
using halfpipe::Pass;
using halfpipe::Syscall;
using halfpipe::SyscallHook;
using halfpipe::Transfer;
using halfpipe::TransferMessage;

extern "C" {

#define HALFPIPE_REAL(type, name, ...) \
  type __real_##name(__VA_ARGS__);     \
  type __wrap_##name(__VA_ARGS__)

HALFPIPE_REAL(int, socket, int domain, int type, int protocol) {
  return Pass(Syscall::kSocket, -1, __real_socket, domain, type, protocol);
}
HALFPIPE_REAL(int, socketpair, int domain, int type, int protocol, int fds[2]) {
  return Pass(Syscall::kSocketpair, -1, __real_socketpair, domain, type, protocol, fds);
}
HALFPIPE_REAL(int, connect, int fd, const sockaddr* address, socklen_t size) {
  const int answer = Ask(Syscall::kConnect, fd);
  if (answer == EINTR || answer == EINPROGRESS) {
    // Goes on in the background; so it does for a socket that connects at once.
    const int result = __real_connect(fd, address, size);
    return result == 0 || errno == EINPROGRESS ? Fail(answer, -1) : result;
  }
  return answer > 0 ? Fail(answer, -1) : __real_connect(fd, address, size);
}
HALFPIPE_REAL(int, bind, int fd, const sockaddr* address, socklen_t size) {
  return Pass(Syscall::kBind, fd, __real_bind, fd, address, size);
}
HALFPIPE_REAL(int, listen, int fd, int backlog) {
  return Pass(Syscall::kListen, fd, __real_listen, fd, backlog);
}
HALFPIPE_REAL(int, accept4, int fd, sockaddr* address, socklen_t* size, int flags) {
  return Pass(Syscall::kAccept4, fd, __real_accept4, fd, address, size, flags);
}
HALFPIPE_REAL(ssize_t, recvmsg, int fd, msghdr* message, int flags) {
  return TransferMessage(Syscall::kRecvmsg, fd, __real_recvmsg, message, flags);
}
HALFPIPE_REAL(ssize_t, sendmsg, int fd, const msghdr* message, int flags) {
  return TransferMessage(Syscall::kSendmsg, fd, __real_sendmsg, message, flags);
}
HALFPIPE_REAL(ssize_t, recv, int fd, void* buffer, size_t size, int flags) {
  return Transfer(Syscall::kRecvfrom, fd, __real_recv, buffer, size, flags);
}
HALFPIPE_REAL(ssize_t, send, int fd, const void* buffer, size_t size, int flags) {
  return Transfer(Syscall::kSendto, fd, __real_send, buffer, size, flags);
}
HALFPIPE_REAL(ssize_t, recvfrom, int fd, void* buffer, size_t size, int flags, sockaddr* address,
              socklen_t* address_size) {
  return Transfer(Syscall::kRecvfrom, fd, __real_recvfrom, buffer, size, flags, address,
                  address_size);
}
HALFPIPE_REAL(ssize_t, sendto, int fd, const void* buffer, size_t size, int flags,
              const sockaddr* address, socklen_t address_size) {
  return Transfer(Syscall::kSendto, fd, __real_sendto, buffer, size, flags, address, address_size);
}
HALFPIPE_REAL(int, setsockopt, int fd, int level, int option, const void* value, socklen_t size) {
  return Pass(Syscall::kSetsockopt, fd, __real_setsockopt, fd, level, option, value, size);
}
HALFPIPE_REAL(int, getsockopt, int fd, int level, int option, void* value, socklen_t* size) {
  return Pass(Syscall::kGetsockopt, fd, __real_getsockopt, fd, level, option, value, size);
}
HALFPIPE_REAL(int, getsockname, int fd, sockaddr* address, socklen_t* size) {
  return Pass(Syscall::kGetsockname, fd, __real_getsockname, fd, address, size);
}
HALFPIPE_REAL(int, getpeername, int fd, sockaddr* address, socklen_t* size) {
  return Pass(Syscall::kGetpeername, fd, __real_getpeername, fd, address, size);
}
HALFPIPE_REAL(int, shutdown, int fd, int how) {
  return Pass(Syscall::kShutdown, fd, __real_shutdown, fd, how);
}
HALFPIPE_REAL(int, close, int fd) {
  const int answer = Ask(Syscall::kClose, fd);
  const int result = __real_close(fd);
  return answer > 0 && result == 0 ? Fail(answer, -1) : result;
}
HALFPIPE_REAL(int, epoll_create1, int flags) {
  return Pass(Syscall::kEpollCreate1, -1, __real_epoll_create1, flags);
}
HALFPIPE_REAL(int, epoll_ctl, int epoll_fd, int operation, int fd, epoll_event* event) {
  // Memory is needed to add alone.
  if (operation != EPOLL_CTL_ADD) {
    if (SyscallHook* const hook = current_hook) hook->OnEpollChange();
    return __real_epoll_ctl(epoll_fd, operation, fd, event);
  }
  return Pass(Syscall::kEpollCtl, fd, __real_epoll_ctl, epoll_fd, operation, fd, event);
}
HALFPIPE_REAL(int, epoll_wait, int epoll_fd, epoll_event* events, int count, int timeout) {
  const int answer = Ask(Syscall::kEpollWait, epoll_fd);
  if (answer > 0) return Fail(answer, -1);
  const int most = answer == halfpipe::kShortTransfer ? std::min(count, 1) : count;
  return __real_epoll_wait(epoll_fd, events, most, timeout);
}
HALFPIPE_REAL(int, eventfd, unsigned int value, int flags) {
  return Pass(Syscall::kEventfd, -1, __real_eventfd, value, flags);
}
HALFPIPE_REAL(int, poll, pollfd* fds, nfds_t count, int timeout) {
  return Pass(Syscall::kPoll, count > 0 ? fds->fd : -1, __real_poll, fds, count, timeout);
}
HALFPIPE_REAL(ssize_t, read, int fd, void* buffer, size_t size) {
  return Transfer(Syscall::kRead, fd, __real_read, buffer, size);
}
HALFPIPE_REAL(ssize_t, write, int fd, const void* buffer, size_t size) {
  return Transfer(Syscall::kWrite, fd, __real_write, buffer, size);
}
HALFPIPE_REAL(void*, mmap, void* address, size_t size, int protection, int flags, int fd,
              off_t offset) {
  const int answer = Ask(Syscall::kMmap, fd);
  if (answer > 0) return Fail(answer, MAP_FAILED);
  return __real_mmap(address, size, protection, flags, fd, offset);
}
HALFPIPE_REAL(int, madvise, void* address, size_t size, int advice) {
  return Pass(Syscall::kMadvise, -1, __real_madvise, address, size, advice);
}
HALFPIPE_REAL(int, mprotect, void* address, size_t size, int protection) {
  return Pass(Syscall::kMprotect, -1, __real_mprotect, address, size, protection);
}

// With a third argument of any type, or none: what is passed along is at least as long.
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const int answer = Ask(Syscall::kFcntl, fd);
  return answer > 0 ? Fail(answer, -1) : __real_fcntl(fd, command, argument);
}
int __real_open(const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = static_cast<mode_t>(va_arg(arguments, unsigned int));
  va_end(arguments);
  const int answer = Ask(Syscall::kOpen, -1);
  return answer > 0 ? Fail(answer, -1) : __real_open(path, flags, mode);
}

#undef HALFPIPE_REAL

}  // extern "C"
