#include "bytestream/net/udp.h"

#include <netinet/in.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/socket_address.h"

namespace halfpipe {
namespace {

// More than any datagram has.
constexpr size_t kAnyBytesMax = 65536;

int SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

absl::Status CheckAddresses(const IpAddress* local, const IpAddress* remote) {
  if (remote == nullptr) return absl::OkStatus();
  if (remote->port() == 0) return ErrnoStatus(EINVAL, "the remote address has no port");
  if (local != nullptr && local->family() != remote->family()) {
    return ErrnoStatus(EINVAL, "the local and the remote address are of two families");
  }
  return absl::OkStatus();
}

absl::Status SetOptions(int fd, IpFamily family, const UdpOptions& options) {
  int error = 0;
  // Whatever the system's default is, as for TCP.
  if (family == IpFamily::kIpv6) error = SetInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (error == 0 && options.reuse_port) error = SetInt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (error != 0) return ErrnoStatus(error, "an option of the socket could not be set");
  return SetSocketBuffers(fd, options.buffers);
}

absl::Status SendStatus(int error) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EBADF:
      return ErrnoStatus(error, "the socket was aborted");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is waiting to send");
    case EINVAL:
      return ErrnoStatus(error, "a datagram without an address that fits the socket");
    case EMSGSIZE:
      return ErrnoStatus(error, "the message is longer than a datagram can be");
    default:
      return ErrnoStatus(error, "sending a datagram failed");
  }
}

absl::Status ReceiveStatus(int error) {
  switch (error) {
    case EBADF:
      return ErrnoStatus(error, "the socket was aborted");
    case EBUSY:
      return ErrnoStatus(error, "another coroutine is receiving");
    default:
      return ErrnoStatus(error, "receiving a datagram failed");
  }
}

}  // namespace

absl::StatusOr<UdpDescriptor> UdpOpenFd(IpAddress* local, const IpAddress* remote,
                                        const UdpOptions& options) {
  absl::Status status = CheckAddresses(local, remote);
  if (!status.ok()) return status;
  const IpFamily family = local != nullptr    ? local->family()
                          : remote != nullptr ? remote->family()
                                              : IpFamily::kIpv4;
  const int fd = socket(family == IpFamily::kIpv6 ? AF_INET6 : AF_INET,
                        SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoStatus(errno, "no socket");
  absl::Cleanup closer = [fd] { close(fd); };
  status = SetOptions(fd, family, options);
  if (!status.ok()) return status;
  uint16_t port = 0;
  if (local != nullptr) {
    if (bind(fd, local->sockaddr_ptr(), local->sockaddr_size()) < 0) {
      const int error = errno;
      return ErrnoStatus(error, absl::StrCat("binding to ", local->ToString(), " failed"));
    }
    const absl::StatusOr<IpAddress> bound = LocalAddress(fd);
    if (!bound.ok()) return bound.status();
    port = bound->port();
  }
  int connected = 0;
  do {
    if (remote != nullptr) connected = connect(fd, remote->sockaddr_ptr(), remote->sockaddr_size());
  } while (connected < 0 && errno == EINTR);
  if (connected < 0) {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat("there is no way to ", remote->ToString()));
  }
  UdpDescriptor opened;
  opened.fd = fd;
  opened.family = family;
  if (remote != nullptr) {
    const absl::StatusOr<IpAddress> peer = PeerAddress(fd);
    if (!peer.ok()) return peer.status();
    opened.remote = *peer;
  }
  if (local != nullptr) local->set_port(port);
  std::move(closer).Cancel();
  return opened;
}

// Blocks of the pool for as many bytes as a list has, or a datagram may have: for lists that skip,
// or are long.
class UdpSocket::Blocks {
 public:
  // Takes blocks for `size` bytes, at most kAnyBytesMax; ok() is false if memory fails.
  Blocks(BufferPool* pool, size_t size) : pool_(pool) {
    for (; size > 0 && count_ < kBlocks; ++count_) {
      const size_t part = std::min(size, BufferPool::kBlockSize);
      pieces_[count_] = {pool_->Get(), part};
      if (pieces_[count_].iov_base == nullptr) return;
      size -= part;
    }
    ok_ = true;
  }
  ~Blocks() {
    for (size_t i = 0; i < count_; ++i) pool_->Put(static_cast<uint8_t*>(pieces_[i].iov_base));
  }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  bool ok() const { return ok_; }
  absl::Span<const iovec> pieces() const { return absl::MakeConstSpan(pieces_, count_); }

