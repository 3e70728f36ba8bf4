#include "bytestream/testing/sim_clock.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/runtime/engine.h"

namespace halfpipe {
namespace {

class SimEngine final : public Engine {
 public:
  explicit SimEngine(SimClock* clock) : clock_(clock) {}

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
    if (woken_.exchange(false)) return;
    if (until.is_never()) {
      std::fprintf(stderr, "SimRuntime: deadlock: every coroutine waits and no timer is armed\n");
      std::abort();
    }
    if (!until.is_immediate()) clock_->AdvanceTo(until);
  }
  void Wakeup() noexcept override { woken_ = true; }

 private:
  SimClock* const clock_;
  std::atomic<bool> woken_{false};
};

Runtime::Options SimOptions(SimClock* clock) {
  Runtime::Options options;
  options.clock = clock;
  options.make_engine = [clock](Runtime*) { return std::make_unique<SimEngine>(clock); };
  return options;
}

}  // namespace

void SimClock::AdvanceTo(Deadline deadline) {
  HALFPIPE_CHECK(!deadline.is_never());
  now_nanos_ = std::max(now_nanos_, deadline.nanos());
}

SimRuntime::SimRuntime() : Runtime(SimOptions(&sim_clock_)) {}

}  // namespace halfpipe
