// Step 6: step 5 in C++: owned objects instead of handles, statuses instead of errno.

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/listener.h"
#include "bytestream/net/tcp.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"

using namespace halfpipe;

// Sends a line.
absl::Status Say(FdStream* stream, absl::string_view text, Deadline deadline) {
  const IoSlice slices[] = {IoSlice(text.data(), text.size()), IoSlice("\r\n", 2)};
  return stream->Write(slices, /*more=*/false, deadline);
}

// Receives a line; nothing at the end of the stream. It is parsed where it lies, in the stream's
// buffer, and a line that does not fit there is EINVAL.
absl::StatusOr<std::optional<std::string>> Listen(FdStream* stream, Deadline deadline) {
  for (size_t wanted = 1;;) {
    auto bytes = stream->Peek(wanted, deadline);
    if (!bytes.ok()) return bytes.status();
    const absl::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    const size_t end = text.find("\r\n");
    if (end != absl::string_view::npos) {
      std::optional<std::string> line(std::string(text.substr(0, end)));
      stream->Consume(end + 2);
      return line;
    }
    if (bytes->size() < wanted) return std::optional<std::string>();
    wanted = bytes->size() + 1;
  }
}

absl::Status Talk(FdStream* stream, absl::Duration patience) {
  absl::Status status = Say(stream, "Hello! What you say comes back.", Deadline::In(patience));
  while (status.ok()) {
    const auto line = Listen(stream, Deadline::In(patience));
    if (absl::IsDeadlineExceeded(line.status())) {
      return Say(stream, "You are silent. Goodbye!", Deadline::In(patience));
    }
    if (!line.ok()) return line.status();
    if (!line->has_value()) return absl::OkStatus();
    status = Say(stream, **line, Deadline::In(patience));
  }
  return status;
}

void Serve(FdStream* stream, absl::Duration patience) {
  const absl::Status status = Talk(stream, patience);
  if (absl::IsCancelled(status)) {
    std::cout << "a client was cut off" << std::endl;
  } else {
    static_cast<void>(stream->Close(Deadline::In(patience)));
  }
}

void Accept(Runtime* runtime, Listener* listener, Bundle* clients, absl::Duration patience) {
  for (;;) {
    const absl::StatusOr<int> fd = listener->Accept(Deadline::Never());
    if (!fd.ok()) {
      if (!absl::IsCancelled(fd.status())) std::cerr << fd.status() << std::endl;
      return;
    }
    auto stream = std::make_unique<FdStream>(runtime, *fd);
    // If there is no memory for a coroutine, the stream goes with the closure.
    static_cast<void>(
        clients->Go([stream = std::move(stream), patience] { Serve(stream.get(), patience); }));
  }
}

int TerminationFd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

absl::Status Run(uint16_t port, absl::Duration patience, absl::Duration grace) {
  const int signals = TerminationFd();
  Runtime runtime;
  IpAddress address = IpAddress::Loopback(IpFamily::kIpv4, port);
  const absl::StatusOr<int> fd = TcpListenFd(&address, TcpListenOptions());
  if (!fd.ok()) return fd.status();
  Listener listener(&runtime, *fd);
  Bundle clients(&runtime);
  {
    Bundle acceptor(&runtime);
    absl::Status status = acceptor.Go([&] { Accept(&runtime, &listener, &clients, patience); });
    if (!status.ok()) return status;
    std::cout << "listening on port " << address.port() << std::endl;
    static_cast<void>(
        runtime.engine().WaitForeignFd(signals, /*writable=*/false, Deadline::Never()));
  }
  listener.Abort();
  std::cout << "no more clients" << std::endl;
  if (clients.Wait(Deadline::In(grace)) == ETIMEDOUT) std::cout << "time is up" << std::endl;
  clients.CancelAndJoin();
  close(signals);
  std::cout << "bye" << std::endl;
  return absl::OkStatus();
}

int main(int argc, char** argv) {
  const uint16_t port = argc > 1 ? static_cast<uint16_t>(atoi(argv[1])) : 5555;
  const absl::Duration patience = absl::Milliseconds(argc > 2 ? atoi(argv[2]) : 10000);
  const absl::Duration grace = absl::Milliseconds(argc > 3 ? atoi(argv[3]) : 5000);
  const absl::Status status = Run(port, patience, grace);
  if (!status.ok()) std::cerr << status << std::endl;
  return status.ok() ? 0 : 1;
}
