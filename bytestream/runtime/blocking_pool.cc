#include "bytestream/runtime/blocking_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"
#include "bytestream/base/check.h"

namespace halfpipe {

struct BlockingPool::State {
  explicit State(const Options& options) : options(options) {}

  const Options options;
  std::mutex mutex;
  std::condition_variable work_or_end;
  IntrusiveList<Work, &Work::link> queue;
  size_t queued = 0;
  size_t threads = 0;
  size_t idle = 0;  // threads that wait, those told of work but not awake yet included
  bool ended = false;
};

BlockingPool& BlockingPool::Process() {
  static BlockingPool* const pool = new BlockingPool;
  return *pool;
}

BlockingPool::BlockingPool() : BlockingPool(Options()) {}

BlockingPool::BlockingPool(Options options) : state_(new State(options)) {
  HALFPIPE_CHECK(options.threads_max > 0);
}

BlockingPool::~BlockingPool() {
  bool last;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    HALFPIPE_CHECK(state_->queue.empty());
    state_->ended = true;
    state_->work_or_end.notify_all();
    last = state_->threads == 0;
  }
  if (last) delete state_;
}

int BlockingPool::Submit(Work* work) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->queued >= state_->options.queued_max) return ENOMEM;
  if (state_->queued >= state_->idle && state_->threads < state_->options.threads_max &&
      !StartThread(state_) && state_->threads == 0) {
    return ENOMEM;
  }
  state_->queue.PushBack(work);
  ++state_->queued;
  state_->work_or_end.notify_one();
  return 0;
}

bool BlockingPool::Withdraw(Work* work) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (!work->link.linked()) return false;
  work->link.Unlink();
  --state_->queued;
  return true;
}

// With the lock held.
bool BlockingPool::StartThread(State* state) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, &BlockingPool::ThreadMain, state);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) return false;
  ++state->threads;
  // It is on its way to the queue: as good as idle.
  ++state->idle;
  return true;
}

void* BlockingPool::ThreadMain(void* argument) {
  pthread_setname_np(pthread_self(), "halfpipe-block");
  Serve(static_cast<State*>(argument));
  return nullptr;
}

// A thread's life; it begins counted as idle.
void BlockingPool::Serve(State* state) {
  const auto idle_time = absl::ToChronoNanoseconds(state->options.idle_time);
  std::unique_lock<std::mutex> lock(state->mutex);
  for (;;) {
    const auto until = std::chrono::steady_clock::now() + idle_time;
    while (state->queue.empty() && !state->ended &&
           state->work_or_end.wait_until(lock, until) != std::cv_status::timeout) {
    }
    --state->idle;
    Work* const work = state->queue.PopFront();
    if (work == nullptr) break;
    --state->queued;
    lock.unlock();
    work->Run();
    lock.lock();
    ++state->idle;
  }
  const bool last = --state->threads == 0 && state->ended;
  lock.unlock();
  if (last) delete state;
}

size_t BlockingPool::thread_count() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->threads;
}

size_t BlockingPool::queued_count() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->queued;
}

}  // namespace halfpipe
