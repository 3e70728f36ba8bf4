#ifndef HALFPIPE_BYTESTREAM_RUNTIME_BLOCKING_POOL_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_BLOCKING_POOL_H_

#include <cstddef>

#include "absl/base/attributes.h"
#include "absl/time/time.h"
#include "bytestream/runtime/intrusive_list.h"

namespace halfpipe {

// Helper threads for calls that block, such as those into libraries that know nothing of
// coroutines. Threads are made when there is work and none is idle, and end when there has been
// none for a while; they take no signals. Every function may be called from any thread.
//
// For coroutines there is Runtime::RunBlocking(); this is what it stands on.
class BlockingPool {
 public:
  // Of a pool that is not told otherwise.
  static constexpr size_t kThreadsMax = 16;
  static constexpr size_t kQueuedMax = 1024;
  static constexpr absl::Duration kIdleTime = absl::Seconds(10);

  struct Options {
    // Threads at once; at least 1.
    size_t threads_max = kThreadsMax;
    // Work that may wait for a thread.
    size_t queued_max = kQueuedMax;
    // How long a thread waits for more before it ends.
    absl::Duration idle_time = kIdleTime;
  };

  // Something to do on a thread of a pool; listed in place. The pool does not own it and touches it
  // no more once Run() has been called.
  class Work {
   public:
    virtual void Run() = 0;
    ListLink link;

   protected:
    ~Work() = default;
  };

  // The pool of the process, which never ends.
  static BlockingPool& Process();

  BlockingPool();
  explicit BlockingPool(Options options);
  // No work may be waiting. Does not wait: threads that are idle end at once, others after what
  // they are doing.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Queues `work`, borrowed until it has run or Withdraw() says true. 0, or ENOMEM: queued_max are
  // waiting, or no thread could be made.
  ABSL_MUST_USE_RESULT int Submit(Work* work);

  // Takes `work` back if it has not begun. False: it has, or has even been done.
  bool Withdraw(Work* work);

  // At this moment.
  size_t thread_count() const;
  size_t queued_count() const;

 private:
  struct State;
  static void* ThreadMain(void* state);
  static bool StartThread(State* state);
  static void Serve(State* state);

  // Shared with the threads; the last to go, pool or thread, deletes it.
  State* const state_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_BLOCKING_POOL_H_
