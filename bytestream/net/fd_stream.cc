#include "bytestream/net/fd_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

// Errors of a send after which no end of stream can be believed. EPIPE is not one: it comes when
// the peer's end had been received before, or the error has been told already.
bool EndsConnection(int error) {
  switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ENETRESET:
      return true;
    default:
      return false;
  }
}

}  // namespace

FdStream::FdStream(Runtime* runtime, int fd, Options options)
    : runtime_(runtime),
      fd_(fd),
      inbound_(runtime, this),
      outbound_(runtime, this, options.send_tail_bytes_max) {
  runtime_->engine().Attach(&entry_, fd);
}

FdStream::~FdStream() { FdStream::Abort(); }

absl::StatusOr<absl::Span<uint8_t>> FdStream::Peek(size_t min, Deadline deadline) {
  absl::StatusOr<absl::Span<uint8_t>> result = inbound_.Peek(min, deadline);
  NoticeReadable();
  return result;
}

absl::Status FdStream::Read(absl::Span<const IoSpan> slices, Deadline deadline) {
  absl::Status status = inbound_.Read(slices, deadline);
  NoticeReadable();
  return status;
}

absl::StatusOr<size_t> FdStream::ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) {
  absl::StatusOr<size_t> result = inbound_.ReadSome(dst, min, deadline);
  NoticeReadable();
  return result;
}

absl::Status FdStream::Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) {
  return outbound_.Write(slices, more, deadline);
}

absl::Status FdStream::WriteTail(absl::Span<const IoSlice> slices) {
  return outbound_.WriteTail(slices);
}

absl::Status FdStream::Close(Deadline deadline) {
  if (outbound_.error() == EBADF) return ErrnoStatus(EBADF, "the stream was aborted");
  if (inbound_.busy() || outbound_.busy()) {
    return ErrnoStatus(EBUSY, "a coroutine is using the stream that is to be closed");
  }
  absl::Status status;
  if (!outbound_.done() || outbound_.error() != 0) status = outbound_.Done(deadline);
  if (status.ok()) {
    const IoSpan everything(nullptr, SIZE_MAX);
    status = inbound_.Read(absl::MakeConstSpan(&everything, 1), deadline);
    if (StatusErrno(status) == EPIPE) status = absl::OkStatus();
  }
  Abort();
  return status;
}

void FdStream::Abort() noexcept {
  if (outbound_.error() == EBADF) return;
  // Also where a send has failed although the connection has not: what it accepted is lost.
  const bool reset = outbound_.pending() || outbound_.error() != 0;
  inbound_.Fail(EBADF);
  outbound_.Fail(EBADF);
  when_readable_ = nullptr;
  readable_notice_.held_link.Unlink();
  CloseFd(reset);
}

// Ends the connection for the system. Whoever waits in the engine comes out with EBADF and finds
// the reason in its direction.
void FdStream::CloseFd(bool reset) {
  if (fd_ < 0) return;
  runtime_->engine().Detach(&entry_);
  if (reset) {
    // Pending bytes of the socket go too: a reset rather than an end that looks clean.
    const linger at_once = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  close(std::exchange(fd_, -1));
}

void FdStream::Reset() {
  inbound_.Fail(ECONNRESET);
  outbound_.Fail(ECONNRESET);
  CloseFd(/*reset=*/true);
  NoticeReadable();
}

IoResult FdStream::ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) {
  IoResult result = runtime_->engine().Receive(&entry_, pieces, nullptr, deadline);
  // The system tells of a broken connection once. Where a send was told, a receive sees an end that
  // looks clean, and must not.
  if (result.error == 0 && result.count == 0) result.error = connection_error_;
  return result;
}

int FdStream::WaitReadable(Deadline deadline) {
  return runtime_->engine().AwaitInput(&entry_, deadline);
}

IoResult FdStream::SendSome(absl::Span<const iovec> pieces, Deadline deadline) {
  const IoResult result =
      runtime_->engine().Send(&entry_, pieces, nullptr, /*more=*/false, deadline);
  if (EndsConnection(result.error)) connection_error_ = result.error;
  return result;
}

int FdStream::SendEnd() { return shutdown(fd_, SHUT_WR) == 0 ? 0 : errno; }

bool FdStream::CanSend() {
  pollfd state = {fd_, POLLOUT, 0};
  return fd_ < 0 || poll(&state, 1, 0) > 0;
}

bool FdStream::CanReceive() {
  if (inbound_.ready() || fd_ < 0) return true;
  pollfd state = {fd_, POLLIN, 0};
  return poll(&state, 1, 0) > 0;
}

// Arms a callback in the engine, which calls back from within where it cannot wait for the
// descriptor: false then.
bool FdStream::AwaitWritable() {
  bool failed = false;
  arming_failed_ = &failed;
  runtime_->engine().OnWritable(&entry_, [this] {
    if (arming_failed_ == nullptr) return outbound_.OnWritable();
    *arming_failed_ = true;
  });
  arming_failed_ = nullptr;
  return !failed;
}

bool FdStream::AwaitReadable() {
  bool failed = false;
  arming_failed_ = &failed;
  runtime_->engine().OnReadable(&entry_, [this] {
    if (arming_failed_ == nullptr) return OnReadable();
    *arming_failed_ = true;
  });
  arming_failed_ = nullptr;
  return !failed;
}

void FdStream::WhenReadable(Callback callback) {
  when_readable_ = nullptr;
  if (!callback) return;
  if (CanReceive()) return callback();
  when_readable_ = std::move(callback);
  if (!AwaitReadable()) std::exchange(when_readable_, nullptr)();
}

// The engine's edge, or a notice of ours, says that there may be something to read.
void FdStream::OnReadable() {
  if (!when_readable_) return;
  if (CanReceive() || !AwaitReadable()) std::exchange(when_readable_, nullptr)();
}

// A receive of somebody else, while a callback is armed, may have taken into the buffer what the
// engine would have reported.
void FdStream::NoticeReadable() {
  if (when_readable_ && inbound_.ready()) runtime_->HoldOutput(&readable_notice_);
}

}  // namespace halfpipe