  // Copies all of the list into the blocks, or the first `size` bytes of the blocks to the list.
  void Gather(absl::Span<const IoSlice> slices) {
    size_t at = 0;
    for (const IoSlice& slice : slices) {
      for (size_t done = 0; done < slice.size;) {
        const size_t step = Step(at, slice.size - done);
        std::memcpy(Place(at), slice.data + done, step);
        done += step;
        at += step;
      }
    }
  }
  void Scatter(absl::Span<const IoSpan> slices, size_t size) const {
    size_t at = 0;
    for (const IoSpan& slice : slices) {
      const size_t part = std::min(slice.size, size - at);
      for (size_t done = 0; done < part;) {
        const size_t step = Step(at, part - done);
        if (slice.data != nullptr) std::memcpy(slice.data + done, Place(at), step);
        done += step;
        at += step;
      }
    }
  }

 private:
  static constexpr size_t kBlocks = kAnyBytesMax / BufferPool::kBlockSize;
  static_assert(kBlocks * BufferPool::kBlockSize == kAnyBytesMax, "whole blocks");

  uint8_t* Place(size_t at) const {
    return static_cast<uint8_t*>(pieces_[at / BufferPool::kBlockSize].iov_base) +
           at % BufferPool::kBlockSize;
  }
  static size_t Step(size_t at, size_t left) {
    return std::min(left, BufferPool::kBlockSize - at % BufferPool::kBlockSize);
  }

  BufferPool* const pool_;
  iovec pieces_[kBlocks];
  size_t count_ = 0;
  bool ok_ = false;
};

UdpSocket::UdpSocket(Runtime* runtime, const UdpDescriptor& opened)
    : runtime_(runtime), fd_(opened.fd), remote_(opened.remote), family_(opened.family) {
  runtime_->engine().Attach(&entry_, fd_);
}

UdpSocket::~UdpSocket() { Abort(); }

void UdpSocket::Abort() noexcept {
  if (fd_ < 0) return;
  runtime_->engine().Detach(&entry_);
  close(std::exchange(fd_, -1));
}

void UdpSocket::Describe(StreamInfo* info) const {
  DescribeSocket(fd_, info);
  info->bytes_received = bytes_received_;
  info->bytes_sent = bytes_sent_;
}

// 0 or an errno.
int UdpSocket::SendPieces(const IpAddress* to, absl::Span<const IoSlice> slices,
                          Deadline deadline) {
  if (fd_ < 0) return EBADF;
  if (to == nullptr && !remote_.has_value()) return EINVAL;
  if (to != nullptr && (to->family() != family_ || to->port() == 0)) return EINVAL;
  const size_t size = TotalSize(slices);
  if (size > kAnyBytesMax) return EMSGSIZE;
  Blocks blocks(&runtime_->buffer_pool(), slices.size() > kPiecesMax ? size : 0);
  if (!blocks.ok()) return ENOMEM;
  iovec own_pieces[kPiecesMax];
  absl::Span<const iovec> pieces = blocks.pieces();
  if (slices.size() > kPiecesMax) {
    blocks.Gather(slices);
  } else {
    for (size_t i = 0; i < slices.size(); ++i) {
      own_pieces[i] = {const_cast<uint8_t*>(slices[i].data), slices[i].size};
    }
    pieces = absl::MakeConstSpan(own_pieces, slices.size());
  }
  msghdr message = {};
  if (to != nullptr) {
    message.msg_name = const_cast<sockaddr*>(to->sockaddr_ptr());
    message.msg_namelen = to->sockaddr_size();
  }
  const IoResult result =
      runtime_->engine().Send(&entry_, pieces, &message, /*more=*/false, deadline);
  if (result.error == 0) bytes_sent_ += result.count;
  return result.error;
}

