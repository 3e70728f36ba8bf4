#ifndef HALFPIPE_BYTESTREAM_NET_UDP_H_
#define HALFPIPE_BYTESTREAM_NET_UDP_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/message_socket.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/net/socket_options.h"
#include "bytestream/net/stream_info.h"
#include "bytestream/runtime/engine.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {

// The longest payload of a datagram (RFC 768; RFC 8200 section 4.5 for what IP leaves of 65535).
constexpr size_t kUdpBytesMaxIpv4 = 65507;
constexpr size_t kUdpBytesMaxIpv6 = 65527;

struct UdpOptions {
  SocketBuffers buffers = {};
  // SO_REUSEPORT: several sockets, one for each thread, share the port.
  bool reuse_port = false;
};

// A UDP socket that the caller owns, non-blocking and close-on-exec.
struct UdpDescriptor {
  int fd = -1;
  IpFamily family = IpFamily::kIpv4;
  // What the system made of the remote address ("any address" has become a real one), if there is
  // one.
  std::optional<IpAddress> remote;
};

// Opens one.
//
// local   where datagrams are received and come from; port 0 lets the system choose one, which is
//         written back. Null: the system chooses an IPv4 address, or one of the remote's family, at
//         the first datagram that is sent.
// remote  the only peer, whose datagrams alone are received and to whom they go by default. Null:
//         everybody.
// Never waits. Errors: EINVAL (addresses of two families, a remote without port, an option),
// EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT, EMFILE and what else socket(2), bind(2) and
// connect(2) say.
absl::StatusOr<UdpDescriptor> UdpOpenFd(IpAddress* local, const IpAddress* remote,
                                        const UdpOptions& options);

// Datagrams over UDP (RFC 768): each is delivered whole, or not at all; they may be lost, doubled or
// come in another order. As a MessageSocket it speaks to its remote; then what that class says of
// nothing being lost is true for this end alone.
//
// * A datagram larger than what is to be filled is consumed, and reported with EMSGSIZE.
// * A datagram of no bytes is a datagram. There is no end of the stream.
// * When a machine answers that nobody is there (ICMP, RFC 1122 section 4.1.3.3) and the socket has a
//   remote, the next call gets ECONNREFUSED, once; it has done nothing and may be made again.
//
// One receiver and one waiting sender at a time (EBUSY).
//
// Lifetime: no function may be running when the object is destroyed; Abort() first, then let the
// callers come out.
//
// Example:
//   IpAddress local = IpAddress::Any(IpFamily::kIpv4, 5555);
//   absl::StatusOr<UdpDescriptor> opened = UdpOpenFd(&local, nullptr, UdpOptions());
//   if (!opened.ok()) return opened.status();
//   UdpSocket socket(&runtime, *opened);
//   IpAddress from;
//   absl::StatusOr<size_t> size = socket.ReceiveFrom({&span, 1}, &from, deadline);
//   if (size.ok()) socket.Send(&from, {&slice, 1});
class UdpSocket : public MessageSocket, public StreamInfoSource {
 public:
  // Takes over what UdpOpenFd() has made. `runtime` is borrowed and outlives the object.
  UdpSocket(Runtime* runtime, const UdpDescriptor& opened);
  // As Abort(). Not final: an object in storage of the caller's may be derived from it.
  ~UdpSocket() override;
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // Sends one datagram to `to`, or if that is null to the remote. Never waits: one for which the
  // system has no room now is dropped, as it might be anywhere on its way, and that is no error.
  //   EINVAL        no address, or one of the other family or without port
  //   EMSGSIZE      longer than a datagram can be; nothing was sent
  //   ECONNREFUSED  see above; nothing was sent
  //   EBADF         Abort() was called
  //   ENOMEM and what else send(2) says, such as ENETUNREACH, EACCES; nothing was sent
  absl::Status Send(const IpAddress* to, absl::Span<const IoSlice> slices);

  // The same, but waits until the system has room. Also EBUSY: another coroutine is waiting here;
  // ETIMEDOUT, ECANCELED: nothing was sent.
  absl::Status SendTo(const IpAddress* to, absl::Span<const IoSlice> slices, Deadline deadline);

  // Receives one datagram into `slices` and returns its size; a slice with null data skips its size,
  // and an empty list takes a datagram of any size and drops it. *from (may be null) gets its
  // sender's address. ETIMEDOUT, ECANCELED: nothing was received. EMSGSIZE: see above. ECONNREFUSED,
  // EBUSY, EBADF, ENOMEM.
  absl::StatusOr<size_t> ReceiveFrom(absl::Span<const IoSpan> slices, IpAddress* from,
                                     Deadline deadline);

  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline deadline) override {
    return SendTo(nullptr, slices, deadline);
  }
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline deadline) override;
  bool sender_busy() const override { return sending_; }
  bool receiver_busy() const { return receiving_; }

  // Closes the socket. Blocked callers and all later ones get EBADF. May be called twice.
  void Abort() noexcept;

  void Describe(StreamInfo* info) const override;

  // The socket, still owned by the object. -1 once it is closed.
  int fd() const { return fd_; }

 private:
  // Few pieces, because stacks are small; a longer list goes through blocks of the pool.
  static constexpr size_t kPiecesMax = 8;
  class Blocks;

  struct Received {
    IoResult result;
    bool cut = false;
    std::optional<IpAddress> from;
  };

  int SendPieces(const IpAddress* to, absl::Span<const IoSlice> slices, Deadline deadline);
  Received ReceivePieces(absl::Span<const iovec> pieces);
  Received ReceiveOnce(absl::Span<const IoSpan> slices);

  Runtime* const runtime_;
  int fd_;
  const std::optional<IpAddress> remote_;
  const IpFamily family_;
  EngineFd entry_;
  uint64_t bytes_received_ = 0;
  uint64_t bytes_sent_ = 0;
  bool sending_ = false;
  bool receiving_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_UDP_H_
