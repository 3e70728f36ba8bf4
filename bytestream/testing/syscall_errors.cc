#include "bytestream/testing/syscall_errors.h"

#include <cerrno>

namespace halfpipe {
namespace {

constexpr int kSocketErrors[] = {EACCES,  EAFNOSUPPORT, EMFILE,          ENFILE,
                                 ENOBUFS, ENOMEM,       EPROTONOSUPPORT, EINVAL};
constexpr int kSocketpairErrors[] = {EAFNOSUPPORT, EMFILE,          ENFILE,    ENOBUFS,
                                     ENOMEM,       EPROTONOSUPPORT, EOPNOTSUPP};
constexpr int kConnectErrors[] = {
    EACCES,     EPERM,       EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EINPROGRESS,
    EINTR,      ENETUNREACH, EPROTOTYPE, ETIMEDOUT,     EHOSTUNREACH, ENETDOWN,     ENOBUFS,
    ECONNRESET, ENOENT,      ENOTDIR,    ELOOP,         ENAMETOOLONG, ENOMEM,       EIO};
constexpr int kBindErrors[] = {EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, ELOOP, ENAMETOOLONG,
                               ENOENT, ENOMEM,     ENOTDIR,       EROFS,  EPERM, ENOSPC};
constexpr int kListenErrors[] = {EADDRINUSE, EOPNOTSUPP};
constexpr int kAccept4Errors[] = {ECONNABORTED, EINTR,    EMFILE,       ENFILE,     ENOBUFS,
                                  ENOMEM,       EPERM,    EPROTO,       ENETDOWN,   ENOPROTOOPT,
                                  EHOSTDOWN,    ENONET,   EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
                                  ENOSR,        ETIMEDOUT};
constexpr int kReceiveErrors[] = {EINTR,     ECONNREFUSED, ENOMEM,      ENOTCONN, ECONNRESET,
                                  ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EPIPE,    ENETDOWN,
                                  ENOBUFS,   EIO,          ECONNABORTED};
constexpr int kSendErrors[] = {EINTR,   EACCES,    EALREADY,     ECONNRESET,  EMSGSIZE,
                               ENOBUFS, ENOMEM,    ENOTCONN,     EPIPE,       EDESTADDRREQ,
                               EISCONN, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN,
                               EPERM,   EIO,       ECONNABORTED};
constexpr int kSetsockoptErrors[] = {ENOPROTOOPT, ENOMEM, ENOBUFS, EPERM, EACCES, EINVAL};
constexpr int kGetsockoptErrors[] = {ENOPROTOOPT, ENOBUFS};
constexpr int kGetsocknameErrors[] = {ENOBUFS};
constexpr int kGetpeernameErrors[] = {ENOBUFS, ENOTCONN};
constexpr int kShutdownErrors[] = {ENOTCONN};
constexpr int kFcntlErrors[] = {EACCES, EPERM, ENOMEM};
constexpr int kCloseErrors[] = {EINTR, EIO, ENOSPC, EDQUOT};
constexpr int kEpollCreate1Errors[] = {EMFILE, ENFILE, ENOMEM};
constexpr int kEpollCtlErrors[] = {ENOMEM, ENOSPC};
constexpr int kEpollWaitErrors[] = {EINTR};
constexpr int kEventfdErrors[] = {EMFILE, ENFILE, ENODEV, ENOMEM};
constexpr int kPollErrors[] = {EINTR, ENOMEM};
constexpr int kReadErrors[] = {EINTR, EIO, EISDIR};
constexpr int kWriteErrors[] = {EINTR, EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EPIPE};
constexpr int kOpenErrors[] = {EACCES, EINTR,  ELOOP,   EMFILE, ENAMETOOLONG, ENFILE, ENODEV,
                               ENOENT, ENOMEM, ENOTDIR, ENXIO,  EOVERFLOW,    EPERM};
constexpr int kMmapErrors[] = {ENOMEM, EAGAIN, ENFILE};
constexpr int kMadviseErrors[] = {EAGAIN, EINVAL, ENOMEM, EIO};
constexpr int kMprotectErrors[] = {EACCES, ENOMEM};

}  // namespace

absl::Span<const int> SyscallErrors(Syscall call) {
  switch (call) {
    case Syscall::kSocket:
      return kSocketErrors;
    case Syscall::kSocketpair:
      return kSocketpairErrors;
    case Syscall::kConnect:
      return kConnectErrors;
    case Syscall::kBind:
      return kBindErrors;
    case Syscall::kListen:
      return kListenErrors;
    case Syscall::kAccept4:
      return kAccept4Errors;
    case Syscall::kRecvmsg:
    case Syscall::kRecvfrom:
      return kReceiveErrors;
    case Syscall::kSendmsg:
    case Syscall::kSendto:
      return kSendErrors;
    case Syscall::kSetsockopt:
      return kSetsockoptErrors;
    case Syscall::kGetsockopt:
      return kGetsockoptErrors;
    case Syscall::kGetsockname:
      return kGetsocknameErrors;
    case Syscall::kGetpeername:
      return kGetpeernameErrors;
    case Syscall::kShutdown:
      return kShutdownErrors;
    case Syscall::kFcntl:
      return kFcntlErrors;
    case Syscall::kClose:
      return kCloseErrors;
    case Syscall::kEpollCreate1:
      return kEpollCreate1Errors;
    case Syscall::kEpollCtl:
      return kEpollCtlErrors;
    case Syscall::kEpollWait:
      return kEpollWaitErrors;
    case Syscall::kEventfd:
      return kEventfdErrors;
    case Syscall::kPoll:
      return kPollErrors;
    case Syscall::kRead:
      return kReadErrors;
    case Syscall::kWrite:
      return kWriteErrors;
    case Syscall::kOpen:
      return kOpenErrors;
    case Syscall::kMmap:
      return kMmapErrors;
    case Syscall::kMadvise:
      return kMadviseErrors;
    case Syscall::kMprotect:
      return kMprotectErrors;
  }
  return {};
}

const char* SyscallName(Syscall call) {
  static constexpr const char* kNames[] = {
      "socket",      "socketpair",  "connect",  "bind",    "listen",     "accept4",
      "recvmsg",     "sendmsg",     "recvfrom", "sendto",  "setsockopt", "getsockopt",
      "getsockname", "getpeername", "shutdown", "fcntl",   "close",      "epoll_create1",
      "epoll_ctl",   "epoll_wait",  "eventfd",  "poll",    "read",       "write",
      "open",        "mmap",        "madvise",  "mprotect"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == kSyscallCount);
  return kNames[static_cast<int>(call)];
}

int ErrorOfStreamCall(Syscall call, int error) {
  switch (call) {
    case Syscall::kRecvmsg:
    case Syscall::kSendmsg:
      return error;
    case Syscall::kMmap:
      return ENOMEM;
    case Syscall::kEpollCreate1:
    case Syscall::kEpollCtl:
    case Syscall::kEventfd:
      return error == ENODEV ? ENOMEM : error;
    default:
      return 0;
  }
}

bool CanBeInterrupted(Syscall call) {
  for (const int error : SyscallErrors(call)) {
    if (error == EINTR) return true;
  }
  return false;
}

bool CanBeShort(Syscall call) {
  switch (call) {
    case Syscall::kRecvmsg:
    case Syscall::kSendmsg:
    case Syscall::kRecvfrom:
    case Syscall::kSendto:
    case Syscall::kRead:
    case Syscall::kWrite:
    case Syscall::kEpollWait:
      return true;
    default:
      return false;
  }
}

}  // namespace halfpipe
