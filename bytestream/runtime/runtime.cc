#include "bytestream/runtime/runtime.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include "bytestream/base/check.h"
#include "bytestream/runtime/bundle.h"

namespace halfpipe {
namespace {

thread_local Runtime* current_runtime = nullptr;

// Room that a coroutine's own code must have below its control block and closure.
constexpr size_t kMinUsableStack = 1024;

void CheckCanary(const Coroutine* coroutine) {
  if (!coroutine->stack.canary) return;
  if (*static_cast<uint64_t*>(coroutine->stack.bottom) == StackPool::kCanary) return;
  std::fprintf(stderr, "halfpipe: stack overflow in coroutine %s\n", coroutine->name);
  std::abort();
}

}  // namespace

// Owns the runtime that Current() made for this thread.
class RuntimeHolder {
 public:
  ~RuntimeHolder() { delete runtime_; }

  Runtime* Make() {
    runtime_ = new Runtime;
    runtime_->implicit_ = true;
    return runtime_;
  }

 private:
  Runtime* runtime_ = nullptr;
};

Runtime& Runtime::Current() {
  if (current_runtime != nullptr) return *current_runtime;
  thread_local RuntimeHolder holder;
  return *holder.Make();
}

Runtime* Runtime::CurrentOrNull() { return current_runtime; }

Runtime::Runtime() : Runtime(Options()) {}

Runtime::Runtime(Options options)
    : clock_(options.clock != nullptr ? options.clock : &Clock::System()),
      stack_pool_(options.stack_bytes) {
  previous_runtime_ = std::exchange(current_runtime, this);
  previous_clock_ = Clock::SetCurrent(clock_);
  engine_ = options.make_engine ? options.make_engine(this) : MakeEngine(this);
}

Runtime::~Runtime() {
  HALFPIPE_CHECK(implicit_ || coroutine_count_ == 0);
  HALFPIPE_CHECK(current_ == &main_ || implicit_);
  extension_.reset();
  engine_.reset();
  if (implicit_) {
    stack_pool_.Abandon();
    buffer_pool_.Abandon();
  }
  current_runtime = previous_runtime_;
  Clock::SetCurrent(previous_clock_);
}

int Runtime::Wait(Waiter* waiter, Deadline deadline) {
  int error = CheckCancelled();
  if (error == 0 && no_wait_depth_ > 0) error = ETIMEDOUT;
  if (error == 0 && !deadline.is_never() && deadline.ExpiredAt(clock_->NowNanos())) {
    error = ETIMEDOUT;
  }
  if (error == 0 && wait_observer_ != nullptr) {
    error = wait_observer_->OnWait(current_, deadline);
    if (error == ECANCELED) current_->cancelled = true;
  }
  if (error != 0) {
    waiter->link.Unlink();
    return error;
  }
  return Suspend(waiter, deadline);
}

int Runtime::WaitShielded(Waiter* waiter) {
  current_->shielded = true;
  const int result = Suspend(waiter, Deadline::Never());
  current_->shielded = false;
  return result;
}

int Runtime::Suspend(Waiter* waiter, Deadline deadline) {
  HALFPIPE_CHECK(no_wait_depth_ == 0);
  waiter->coroutine = current_;
  current_->waiter = waiter;
  if (!deadline.is_never()) timers_.Insert(&waiter->timer, deadline);
  SwitchAway();
  return waiter->result;
}

void Runtime::Wake(Waiter* waiter, int result) {
  Coroutine* const coroutine = waiter->coroutine;
  if (coroutine == nullptr) return;
  waiter->coroutine = nullptr;
  waiter->result = result;
  waiter->link.Unlink();
  timers_.Remove(&waiter->timer);
  coroutine->waiter = nullptr;
  ready_.PushBack(coroutine);
}

void Runtime::Cancel(Coroutine* coroutine) {
  coroutine->cancelled = true;
  if (coroutine->waiter != nullptr && !coroutine->shielded) Wake(coroutine->waiter, ECANCELED);
}

int Runtime::Yield() {
  if (const int error = CheckCancelled()) return error;
  if (no_wait_depth_ > 0) return 0;
  ready_.PushBack(current_);
  SwitchAway();
  return CheckCancelled();
}

int Runtime::SleepUntil(Deadline deadline) {
  if (const int error = CheckCancelled()) return error;
  if (deadline.ExpiredAt(clock_->NowNanos())) return Yield();
  Waiter waiter;
  const int result = Wait(&waiter, deadline);
  return result == ETIMEDOUT ? 0 : result;
}

void Runtime::CountOperation() {
  if (no_wait_depth_ > 0) return;
  const int64_t now = clock_->NowNanos();
  if (turn_started_nanos_ < 0) turn_started_nanos_ = now;
  if (++operations_ < kOperationsPerTurn && now - turn_started_nanos_ < kNanosPerTurn) return;
  // A cancellation is the next call's to report: this operation is done.
  static_cast<void>(Yield());
  operations_ = 0;
  turn_started_nanos_ = -1;
}

void Runtime::HoldOutput(HeldOutput* output) {
  if (!output->held_link.linked()) held_.PushBack(output);
}

void Runtime::FireTimers() {
  if (timers_.empty()) return;
  const int64_t now = clock_->NowNanos();
  while (TimerHeap::Node* const node = timers_.Earliest()) {
    if (!node->deadline().ExpiredAt(now)) return;
    Waiter* const waiter =
        reinterpret_cast<Waiter*>(reinterpret_cast<char*>(node) - offsetof(Waiter, timer));
    Wake(waiter, ETIMEDOUT);
  }
}

void Runtime::PollEvents(Deadline until) {
  switches_since_poll_ = 0;
  while (HeldOutput* const output = held_.PopFront()) {
    NoWaitScope no_wait(this);
    output->ReleaseHeldOutput();
  }
  engine_->Poll(until);
  FireTimers();
}

Coroutine* Runtime::NextReady() {
  for (;;) {
    if (ready_.empty()) {
      const TimerHeap::Node* const timer = timers_.Earliest();
      PollEvents(timer != nullptr ? timer->deadline() : Deadline::Never());
    } else if (++switches_since_poll_ >= kSwitchesPerPoll) {
      PollEvents(Deadline::Immediately());
    }
    if (Coroutine* const next = ready_.PopFront()) return next;
  }
}

void Runtime::SwitchAway() {
  Coroutine* const next = NextReady();
  if (next != current_) SwitchTo(next);
  operations_ = 0;
  turn_started_nanos_ = -1;
}

void Runtime::SwitchTo(Coroutine* next) {
  Coroutine* const self = current_;
  CheckCanary(self);
  current_ = next;
  self->context.SwitchTo(&next->context);
  AfterSwitch();
}

// The first thing in a flow that has just been resumed, or begins.
void Runtime::AfterSwitch() {
  if (finished_ == nullptr) return;
  Coroutine* const finished = std::exchange(finished_, nullptr);
  const StackPool::Stack stack = finished->stack;
  const bool pooled = finished->pooled;
  finished->~Coroutine();
  if (pooled) stack_pool_.Put(stack);
}

int Runtime::Start(Bundle* bundle, const Entry& entry, void* memory, size_t memory_size) {
  if (const int error = CheckCancelled()) return error;
  const bool pooled = memory == nullptr;
  const StackPool::Stack stack =
      pooled ? stack_pool_.Get() : StackPool::Stack{memory, memory_size, /*canary=*/false};
  if (stack.bottom == nullptr) return ENOMEM;
  // From the top: control block, closure, then what the coroutine may use.
  const uintptr_t bottom = reinterpret_cast<uintptr_t>(stack.bottom);
  const size_t overhead =
      sizeof(Coroutine) + alignof(Coroutine) + entry.size + entry.alignment + kMinUsableStack;
  if (stack.size < overhead) {
    if (pooled) stack_pool_.Put(stack);
    return ENOMEM;
  }
  uintptr_t top = bottom + stack.size;
  top = (top - sizeof(Coroutine)) & ~(uintptr_t{alignof(Coroutine)} - 1);
  Coroutine* const coroutine = new (reinterpret_cast<void*>(top)) Coroutine;
  top = (top - entry.size) & ~(uintptr_t{entry.alignment} - 1);
  coroutine->closure = reinterpret_cast<void*>(top);
  coroutine->run = entry.run;
  coroutine->name = entry.name;
  coroutine->bundle = bundle;
  coroutine->stack = stack;
  coroutine->pooled = pooled;
  entry.construct(coroutine->closure, entry.from);
  coroutine->context.Prepare(stack.bottom, top - bottom, &Runtime::CoroutineMain, this);
  bundle->coroutines_.PushBack(coroutine);
  ++coroutine_count_;
  ready_.PushBack(current_);
  SwitchTo(coroutine);
  operations_ = 0;
  turn_started_nanos_ = -1;
  return 0;
}

void Runtime::CoroutineMain(void* argument) {
  Runtime* const runtime = static_cast<Runtime*>(argument);
  runtime->AfterSwitch();
  runtime->operations_ = 0;
  runtime->turn_started_nanos_ = -1;
  Coroutine* const self = runtime->current_;
  self->run(self->closure);
  runtime->Finish(self);
}

void Runtime::Finish(Coroutine* self) {
  CheckCanary(self);
  --coroutine_count_;
  self->bundle->Finished(self);
  Coroutine* const next = NextReady();
  finished_ = self;
  current_ = next;
  self->context.Exit(&next->context);
}

}  // namespace halfpipe
