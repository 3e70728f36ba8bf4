#ifndef HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_
#define HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bytestream/base/deadline.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// The transports that tests of sockets run over.
enum class Transport { kUnix, kTcp };
const char* TransportName(Transport transport);

// Two connected sockets. The first one's send buffer and the second one's receive buffer are small,
// so that a writer soon has to wait. Ends the test process where the system has none.
std::array<int, 2> ConnectedFds(Transport transport);

// Descriptors that this process has open.
size_t OpenDescriptorCount();

// Ends the N-th wait of the runtime, counted from 0, with `result` (ETIMEDOUT or ECANCELED); later
// and earlier waits are left alone.
class EndNthWait final : public WaitObserver {
 public:
  // Observes `runtime`, borrowed, as long as the object lives. Only waits of coroutines other than
  // the thread's own flow count.
  EndNthWait(Runtime* runtime, int nth, int result);
  ~EndNthWait() override;
  int OnWait(Coroutine* waiting, Deadline deadline) override;

  // Whether the N-th wait came.
  bool happened() const { return happened_; }

 private:
  Runtime* const runtime_;
  Coroutine* const main_;
  int left_;
  const int result_;
  bool happened_ = false;
};

// `size` bytes that differ from place to place, so that a lost or doubled piece shows.
std::string Pattern(size_t size);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_NET_TEST_SUPPORT_H_
