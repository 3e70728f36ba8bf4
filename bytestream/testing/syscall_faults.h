#ifndef HALFPIPE_BYTESTREAM_TESTING_SYSCALL_FAULTS_H_
#define HALFPIPE_BYTESTREAM_TESTING_SYSCALL_FAULTS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "bytestream/testing/syscall_errors.h"
#include "gtest/gtest.h"

namespace halfpipe {

// System calls of our own code that fail, are interrupted or transfer less, on demand.
//
// Linking this library puts a function of ours between our object files and the C library (the
// linker's --wrap; the real function, and a sanitizer's interceptor before it, are still what is
// called). Calls that the C library makes by itself are not seen. A test that depends on this must
// be linked statically (linkstatic = True), or libraries that are linked by themselves escape.
//
// Without a hook every call goes through. A hook sees the calls of the thread that set it alone.

// What a hook may answer besides 0 and an errno: the call transfers one byte (gives one event).
inline constexpr int kShortTransfer = -1;

class SyscallHook {
 public:
  virtual ~SyscallHook() = default;

  // Called before `call` on descriptor `fd` (-1 where the call has none). 0: let it be made. An
  // errno: it fails with that and is not made, but for close(2), which closes all the same, and for
  // a connect(2) that fails with EINTR or EINPROGRESS, which begins to connect. kShortTransfer.
  // Must not make system calls.
  virtual int OnSyscall(Syscall call, int fd) = 0;

  // Called before an epoll_ctl(2) that changes or ends a registration; those never fail.
  virtual void OnEpollChange() {}
};

// Makes `hook` (null for none) see the calls of this thread; returns the one before.
SyscallHook* SetSyscallHook(SyscallHook* hook);

// A set of system calls; all of them by default.
class SyscallSet {
 public:
  SyscallSet() : bits_(~uint64_t{0}) {}
  SyscallSet(std::initializer_list<Syscall> calls) : bits_(0) {
    for (const Syscall call : calls) bits_ |= uint64_t{1} << static_cast<int>(call);
  }
  bool Contains(Syscall call) const { return (bits_ >> static_cast<int>(call) & 1) != 0; }

 private:
  uint64_t bits_;
};

// Notes the calls of this thread as long as it lives.
class SyscallTrace final : public SyscallHook {
 public:
  explicit SyscallTrace(SyscallSet set = SyscallSet())
      : set_(set), previous_(SetSyscallHook(this)) {}
  ~SyscallTrace() override { SetSyscallHook(previous_); }
  SyscallTrace(const SyscallTrace&) = delete;
  SyscallTrace& operator=(const SyscallTrace&) = delete;

  const std::vector<Syscall>& calls() const { return calls_; }
  size_t Count(Syscall call) const;
  size_t epoll_changes() const { return epoll_changes_; }

  int OnSyscall(Syscall call, int fd) override;
  void OnEpollChange() override { ++epoll_changes_; }

 private:
  const SyscallSet set_;
  SyscallHook* const previous_;
  std::vector<Syscall> calls_;
  size_t epoll_changes_ = 0;
};

// The N-th call of the set, counted from 0, fails as long as it lives; all others are let be.
class SyscallFault final : public SyscallHook {
 public:
  // With a given errno (or kShortTransfer).
  SyscallFault(SyscallSet set, int nth, int error)
      : set_(set), left_(nth), fixed_(error), which_(0), previous_(SetSyscallHook(this)) {}
  // With the `which`-th of the errors that the manual gives for the call, whatever it is. If there
  // is none, nothing fails.
  struct Which {
    size_t index;
  };
  SyscallFault(SyscallSet set, int nth, Which which)
      : set_(set), left_(nth), fixed_(0), which_(which.index), previous_(SetSyscallHook(this)) {}
  ~SyscallFault() override { SetSyscallHook(previous_); }
  SyscallFault(const SyscallFault&) = delete;
  SyscallFault& operator=(const SyscallFault&) = delete;

