#include "tools/wsecho/termination.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "bytestream/runtime/engine.h"

namespace halfpipe::tools {
namespace {

sigset_t Terminating() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

TerminationSignals::TerminationSignals() {
  const sigset_t set = Terminating();
  pthread_sigmask(SIG_BLOCK, &set, &blocked_before_);
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ < 0) error_ = errno;
}

TerminationSignals::~TerminationSignals() {
  if (fd_ >= 0) close(fd_);
  const sigset_t set = Terminating();
  const timespec now = {};
  while (sigtimedwait(&set, nullptr, &now) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &blocked_before_, nullptr);
}

int TerminationSignals::Wait(Runtime* runtime, Deadline deadline, int* signal) {
  if (error_ != 0) return error_;
  for (;;) {
    if (const int error = runtime->engine().WaitForeignFd(fd_, /*writable=*/false, deadline)) {
      return error;
    }
    signalfd_siginfo info;
    if (read(fd_, &info, sizeof(info)) == sizeof(info)) {
      *signal = static_cast<int>(info.ssi_signo);
      return 0;
    }
    if (errno != EAGAIN && errno != EINTR) return errno;
  }
}

}  // namespace halfpipe::tools
