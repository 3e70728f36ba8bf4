#ifndef HALFPIPE_TOOLS_WSECHO_TERMINATION_H_
#define HALFPIPE_TOOLS_WSECHO_TERMINATION_H_

#include <csignal>

#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe::tools {

// SIGTERM and SIGINT as an event that a coroutine waits for. While the object lives they do nothing
// else: make it before other threads, which inherit that.
class TerminationSignals {
 public:
  TerminationSignals();
  // A signal that came and was not waited for is dropped.
  ~TerminationSignals();
  TerminationSignals(const TerminationSignals&) = delete;
  TerminationSignals& operator=(const TerminationSignals&) = delete;

  // Waits for one of them: its number goes to *signal and 0 is returned. Else an errno: ETIMEDOUT,
  // ECANCELED (a signal that comes later is not lost), or that of signalfd(2), such as EMFILE, if
  // the object could not be made in full.
  int Wait(Runtime* runtime, Deadline deadline, int* signal);

 private:
  int fd_ = -1;
  int error_ = 0;
  sigset_t blocked_before_;
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_TERMINATION_H_
