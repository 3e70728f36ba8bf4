#ifndef HALFPIPE_BYTESTREAM_TESTING_WAIT_SWEEP_H_
#define HALFPIPE_BYTESTREAM_TESTING_WAIT_SWEEP_H_

#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Ends the N-th wait of a runtime with an errno; lets all others be.
class WaitFault final : public WaitObserver {
 public:
  // Takes the runtime's place for an observer for as long as it lives. `error` is ETIMEDOUT or
  // ECANCELED, `nth` counts from 0. With `only` set, waits of other coroutines do not count.
  WaitFault(Runtime* runtime, int error, int nth, const Coroutine* only = nullptr)
      : runtime_(runtime), error_(error), left_(nth), only_(only) {
    runtime_->set_wait_observer(this);
  }
  ~WaitFault() override { runtime_->set_wait_observer(nullptr); }
  WaitFault(const WaitFault&) = delete;
  WaitFault& operator=(const WaitFault&) = delete;

  // From now on only waits of that coroutine count (null: of all).
  void set_only(const Coroutine* waiting) { only_ = waiting; }

  // From now on waits of that coroutine do not count.
  void set_except(const Coroutine* waiting) { except_ = waiting; }

  // True once a wait has been ended.
  bool hit() const { return left_ < 0; }

  int OnWait(Coroutine* waiting, Deadline) override {
    if (left_ < 0 || waiting == except_ || (only_ != nullptr && waiting != only_)) return 0;
    return left_-- == 0 ? error_ : 0;
  }

 private:
  Runtime* const runtime_;
  const int error_;
  int left_;
  const Coroutine* only_;
  const Coroutine* except_ = nullptr;
};

// Sees the N-th wait of one coroutine, and lets it be: for a test that closes the coroutine's bundle
// while it waits there.
class WaitWatch final : public WaitObserver {
 public:
  // Takes the runtime's place for an observer for as long as it lives. `nth` counts from 0.
  WaitWatch(Runtime* runtime, int nth) : runtime_(runtime), left_(nth) {
    runtime_->set_wait_observer(this);
  }
  ~WaitWatch() override { runtime_->set_wait_observer(nullptr); }
  WaitWatch(const WaitWatch&) = delete;
  WaitWatch& operator=(const WaitWatch&) = delete;

  // Whose waits count; those of none until this is called.
  void set_only(const Coroutine* waiting) { only_ = waiting; }

  // True once the coroutine has begun its N-th wait.
  bool reached() const { return left_ < 0; }

  int OnWait(Coroutine* waiting, Deadline) override {
    if (left_ >= 0 && waiting == only_) --left_;
    return 0;
  }

 private:
  Runtime* const runtime_;
  int left_;
  const Coroutine* only_ = nullptr;
};

// The most waits that a scenario may have.
inline constexpr int kSweepWaitsMax = 1000;

// Runs `scenario(fault)` again and again, the first wait of the runtime ended with `error`, then
// the second one and so on, until it comes to its end without the fault having been hit. Each run
// starts from nothing: the scenario makes what it needs and checks the documented state, which
// depends on fault.hit().
//
// Only waits made while `scenario` runs count, in whichever coroutine; call fault.set_only() to
// look at one alone. Returns how many waits there were.
//
// Example:
//   SweepWaits(&runtime, ETIMEDOUT, [&](WaitFault& fault) {
//     Connection connection(&runtime);
//     const absl::Status status = connection.Send("x", Deadline::Never());
//     EXPECT_THAT(status, IsErrno(fault.hit() ? ETIMEDOUT : 0));
//   });
template <typename Scenario>
int SweepWaits(Runtime* runtime, int error, Scenario scenario) {
  for (int nth = 0; nth < kSweepWaitsMax; ++nth) {
    SCOPED_TRACE(testing::Message() << "wait " << nth << " ends with errno " << error);
    WaitFault fault(runtime, error, nth);
    scenario(fault);
    if (!fault.hit() || testing::Test::HasFatalFailure()) return nth;
  }
  ADD_FAILURE() << "the scenario still waits after " << kSweepWaitsMax << " runs";
  return kSweepWaitsMax;
}

// The same on the runtime of this thread.
template <typename Scenario>
int SweepWaits(int error, Scenario scenario) {
  return SweepWaits(&Runtime::Current(), error, scenario);
}

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_WAIT_SWEEP_H_
