#ifndef HALFPIPE_WEBSOCKET_DRAIN_WISH_H_
#define HALFPIPE_WEBSOCKET_DRAIN_WISH_H_

#include <cstdint>
#include <mutex>
#include <optional>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"

namespace halfpipe::websocket {

// That all threads of a server are to drain, and by when. From any thread.
class DrainWish {
 public:
  // `bound` is from now on. The earliest one counts.
  void Ask(absl::Duration bound);

  // What is left of the bound, on the clock of the current runtime, which may be simulated. Nothing:
  // nobody has asked.
  std::optional<Deadline> Get() const;

 private:
  mutable std::mutex mutex_;
  bool asked_ = false;
  int64_t nanos_ = INT64_MAX;  // on the system's clock; INT64_MAX: without a bound
};

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DRAIN_WISH_H_
