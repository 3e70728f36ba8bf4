#include "bytestream/base/clock.h"

#include <time.h>

#include <new>

namespace halfpipe {
namespace {

class SystemClock final : public Clock {
 public:
  int64_t NowNanos() override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }
};

thread_local Clock* current_clock = nullptr;

}  // namespace

Clock& Clock::System() {
  // Not destroyed: the object has no state, so nothing is lost with it.
  alignas(SystemClock) static unsigned char storage[sizeof(SystemClock)];
  static Clock* const clock = new (storage) SystemClock;
  return *clock;
}

Clock& Clock::Current() { return current_clock != nullptr ? *current_clock : System(); }

Clock* Clock::SetCurrent(Clock* clock) {
  Clock* const before = current_clock;
  current_clock = clock;
  return before;
}

}  // namespace halfpipe
