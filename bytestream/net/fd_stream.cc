#include "bytestream/net/fd_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/base/attributes.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/stream_info.h"

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
      outbound_(runtime, this, options.send_tail_bytes_max),
      keep_descriptors_(options.keep_descriptors) {
  runtime_->engine().Attach(&entry_, fd);
  entry_.byte_stream = true;
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
  if (status.ok()) DropPassedOver();
  return status;
}

absl::StatusOr<size_t> FdStream::ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) {
  absl::StatusOr<size_t> result = inbound_.ReadSome(dst, min, deadline);
  NoticeReadable();
  if (result.ok()) DropPassedOver();
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
  // Nobody will take them any more, and the peer may go on passing.
  keep_descriptors_ = false;
  passed_.CloseAll();
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
  passed_.CloseAll();
  when_readable_ = nullptr;
  readable_notice_.DropHold();
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
  passed_.CloseAll();
  CloseFd(/*reset=*/true);
  NoticeReadable();
}

IoResult FdStream::ReceiveSome(absl::Span<const iovec> pieces, Deadline deadline) {
  IoResult result = keep_descriptors_
                        ? ReceiveWithDescriptors(pieces, deadline)
                        : runtime_->engine().Receive(&entry_, pieces, nullptr, deadline);
  // The system tells of a broken connection once. Where a send was told, a receive sees an end that
  // looks clean, and must not.
  if (result.error == 0 && result.count == 0) result.error = connection_error_;
  return result;
}

// Apart from ReceiveSome(), so that only who needs it has the room for control data on the stack.
ABSL_ATTRIBUTE_NOINLINE IoResult FdStream::ReceiveWithDescriptors(absl::Span<const iovec> pieces,
                                                                  Deadline deadline) {
  PassedDescriptors::Control control;
  msghdr message = {};
  passed_.Offer(&control, &message);
  const IoResult result = runtime_->engine().Receive(&entry_, pieces, &message, deadline);
  if (result.error == 0 && result.count > 0) {
    passed_.Collect(message, inbound_.bytes_received() + result.count - 1);
  }
  return result;
}

absl::StatusOr<int> FdStream::ReceiveDescriptor(Deadline deadline) {
  if (!keep_descriptors_ && inbound_.error() != EBADF) {
    return ErrnoStatus(ENOTSUP, "the stream does not keep descriptors that are passed");
  }
  const absl::StatusOr<absl::Span<uint8_t>> bytes = Peek(1, deadline);
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return ErrnoStatus(EPIPE, "the stream ended before a descriptor");
  int fd = -1;
  bool last = false;
  if (const int error = passed_.Take(inbound_place(), &fd, &last)) {
    return ErrnoStatus(error, error == EPROTO ? "the next byte came without a descriptor"
                                              : "the descriptor that was passed was lost");
  }
  if (last) inbound_.Consume(1);
  return fd;
}

absl::Status FdStream::SendDescriptor(int fd, Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) {
    return ErrnoStatus(error, "passing a descriptor was cancelled");
  }
  if (fd_ >= 0) {
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd_, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_UNIX) {
      return ErrnoStatus(ENOTSUP, "descriptors are passed over Unix sockets only");
    }
  }
  uint8_t carrier = 0;
  const iovec piece = {&carrier, sizeof(carrier)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  msghdr message = {};
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  return outbound_.WriteUnit(
      [&](Deadline until) {
        IoResult result = runtime_->engine().Send(&entry_, absl::MakeConstSpan(&piece, 1), &message,
                                                  /*more=*/false, until);
        // The stream's own descriptor is well: it is the one to be passed that is not.
        if (result.error == EBADF && fd_ >= 0) result.error = EINVAL;
        if (EndsConnection(result.error)) connection_error_ = result.error;
        return result;
      },
      deadline);
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

void FdStream::Describe(StreamInfo* info) const {
  DescribeSocket(fd_, info);
  info->bytes_received = inbound_.bytes_received();
  info->bytes_sent = outbound_.bytes_sent();
  info->buffered_bytes = inbound_.buffered();
  info->tail_bytes = outbound_.tail_size();
}

int FdStream::SendEnd() { return shutdown(fd_, SHUT_WR) == 0 ? 0 : errno; }

bool FdStream::CanSend() {
  pollfd state = {fd_, POLLOUT, 0};
  return fd_ < 0 || poll(&state, 1, 0) > 0;
}

bool FdStream::CanReceive() {
  if (inbound_.ready() || fd_ < 0) return true;
  if (entry_.drained) return false;
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

// The engine's edge, or a notice of ours, says that there may be something to read. That is believed
// unless a receive has taken it since.
void FdStream::OnReadable() {
  if (!when_readable_) return;
  const bool readable = inbound_.ready() || fd_ < 0 || !entry_.drained;
  if (readable || !AwaitReadable()) std::exchange(when_readable_, nullptr)();
}

// A receive of somebody else, while a callback is armed, may have taken into the buffer what the
// engine would have reported.
void FdStream::NoticeReadable() {
  if (when_readable_ && inbound_.ready()) runtime_->HoldOutput(&readable_notice_);
}

}  // namespace halfpipe
