#include "bytestream/runtime/runtime.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
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

}  // namespace

void Runtime::CheckCanary(const Coroutine* coroutine) {
  if (*static_cast<uint64_t*>(coroutine->stack.bottom) == StackPool::kCanary) return;
  WriteOverflowMessage(coroutine->name);
  std::abort();
}

// In a signal handler on this thread. A runtime may have been made inside a coroutine of another
// one, so the stack in use may be that one's.
const char* Runtime::FindOverflowed(const void* address) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  for (const Runtime* it = current_runtime; it != nullptr; it = it->previous_runtime_) {
    const Coroutine* const running = it->current_;
    const uintptr_t bottom = reinterpret_cast<uintptr_t>(running->stack.bottom);
    if (running->pooled && at < bottom && at >= bottom - it->stack_pool_.guard_bytes()) {
      return running->name;
    }
  }
  return nullptr;
}

// Owns the runtime that Current() made for this thread.
class RuntimeHolder {
 public:
  ~RuntimeHolder() {
    // Where exit() was called in a coroutine, this runs on its stack. The process is ending anyway.
    if (runtime_ != nullptr && runtime_->current_ == &runtime_->main_) delete runtime_;
  }

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
      stack_pool_(options.stack_bytes, options.stack_guard),
      blocking_pool_(options.blocking_pool),
      shuffle_state_(options.ready_seed) {
  previous_runtime_ = std::exchange(current_runtime, this);
  previous_clock_ = Clock::SetCurrent(clock_);
  engine_ = options.make_engine ? options.make_engine(this) : MakeEngine(this);
  post_queue_ = new PostQueue(engine_.get());
}

Runtime::~Runtime() {
  HALFPIPE_CHECK(implicit_ || coroutine_count_ == 0);
  HALFPIPE_CHECK(current_ == &main_);
  ending_ = implicit_;
  AbandonBlockingCalls();
  // What is posted may own what needs the runtime.
  post_queue_->Close();
  ready_.Forget();
  if (implicit_) held_.Forget();
  extension_.reset();
  engine_.reset();
  GiveBackSpareStack();
  if (poller_.stack.bottom != nullptr) stack_pool_.Put(poller_.stack);
  if (implicit_) {
    stack_pool_.Abandon();
    buffer_pool_.Abandon();
    main_.owned_bundles.Forget();
  }
  post_queue_->Unref();
  current_runtime = previous_runtime_;
  Clock::SetCurrent(previous_clock_);
}

bool Runtime::Expired(Deadline deadline) {
  if (deadline.is_never()) return false;
  return deadline.is_immediate() || deadline.ExpiredAt(clock_->NowNanos());
}

int Runtime::Wait(Waiter* waiter, Deadline deadline) {
  int error = CheckCancelled();
  if (error == 0 && (no_wait_depth_ > 0 || Expired(deadline))) error = ETIMEDOUT;
  if (error == 0) return WaitUnexpired(waiter, deadline);
  waiter->link.Unlink();
  return error;
}

int Runtime::WaitUnexpired(Waiter* waiter, Deadline deadline) {
  if (wait_observer_ != nullptr) {
    if (const int error = wait_observer_->OnWait(current_, deadline)) {
      if (error == ECANCELED) current_->cancelled = true;
      waiter->link.Unlink();
      return error;
    }
  }
  return Suspend(waiter, deadline);
}

Coroutine* Runtime::NextReadySlowly() {
  do {
    if (!current_->polls) return &poller_;
    PollEvents();
  } while (ready_.empty());
  return ready_.PopFront();
}

int Runtime::WaitShielded(Waiter* waiter) {
  current_->shielded = true;
  const int result = Suspend(waiter, Deadline::Never());
  current_->shielded = false;
  return result;
}

int Runtime::Suspend(Waiter* waiter, Deadline deadline) {
  HALFPIPE_CHECK(no_wait_depth_ == 0);
  if (!deadline.is_never()) timers_.Insert(&waiter->timer, deadline);
  return SuspendInline(waiter);
}

void Runtime::Wake(Waiter* waiter, int result) {
  if (ending_) return;
  Coroutine* const coroutine = waiter->owner;
  if (coroutine == nullptr) return;
  waiter->owner = nullptr;
  waiter->result = result;
  waiter->link.Unlink();
  if (waiter->timer.armed()) timers_.Remove(&waiter->timer);
  coroutine->waiter = nullptr;
  ready_.PushBack(coroutine);
}

void Runtime::Cancel(Coroutine* coroutine) {
  coroutine->cancelled = true;
  if (coroutine->waiter != nullptr && !coroutine->shielded) Wake(coroutine->waiter, ECANCELED);
}

int Runtime::SleepUntil(Deadline deadline) {
  if (const int error = CheckCancelled()) return error;
  if (no_wait_depth_ > 0) return 0;
  if (Expired(deadline)) return Yield();
  Waiter waiter;
  const int result = WaitUnexpired(&waiter, deadline);
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
  if (output->held_link_.linked()) return;
  output->held_by_ = this;
  held_.PushBack(output);
}

void HeldOutput::DropHold() {
  if (!held_link_.linked()) return;
  // What stands next to it may be on a stack, or in a caller's memory, that has gone.
  if (held_by_->ending()) {
    held_link_.Forget();
  } else {
    held_link_.Unlink();
  }
}

void Runtime::FireTimers() {
  if (timers_.empty()) return;
  const int64_t now = clock_->NowNanos();
  firing_ = Deadline::AtNanos(now);
  const uint64_t armed_meanwhile = timers_.next_order();
  while (TimerHeap::Node* const node = timers_.Earliest()) {
    if (!node->deadline().ExpiredAt(now) || node->order() >= armed_meanwhile) break;
    if (node->calls_back()) {
      timers_.Remove(node);
      NoWaitScope no_wait(this);
      auto* const timer = static_cast<TimerHeap::CallbackNode*>(node);
      timer->fire(timer);
    } else {
      Waiter* const waiter =
          reinterpret_cast<Waiter*>(reinterpret_cast<char*>(node) - offsetof(Waiter, timer));
      Wake(waiter, ETIMEDOUT);
    }
  }
  firing_ = Deadline::Immediately();
}

void Runtime::SetTimer(TimerHeap::CallbackNode* timer, Deadline deadline) {
  if (ending_) return;
  timers_.Remove(timer);
  // What a callback arms comes behind all that are due now, so that it cannot keep them waiting.
  timers_.Insert(timer, std::max(deadline, firing_));
}

void Runtime::CancelTimer(TimerHeap::CallbackNode* timer) {
  // The nodes next to it may have been on a stack that has gone.
  if (ending_) return timer->Forget();
  timers_.Remove(timer);
}

void Runtime::ReleaseHeldOutput() {
  // What is held anew meanwhile stays for the next time.
  IntrusiveList<HeldOutput, &HeldOutput::held_link_> now;
  while (HeldOutput* const output = held_.Front()) now.PushBack(output);
  NoWaitScope no_wait(this);
  while (HeldOutput* const output = now.PopFront()) output->ReleaseHeldOutput();
}

void Runtime::PollEvents() {
  switches_since_poll_ = 0;
  if (!held_.empty()) ReleaseHeldOutput();
  // Only now is it known whether there is anything to wait for: output may have made a coroutine of
  // this runtime ready.
  Deadline until = Deadline::Immediately();
  if (ready_.empty() && held_.empty()) {
    GiveBackSpareStack();
    const TimerHeap::Node* const timer = timers_.Earliest();
    until = timer != nullptr ? timer->deadline() : Deadline::Never();
  }
  engine_->Poll(until);
  if (post_queue_->pending()) RunPosted();
  FireTimers();
  if (shuffle_state_ != 0) ShuffleReady();
}

void Runtime::RunPosted() {
  NoWaitScope no_wait(this);
  running_posted_ = true;
  post_queue_->Run();
  running_posted_ = false;
}

void Runtime::ShuffleReady() {
  const auto random = [this] {  // splitmix64
    uint64_t z = shuffle_state_ += 0x9e3779b97f4a7c15;
    if (shuffle_state_ == 0) ++shuffle_state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  shuffled_.clear();
  while (Coroutine* const coroutine = ready_.PopFront()) shuffled_.push_back(coroutine);
  for (size_t left = shuffled_.size(); left > 0; --left) {
    std::swap(shuffled_[random() % left], shuffled_[left - 1]);
    ready_.PushBack(shuffled_[left - 1]);
  }
  // The next poll, and shuffle, is a few switches away.
  switches_since_poll_ = kSwitchesPerPoll - 1 - static_cast<int>(random() % 8);
}

// 0: the call's result is there.
int Runtime::RunBlockingCall(BlockingCall* call, Deadline deadline) {
  if (const int error = CheckCancelled()) return error;
  if (no_wait_depth_ > 0 || Expired(deadline)) return ETIMEDOUT;
  BlockingPool& pool = blocking_pool_ != nullptr ? *blocking_pool_ : BlockingPool::Process();
  Waiter waiter;
  call->Begin(this, &waiter);
  if (const int error = pool.Submit(call)) {
    call->Unref();
    return error;
  }
  blocking_calls_.PushBack(call);
  int error = Wait(&waiter, deadline);
  call->runtime_link.Unlink();
  call->Detach();
  if (error == 0) return 0;
  if (pool.Withdraw(call)) {
    call->Unref();
  } else if (call->done()) {
    error = 0;
  }
  return error;
}

// For coroutines that will never run again: each was to give up its call.
void Runtime::AbandonBlockingCalls() {
  while (BlockingCall* const call = blocking_calls_.PopFront()) {
    BlockingPool& pool = blocking_pool_ != nullptr ? *blocking_pool_ : BlockingPool::Process();
    call->Detach();
    if (pool.Withdraw(call)) call->Unref();
    call->Unref();
  }
}

void Runtime::ReleaseFinished() {
  Coroutine* const finished = std::exchange(finished_, nullptr);
  const StackPool::Stack stack = finished->stack;
  const bool pooled = finished->pooled;
  finished->~Coroutine();
  if (!pooled) {
    StackPool::ForgetFrames(stack.bottom, stack.size);
  } else if (spare_stack_.bottom == nullptr) {
    spare_stack_ = stack;
  } else {
    stack_pool_.Put(stack);
  }
}

StackPool::Stack Runtime::NewStack() {
  const StackPool::Stack stack = stack_pool_.Get();
  if (reports_overflows_ || stack.bottom == nullptr || stack.canary) return stack;
  if (!signal_stack_.Install()) {
    stack_pool_.Put(stack);
    return {};
  }
  InstallOverflowReport(&Runtime::FindOverflowed);
  reports_overflows_ = true;
  return stack;
}

StackPool::Stack Runtime::TakeStack() {
  if (spare_stack_.bottom == nullptr) return NewStack();
  StackPool::ForgetFrames(spare_stack_.bottom, spare_stack_.size);
  return std::exchange(spare_stack_, StackPool::Stack{});
}

void Runtime::GiveBackSpareStack() {
  if (spare_stack_.bottom == nullptr) return;
  stack_pool_.Put(std::exchange(spare_stack_, StackPool::Stack{}));
}

// A caller's memory as a stack, with a canary for want of a guard. Without `bottom` if that fails.
StackPool::Stack Runtime::BorrowStack(void* memory, size_t memory_size) {
  constexpr uintptr_t kAlignment = alignof(uint64_t);
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t bottom = (start + kAlignment - 1) & ~(kAlignment - 1);
  if (memory_size < bottom - start + sizeof(uint64_t) || !PreparePoller()) return {};
  StackPool::Stack stack = {reinterpret_cast<void*>(bottom), memory_size - (bottom - start),
                            /*canary=*/true};
  *static_cast<uint64_t*>(stack.bottom) = StackPool::kCanary;
  return stack;
}

bool Runtime::PreparePoller() {
  if (poller_.stack.bottom != nullptr) return true;
  poller_.stack = NewStack();
  poller_.pooled = true;
  if (poller_.stack.bottom == nullptr) return false;
  poller_.name = "poller";
  poller_.context.Prepare(poller_.stack.bottom, poller_.stack.size, &Runtime::PollerMain, this);
  return true;
}

int Runtime::Start(Bundle* bundle, const Entry& entry, void* memory, size_t memory_size) {
  if (const int error = CheckCancelled()) return error;
  // What is posted runs where nothing may switch; what it starts waits for its turn.
  const bool later = running_posted_ && no_wait_depth_ == 1;
  if ((no_wait_depth_ > 0 && !later) || bundle->joiner_ != nullptr) return ECANCELED;
  const bool pooled = memory == nullptr;
  const StackPool::Stack stack = pooled ? TakeStack() : BorrowStack(memory, memory_size);
  Coroutine* const coroutine = Create(bundle, entry, stack, pooled);
  if (coroutine == nullptr) return ENOMEM;
  if (later) {
    ready_.PushBack(coroutine);
  } else {
    ready_.PushBack(current_);
    SwitchTo(coroutine);
  }
  return 0;
}

int Runtime::StartLater(Bundle* bundle, const Entry& entry) {
  HALFPIPE_CHECK(bundle->joiner_ == nullptr);
  Coroutine* const coroutine = Create(bundle, entry, TakeStack(), /*pooled=*/true);
  if (coroutine == nullptr) return ENOMEM;
  ready_.PushBack(coroutine);
  return 0;
}

// A coroutine that has not run yet, counted and in its bundle. Null if there is no stack or it is
// too small.
Coroutine* Runtime::Create(Bundle* bundle, const Entry& entry, const StackPool::Stack& stack,
                           bool pooled) {
  if (stack.bottom == nullptr) return nullptr;
  const size_t overhead =
      sizeof(Coroutine) + alignof(Coroutine) + entry.size + entry.alignment + kMinUsableStack;
  if (stack.size < overhead) {
    if (pooled) stack_pool_.Put(stack);
    return nullptr;
  }
  Coroutine* const coroutine = Build(bundle, entry, stack, pooled);
  bundle->coroutines_.PushBack(coroutine);
  ++coroutine_count_;
  return coroutine;
}

// Puts control block and closure at the top of `stack`, which has room for them.
Coroutine* Runtime::Build(Bundle* bundle, const Entry& entry, const StackPool::Stack& stack,
                          bool pooled) {
  const uintptr_t bottom = reinterpret_cast<uintptr_t>(stack.bottom);
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
  coroutine->polls = pooled;
  entry.construct(coroutine->closure, entry.from);
  coroutine->context.Prepare(stack.bottom, top - bottom, &Runtime::CoroutineMain, bundle->runtime_);
  return coroutine;
}

void Runtime::CoroutineMain(void* argument) {
  Runtime* const runtime = static_cast<Runtime*>(argument);
  runtime->AfterSwitch();
  Coroutine* const self = runtime->current_;
  self->run(self->closure);
  runtime->Finish(self);
}

// The flow that polls when a coroutine on a small stack would have to.
void Runtime::PollerMain(void* argument) {
  Runtime* const runtime = static_cast<Runtime*>(argument);
  runtime->AfterSwitch();
  for (;;) runtime->SwitchTo(runtime->NextReady());
}

void Runtime::Finish(Coroutine* self) {
  if (self->stack.canary) CheckCanary(self);
  --coroutine_count_;
  while (OwnedBundle* const owned = self->owned_bundles.PopFront()) owned->owner = nullptr;
  self->bundle->Finished(self);
  Coroutine* const next = NextReady();
  finished_ = self;
  current_ = next;
  self->context.Exit(&next->context);
}

}  // namespace halfpipe
