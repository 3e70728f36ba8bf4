#ifndef HALFPIPE_BYTESTREAM_BASE_CLOCK_H_
#define HALFPIPE_BYTESTREAM_BASE_CLOCK_H_

#include <cstdint>

namespace halfpipe {

// A monotonic clock. Units are nanoseconds since an arbitrary start; never a wall-clock time.
//
// Example:
//   int64_t start = Clock::Current().NowNanos();
class Clock {
 public:
  virtual ~Clock() = default;

  // Never decreases, never negative. Does not block.
  virtual int64_t NowNanos() = 0;

  // CLOCK_MONOTONIC. Lives for ever, safe from any thread.
  static Clock& System();

  // The clock that deadlines of this thread are measured on: the clock of the thread's runtime, or
  // System() where there is none. A runtime on simulated time installs its own, so that
  // Deadline::In() means the same thing in a test as in the field.
  static Clock& Current();

  // Installs `clock` (borrowed; null for System()) for this thread, returns what was there before.
  static Clock* SetCurrent(Clock* clock);
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_CLOCK_H_
