#include "bytestream/runtime/overflow_report.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "bytestream/base/mapped_memory.h"

namespace halfpipe {
namespace {

// Room for handlers of others, which may print a trace of the stack.
constexpr size_t kSignalStackBytes = 128 * 1024;
constexpr size_t kPageSize = 4096;

FindOverflow find_overflow = nullptr;
struct sigaction previous_segv;
struct sigaction previous_bus;

// What would have happened without us.
void PassOn(int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous = signal == SIGBUS ? previous_bus : previous_segv;
  // Both kinds of handlers are in one place, which these two values are of as well.
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    if ((previous.sa_flags & SA_SIGINFO) == 0) return previous.sa_handler(signal);
    return previous.sa_sigaction(signal, info, context);
  }
  // A fault of the program happens again on return; a signal that was sent does not.
  const bool sent = info->si_code <= 0;
  if (previous.sa_handler == SIG_IGN && sent) return;
  struct sigaction system_default = {};
  system_default.sa_handler = SIG_DFL;
  sigaction(signal, &system_default, nullptr);
  if (sent) raise(signal);
}

void OnFault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (info->si_code > 0) {
    const char* const name = find_overflow(info->si_addr);
    if (name != nullptr) WriteOverflowMessage(name);
  }
  PassOn(signal, info, context);
  errno = saved_errno;
}

bool SetHandlers(FindOverflow find) {
  find_overflow = find;
  struct sigaction action = {};
  action.sa_sigaction = &OnFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, nullptr, &previous_segv);
  sigaction(SIGBUS, nullptr, &previous_bus);
  return sigaction(SIGSEGV, &action, nullptr) == 0 && sigaction(SIGBUS, &action, nullptr) == 0;
}

}  // namespace

void WriteOverflowMessage(const char* coroutine_name) {
  // Not fprintf(), which needs more stack than there may be.
  const char* const texts[] = {"halfpipe: stack overflow in coroutine ", coroutine_name, "\n"};
  for (const char* const text : texts) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) break;
  }
}

void InstallOverflowReport(FindOverflow find) {
  static const bool installed = SetHandlers(find);
  static_cast<void>(installed);
}

bool SignalStack::Install() {
  stack_t present = {};
  if (memory_ != nullptr || sigaltstack(nullptr, &present) != 0) return true;
  if ((present.ss_flags & SS_DISABLE) == 0) return true;
  // What the system wants to save grows with the processor's registers.
  const long system_size = sysconf(_SC_SIGSTKSZ);
  const size_t wanted =
      std::max(kSignalStackBytes, system_size > 0 ? static_cast<size_t>(system_size) : 0);
  size_ = (wanted + kPageSize - 1) / kPageSize * kPageSize;
  memory_ = MapMemory(size_, 0, "halfpipe signal stack");
  if (memory_ == nullptr) return false;
  stack_t ours = {};
  ours.ss_sp = memory_;
  ours.ss_size = size_;
  sigaltstack(&ours, nullptr);
  return true;
}

SignalStack::~SignalStack() {
  if (memory_ == nullptr) return;
  stack_t present = {};
  if (sigaltstack(nullptr, &present) == 0 && present.ss_sp == memory_) {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    none.ss_size = size_;
    sigaltstack(&none, nullptr);
  }
  UnmapMemory(memory_, size_);
}

}  // namespace halfpipe
