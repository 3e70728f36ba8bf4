#ifndef HALFPIPE_BYTESTREAM_RUNTIME_ENGINE_EPOLL_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_ENGINE_EPOLL_H_

#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// The engine for every Linux: makes the system call first and waits, edge-triggered, only when it
// gave EAGAIN. See engine.h for the contract.
//
// An attached descriptor is registered once, at its first wait, and stays so. Of output the system
// reports only from the first wait for it on, until it reports some that nobody waits for: a Unix
// socket would otherwise wake us each time its peer has read something.
class EpollEngine final : public Engine {
 public:
  // `runtime` is borrowed and outlives the engine.
  explicit EpollEngine(Runtime* runtime) : runtime_(runtime) {}
  ~EpollEngine() override;

  const char* name() const override { return "epoll"; }
  void Attach(EngineFd* entry, int fd) override;
  void Detach(EngineFd* entry) override;
  IoResult Receive(EngineFd* entry, absl::Span<const iovec> pieces, msghdr* message,
                   Deadline deadline) override;
  IoResult Send(EngineFd* entry, absl::Span<const iovec> pieces, msghdr* message, bool more,
                Deadline deadline) override;
  IoResult Accept(EngineFd* entry, sockaddr_storage* address, socklen_t* address_size,
                  Deadline deadline) override;
  int Connect(EngineFd* entry, const sockaddr* address, socklen_t address_size,
              Deadline deadline) override;
  int WaitReadable(EngineFd* entry, Deadline deadline) override;
  int WaitWritable(EngineFd* entry, Deadline deadline) override;
  int AwaitInput(EngineFd* entry, Deadline deadline) override;
  void OnReadable(EngineFd* entry, absl::AnyInvocable<void()> callback) override;
  void OnWritable(EngineFd* entry, absl::AnyInvocable<void()> callback) override;
  int WaitForeignFd(int fd, bool writable, Deadline deadline) override;
  void ForgetForeignFd(int fd) override;
  void Poll(Deadline until) override;
  void Wakeup() noexcept override;

 private:
  static constexpr int kEventsPerPoll = 256;

  // A descriptor that WaitForeignFd() waits for.
  struct Foreign {
    EngineFd entry;
    uint32_t interest = 0;
  };

  int Open();
  int Register(EngineFd* entry, uint32_t events);
  int Rearm(EngineFd* entry, uint32_t events);
  void SetDrained(EngineFd* entry);
  int WaitFor(EngineFd* entry, WaiterList* list, Deadline deadline);
  int UpdateForeign(Foreign* foreign);
  int FinishConnect(EngineFd* entry, Deadline deadline);
  void IgnoreOutput(EngineFd* entry);
  void Dispatch(EngineFd* entry, uint32_t events);
  void Forget(Foreign* foreign);
  int PauseConnect(EngineFd* entry, int64_t pause_nanos, Deadline deadline);
  int WaitReady(EngineFd* entry, WaiterList* list, short events, Deadline deadline);
  int PollTimeoutMillis(Deadline until);
  void PollClockOnly(int timeout_millis);

  template <typename Attempt>
  IoResult Retry(EngineFd* entry, WaiterList* list, Deadline deadline, Attempt attempt);

  Runtime* const runtime_;
  int epoll_fd_ = -1;
  // These two are all that other threads touch.
  std::atomic<int> wakeup_fd_ = -1;
  std::atomic<bool> wakeup_pending_ = false;
  absl::flat_hash_map<int, std::unique_ptr<Foreign>> foreign_;
  // The batch that Poll() is working on; Detach() takes a dead entry's events out of it.
  epoll_event events_[kEventsPerPoll];
  int next_event_ = 0;
  int event_count_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_ENGINE_EPOLL_H_
