#ifndef HALFPIPE_BYTESTREAM_TESTING_PATIENCE_H_
#define HALFPIPE_BYTESTREAM_TESTING_PATIENCE_H_

#include <chrono>

namespace halfpipe {

// How long a test waits for what is sure to happen: a minute of real time, whatever the clock of
// the runtime says. A count of turns is no such bound, for a machine may be busy for longer.
//
// Example:
//   const Patience patience;
//   while (!arrived && patience.Lasts()) runtime.Yield();
class Patience {
 public:
  bool Lasts() const { return std::chrono::steady_clock::now() < end_; }

 private:
  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::minutes(1);
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_PATIENCE_H_