  // The N-th call and all later ones of its kind fail, as where something has run out.
  void FailOn() { goes_on_ = true; }

  // Whether calls count at present; they do at first. For a scenario that is about a part of what
  // it does.
  void set_armed(bool armed) { armed_ = armed; }

  // Whether the N-th call came, what it was, and what it failed with (0 if the manual gave nothing
  // for `which`).
  bool reached() const { return left_ < 0; }
  bool hit() const { return error_ != 0; }
  Syscall call() const { return call_; }
  int error() const { return error_; }

  // How many calls have failed.
  int count() const { return count_; }

  int OnSyscall(Syscall call, int fd) override;

 private:
  const SyscallSet set_;
  int left_;
  const int fixed_;
  const size_t which_;
  SyscallHook* const previous_;
  bool goes_on_ = false;
  bool armed_ = true;
  Syscall call_ = Syscall::kSocket;
  int error_ = 0;
  int count_ = 0;
};

// Every transfer of this thread is of one byte, every wait gives one event.
class ShortTransfers final : public SyscallHook {
 public:
  ShortTransfers() : previous_(SetSyscallHook(this)) {}
  ~ShortTransfers() override { SetSyscallHook(previous_); }
  ShortTransfers(const ShortTransfers&) = delete;
  ShortTransfers& operator=(const ShortTransfers&) = delete;

  size_t count() const { return count_; }
  int OnSyscall(Syscall call, int fd) override;

 private:
  SyscallHook* const previous_;
  size_t count_ = 0;
};

// Every call of this thread that a signal can interrupt is interrupted, and goes through the next
// time.
class InterruptedCalls final : public SyscallHook {
 public:
  InterruptedCalls() : previous_(SetSyscallHook(this)) {}
  ~InterruptedCalls() override { SetSyscallHook(previous_); }
  InterruptedCalls(const InterruptedCalls&) = delete;
  InterruptedCalls& operator=(const InterruptedCalls&) = delete;

  size_t count() const { return count_; }
  int OnSyscall(Syscall call, int fd) override;

 private:
  SyscallHook* const previous_;
  size_t count_ = 0;
  uint64_t interrupted_ = 0;  // calls that go through the next time
};

// The most system calls that a scenario may make.
inline constexpr int kSweepSyscallsMax = 2000;

// Runs `scenario(fault)` again and again: the first system call of `set` fails with each errno that
// the manual gives for it, then the second one and so on, until the scenario comes to its end
// without the fault having been reached. Each run starts from nothing; what the scenario has to be
// like depends on fault.hit(), fault.call() and fault.error(). Returns how many calls there were.
//
// Example:
//   SweepSyscalls(SyscallSet(), [&](SyscallFault& fault) {
//     const int s = tcp_listen(&addr, 10);
//     if (s < 0) EXPECT_EQ(errno, fault.error());
//     ...
//   });
template <typename Scenario>
int SweepSyscalls(SyscallSet set, Scenario scenario) {
  for (int nth = 0; nth < kSweepSyscallsMax; ++nth) {
    for (size_t which = 0;; ++which) {
      SyscallFault fault(set, nth, SyscallFault::Which{which});
      {
        SCOPED_TRACE(testing::Message() << "system call " << nth << ", error " << which);
        scenario(fault);
      }
      if (testing::Test::HasFailure()) {
        ADD_FAILURE() << "where " << SyscallName(fault.call()) << ", system call " << nth
                      << ", failed with errno " << fault.error();
        return nth;
      }
      if (!fault.reached()) return nth;
      if (!fault.hit() || which + 1 >= SyscallErrors(fault.call()).size()) break;
    }
  }
  ADD_FAILURE() << "the scenario still makes system calls after " << kSweepSyscallsMax << " runs";
  return kSweepSyscallsMax;
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_SYSCALL_FAULTS_H_
