#ifndef HALFPIPE_BYTESTREAM_RUNTIME_OVERFLOW_REPORT_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_OVERFLOW_REPORT_H_

#include <cstddef>

namespace halfpipe {

// Says who it was when a coroutine runs into the guard of its stack: the process writes "halfpipe:
// stack overflow in coroutine NAME" to standard error, then crashes as it would have without.

// Writes the message. Needs no memory and little stack; for signal handlers too.
void WriteOverflowMessage(const char* coroutine_name);

// Tells, in a signal handler, whether `address` is in the guard of the stack that this thread runs
// on: the name of its coroutine, or null.
using FindOverflow = const char* (*)(const void* address);

// Has the SIGSEGV and SIGBUS of the process looked at, for its whole life; the first call counts.
// Every signal goes on to the handler that was there before, or to the system's default: a core
// dump at the place of the fault. A handler that the program sets later replaces this one, which
// costs nothing but the message.
void InstallOverflowReport(FindOverflow find);

// The stack that a signal handler of this thread runs on, for there is no room on the one that has
// overflowed. Belongs to the thread that calls Install().
class SignalStack {
 public:
  SignalStack() = default;
  // Takes the stack away again, if it still is the thread's.
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

  // Does nothing if the thread has one already (a sanitizer's, the program's). False: no memory.
  bool Install();

 private:
  void* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_OVERFLOW_REPORT_H_