absl::Status UdpSocket::Send(const IpAddress* to, absl::Span<const IoSlice> slices) {
  const int error = SendPieces(to, slices, Deadline::Immediately());
  const bool no_room = error == ETIMEDOUT || error == ECANCELED || error == EBUSY ||  // who waits
                       error == ENOBUFS;
  return no_room ? absl::OkStatus() : SendStatus(error);
}

absl::Status UdpSocket::SendTo(const IpAddress* to, absl::Span<const IoSlice> slices,
                               Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return SendStatus(error);
  if (fd_ >= 0 && sending_) return SendStatus(EBUSY);
  sending_ = true;
  absl::Cleanup leave = [this] { sending_ = false; };
  return SendStatus(SendPieces(to, slices, deadline));
}

UdpSocket::Received UdpSocket::ReceivePieces(absl::Span<const iovec> pieces) {
  sockaddr_storage address;
  msghdr message = {};
  message.msg_name = &address;
  message.msg_namelen = sizeof(address);
  Received received;
  received.result = runtime_->engine().Receive(&entry_, pieces, &message, Deadline::Immediately());
  if (received.result.error != 0) return received;
  received.cut = (message.msg_flags & MSG_TRUNC) != 0;
  received.from =
      IpAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&address), message.msg_namelen);
  return received;
}

// One attempt that does not wait.
UdpSocket::Received UdpSocket::ReceiveOnce(absl::Span<const IoSpan> slices) {
  const bool direct = !slices.empty() && slices.size() <= kPiecesMax &&
                      std::all_of(slices.begin(), slices.end(), [](const IoSpan& slice) {
                        return slice.data != nullptr || slice.size == 0;
                      });
  if (direct) {
    iovec pieces[kPiecesMax];
    for (size_t i = 0; i < slices.size(); ++i) pieces[i] = {slices[i].data, slices[i].size};
    return ReceivePieces(absl::MakeConstSpan(pieces, slices.size()));
  }
  const IoSpan anything(nullptr, kAnyBytesMax);
  if (slices.empty()) slices = absl::MakeConstSpan(&anything, 1);
  Blocks blocks(&runtime_->buffer_pool(), std::min(TotalSize(slices), kAnyBytesMax));
  if (!blocks.ok()) {
    Received none;
    none.result.error = ENOMEM;
    return none;
  }
  Received received = ReceivePieces(blocks.pieces());
  if (received.result.error == 0) blocks.Scatter(slices, received.result.count);
  return received;
}

absl::StatusOr<size_t> UdpSocket::ReceiveFrom(absl::Span<const IoSpan> slices, IpAddress* from,
                                              Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return ReceiveStatus(error);
  if (fd_ < 0) return ReceiveStatus(EBADF);
  if (receiving_) return ReceiveStatus(EBUSY);
  receiving_ = true;
  absl::Cleanup leave = [this] { receiving_ = false; };
  int ended = 0;
  for (;;) {
    const Received received = ReceiveOnce(slices);
    if (received.result.error == 0) {
      // Between bind(2) and connect(2) others may have come in.
      if (remote_.has_value() && received.from != remote_) continue;
      bytes_received_ += received.result.count;
      if (received.cut) {
        return ErrnoStatus(EMSGSIZE, absl::StrCat("the datagram is larger than the ",
                                                  received.result.count, " bytes for it"));
      }
      if (from != nullptr && received.from.has_value()) *from = *received.from;
      return received.result.count;
    }
    if (received.result.error != ETIMEDOUT) return ReceiveStatus(received.result.error);
    // What has arrived by now counts, so there is one more attempt after a wait that ended.
    if (ended != 0) return ReceiveStatus(ended);
    if (deadline.is_immediate()) return ReceiveStatus(ETIMEDOUT);
    const int waited = runtime_->engine().AwaitInput(&entry_, deadline);
    if (waited == ETIMEDOUT || waited == ECANCELED) {
      ended = waited;
    } else if (waited != 0) {
      return ReceiveStatus(waited);
    }
  }
}

absl::StatusOr<std::optional<size_t>> UdpSocket::ReceiveMessage(absl::Span<const IoSpan> slices,
                                                                Deadline deadline) {
  const absl::StatusOr<size_t> size = ReceiveFrom(slices, nullptr, deadline);
  if (!size.ok()) return size.status();
  return std::optional<size_t>(*size);
}

}  // namespace halfpipe
