#include "bytestream/net/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {

IoResult PacedAccept(AcceptPacer* pacer, const ListenerOptions& options, Deadline deadline,
                     absl::FunctionRef<IoResult()> accept_once) {
  for (;;) {
    const int paused = pacer->Pause(deadline);
    if (paused != 0 && paused != ETIMEDOUT) return {0, paused};
    const IoResult result = accept_once();
    if (!IsShortage(result.error)) {
      pacer->Reset();
      return result;
    }
    pacer->Failed();
    if (!options.wait_for_resources || paused == ETIMEDOUT || deadline.is_immediate())
      return result;
  }
}

Listener::Listener(Runtime* runtime, int fd, ListenerOptions options)
    : runtime_(runtime), options_(options), fd_(fd), pacer_(runtime) {
  runtime_->engine().Attach(&entry_, fd);
}

Listener::~Listener() { Abort(); }

absl::StatusOr<int> Listener::Accept(Deadline deadline, std::optional<IpAddress>* peer) {
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "accepting was cancelled");
  }
  if (fd_ < 0) return ErrnoStatus(EBADF, "the listener was aborted");
  if (busy_) return ErrnoStatus(EBUSY, "another coroutine is accepting from the listener");
  busy_ = true;
  absl::Cleanup leave = [this] { busy_ = false; };
  sockaddr_storage address;
  socklen_t size = sizeof(address);
  const IoResult result = PacedAccept(&pacer_, options_, deadline, [&] {
    return runtime_->engine().Accept(&entry_, peer != nullptr ? &address : nullptr,
                                     peer != nullptr ? &size : nullptr, deadline);
  });
  if (result.error != 0) return ErrnoStatus(result.error, "accepting a connection failed");
  if (peer != nullptr) {
    *peer = IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&address), size);
  }
  return static_cast<int>(result.count);
}

void Listener::Abort() noexcept {
  if (fd_ < 0) return;
  runtime_->engine().Detach(&entry_);
  close(std::exchange(fd_, -1));
  pacer_.Abort();
}

}  // namespace halfpipe
