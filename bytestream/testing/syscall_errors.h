#ifndef HALFPIPE_BYTESTREAM_TESTING_SYSCALL_ERRORS_H_
#define HALFPIPE_BYTESTREAM_TESTING_SYSCALL_ERRORS_H_

#include "absl/types/span.h"

namespace halfpipe {

// The system calls that tests can make fail.
enum class Syscall {
  kSocket,
  kSocketpair,
  kConnect,
  kBind,
  kListen,
  kAccept4,
  kRecvmsg,
  kSendmsg,
  kRecvfrom,  // and recv
  kSendto,    // and send
  kSetsockopt,
  kGetsockopt,
  kGetsockname,
  kGetpeername,
  kShutdown,
  kFcntl,
  kClose,
  kEpollCreate1,
  kEpollCtl,
  kEpollWait,
  kEventfd,
  kPoll,
  kRead,
  kWrite,
  kOpen,
  kMmap,
  kMadvise,
  kMprotect,
};
inline constexpr int kSyscallCount = static_cast<int>(Syscall::kMprotect) + 1;

const char* SyscallName(Syscall call);

// Each errno that the manual pages (section 2, and tcp(7), ip(7), unix(7) for what sockets give
// besides) name for the call. Left out are
// * EFAULT, and EBADF, ENOTSOCK, EINVAL and the like where a wrong argument alone gives them;
// * EAGAIN where it tells of a state of the descriptor: a call that finds a state which is not
//   there waits for a change that does not come.
absl::Span<const int> SyscallErrors(Syscall call);

// What a call of ours on an open stream tells where `call` has failed with `error`: that, or ENOMEM
// where the kernel's word is another one for it; 0 where it tells nothing of its own.
int ErrorOfStreamCall(Syscall call, int error);

// True where a signal can interrupt the call.
bool CanBeInterrupted(Syscall call);

// True where the call transfers bytes, or gives events, and may give fewer than asked for.
bool CanBeShort(Syscall call);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_SYSCALL_ERRORS_H_
