#include <iostream>

#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"

using namespace halfpipe;

int main() {
  Runtime runtime;
  Bundle bundle(&runtime);
  for (int i = 1; i <= 3; ++i) {
    absl::Status started = bundle.Go([&runtime, i] {
      if (runtime.SleepUntil(Deadline::In(absl::Milliseconds(100 * i))) != 0) return;  // cancelled
      std::cout << i << "\n";
    });
    if (!started.ok()) return 1;
  }
  static_cast<void>(bundle.Wait(Deadline::In(absl::Milliseconds(250))));
  return 0;  // It has printed 1 and 2. The bundle's end cancels the third, and waits for it.
}
