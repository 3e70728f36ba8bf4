#include "bytestream/testing/sim_clock.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/runtime/engine.h"

namespace halfpipe {
namespace {

class SimEngine final : public Engine {
 public:
  SimEngine(SimClock* clock, Runtime* runtime) : clock_(clock), runtime_(runtime) {}

  const char* name() const override { return "sim"; }
  void Attach(EngineFd* entry, int fd) override { entry->fd = fd; }
  void Detach(EngineFd* entry) override { entry->detached = true; }
  IoResult Receive(EngineFd*, absl::Span<const iovec>, msghdr*, Deadline) override {
    return {0, ENOTSUP};
  }
  IoResult Send(EngineFd*, absl::Span<const iovec>, msghdr*, bool, Deadline) override {
    return {0, ENOTSUP};
  }
  IoResult Accept(EngineFd*, sockaddr_storage*, socklen_t*, Deadline) override {
    return {0, ENOTSUP};
  }
  int Connect(EngineFd*, const sockaddr*, socklen_t, Deadline) override { return ENOTSUP; }
  int WaitReadable(EngineFd*, Deadline) override { return ENOTSUP; }
  int WaitWritable(EngineFd*, Deadline) override { return ENOTSUP; }
  void OnReadable(EngineFd*, absl::AnyInvocable<void()> callback) override {
    if (callback) callback();
  }
  void OnWritable(EngineFd*, absl::AnyInvocable<void()> callback) override {
    if (callback) callback();
  }
  int WaitForeignFd(int, bool, Deadline) override { return ENOTSUP; }
  void ForgetForeignFd(int) override {}

  void Poll(Deadline until) override {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const bool others = runtime_->blocking_calls_in_progress() ||
                          (until.is_never() && runtime_->has_post_targets());
      if (others && !until.is_immediate()) woken_up_.wait(lock, [this] { return woken_; });
      if (std::exchange(woken_, false)) return;
    }
    if (until.is_never()) {
      std::fprintf(stderr, "SimRuntime: deadlock: every coroutine waits and no timer is armed\n");
      std::abort();
    }
    if (!until.is_immediate()) clock_->AdvanceTo(until);
  }
  void Wakeup() noexcept override {
    std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
    woken_up_.notify_one();
  }

 private:
  SimClock* const clock_;
  Runtime* const runtime_;
  std::mutex mutex_;
  std::condition_variable woken_up_;
  bool woken_ = false;
};

Runtime::Options SimOptions(SimClock* clock, uint64_t seed) {
  Runtime::Options options;
  options.clock = clock;
  options.ready_seed = seed;
  options.make_engine = [clock](Runtime* runtime) {
    return std::make_unique<SimEngine>(clock, runtime);
  };
  if (seed != 0) std::fprintf(stderr, "SimRuntime seed: %" PRIu64 "\n", seed);
  return options;
}

}  // namespace

void SimClock::AdvanceTo(Deadline deadline) {
  HALFPIPE_CHECK(!deadline.is_never());
  now_nanos_ = std::max(now_nanos_, deadline.nanos());
}

SimRuntime::SimRuntime(uint64_t seed) : Runtime(SimOptions(&sim_clock_, seed)) {}

}  // namespace halfpipe
