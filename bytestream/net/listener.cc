#include "bytestream/net/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "bytestream/base/errno_status.h"

namespace halfpipe {

Listener::Listener(Runtime* runtime, int fd) : runtime_(runtime), fd_(fd) {
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
  const IoResult result = runtime_->engine().Accept(&entry_, peer != nullptr ? &address : nullptr,
                                                    peer != nullptr ? &size : nullptr, deadline);
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
}

}  // namespace halfpipe
